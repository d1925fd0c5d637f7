"""Every service as its impact says, seen from outside once more before the gate opens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runbook.api import Block, Decision, LightStep, Pass, Phase, Plan, ReadContext, await_pages, gate_pages, named_lines

PATIENCE = 5.0
"""Seconds a service gets to answer as declared."""


@dataclass(frozen=True)
class Facts:
    """How many pages were looked at, and what is wrong with them."""

    pages: int
    complaints: tuple[str, ...] = ()


class ProbeImpacts(LightStep):
    """See from outside that what was to stay in service did, and what was to be turned away is."""

    phase = Phase.ONLINE
    after = ("check-http", "prove-reference", "compare-proof")

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan whose impacts can be seen."""
        return (None,) if any(impact.probes for impact in plan.impacts) else ()

    def observe(self, ctx: ReadContext) -> Facts:
        pages = gate_pages(ctx.plan, "closed")
        return Facts(len(pages), await_pages(ctx, pages, PATIENCE))

    def decide(self, facts: Facts) -> Decision:
        if facts.complaints:
            return Block(
                f"users do not meet what the plan says: {named_lines(facts.complaints)}",
                "Look at that service, and at its probes under impacts in the plan.",
            )
        return Pass(f"{facts.pages} pages are as the impacts say")
