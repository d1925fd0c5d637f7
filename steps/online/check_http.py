"""The application answers from the upgraded databases, before any user meets it."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Block,
    Budget,
    Decision,
    Page,
    Pass,
    Phase,
    ReadContext,
    Sizes,
    Skip,
    Step,
    await_pages,
    named_lines,
)

PATIENCE = 30.0
"""Seconds an application gets to connect anew."""


@dataclass(frozen=True)
class Facts:
    """How many pages were looked at, and what is wrong with them."""

    pages: int
    complaints: tuple[str, ...] = ()


class CheckHttp(Step):
    """Look at the plan's pages while the gate is closed to users."""

    phase = Phase.ONLINE
    after = ("release-database", "start-early-services")

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(1.0 if self.plan.checks.http else 0.1)

    def observe(self, ctx: ReadContext) -> Facts:
        pages = [Page(one.url, one.status, one.contains, one.name) for one in ctx.plan.checks.http]
        return Facts(len(pages), await_pages(ctx, pages, PATIENCE))

    def decide(self, facts: Facts) -> Decision:
        if not facts.pages:
            return Skip("the plan has no pages to look at")
        if facts.complaints:
            return Block(
                f"the application does not answer as it must: {named_lines(facts.complaints)}",
                "Its own log says why it cannot work with the upgraded databases.",
            )
        return Pass(f"{facts.pages} pages answered as they must")
