"""The gate, seen from outside."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Block, Decision, LightStep, Pass, Phase, ReadContext, await_pages, gate_pages, named_lines

PATIENCE = 10.0
"""Seconds a front end gets to notice that the gate is closed."""


@dataclass(frozen=True)
class Facts:
    """How many pages were looked at, and what is wrong with them."""

    pages: int
    complaints: tuple[str, ...] = ()


class ProbeClosed(LightStep):
    """See from outside that users get the maintenance text."""

    phase = Phase.OFFLINE
    after = ("close-gate",)

    def observe(self, ctx: ReadContext) -> Facts:
        pages = gate_pages(ctx.plan, "closed")
        return Facts(len(pages), await_pages(ctx, pages, PATIENCE))

    def decide(self, facts: Facts) -> Decision:
        if facts.complaints:
            return Block(
                f"users are not kept out: {named_lines(facts.complaints)}",
                "Look whether the front end honours the gate, and at gate.probes in the plan.",
            )
        if not facts.pages:
            return Pass("the plan names no page to look at")
        return Pass(f"{facts.pages} pages are as the plan says while the gate is closed")
