"""What users see now, seen from outside."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Block,
    Budget,
    Decision,
    Pass,
    Phase,
    ReadContext,
    Sizes,
    Skip,
    Step,
    await_pages,
    gate_pages,
    named_lines,
)

PATIENCE = 30.0
"""Seconds a front end gets to notice that the maintenance file is gone."""


@dataclass(frozen=True)
class Facts:
    """How many pages were looked at, and what is wrong with them."""

    pages: int
    complaints: tuple[str, ...] = ()


class ProbeOpen(Step):
    """Look from outside whether users are served."""

    phase = Phase.ONLINE
    after = ("open-gate", "start-services")
    irreversible = True

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(1.0)

    def observe(self, ctx: ReadContext) -> Facts:
        pages = gate_pages(ctx.plan, "open")
        return Facts(len(pages), await_pages(ctx, pages, PATIENCE))

    def decide(self, facts: Facts) -> Decision:
        if not facts.pages:
            return Skip("the plan has no probes")
        if facts.complaints:
            return Block(
                f"the gate is open, but users are not served: {named_lines(facts.complaints)}",
                "Look at the front end; when it serves again: runbook resume.",
            )
        return Pass(f"{facts.pages} pages are served to users")
