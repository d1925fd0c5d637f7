"""What was released is processed: awaited, or named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runbook.api import (
    Budget,
    Decision,
    HeldCounts,
    HostError,
    Pass,
    Phase,
    Plan,
    ReadContext,
    Sizes,
    Step,
    Unreachable,
    left_waiting,
    named_lines,
    noted,
)


@dataclass(frozen=True)
class Facts:
    """What still waits; ``trouble``: why that cannot be told."""

    left: tuple[str, ...] = ()
    trouble: str = ""


class AwaitReleased(Step):
    """Wait until no more work waits than before it was held."""

    phase = Phase.ONLINE
    after = ("release-work",)
    irreversible = True

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that holds something."""
        return (None,) if plan.held else ()

    def budget(self, sizes: Sizes) -> Budget:
        del sizes
        return Budget(sum(held.drains.total_seconds() for held in self.plan.held))

    def observe(self, ctx: ReadContext) -> Facts:
        levels = ctx.kept("hold-work", HeldCounts).counts
        try:
            facts = Facts(left_waiting(ctx, levels))
        except (HostError, Unreachable) as error:
            facts = Facts(trouble=error.message)
        noted(ctx, (f"released, and not done yet: {left}" for left in facts.left))
        return facts

    def decide(self, facts: Facts) -> Decision:
        return Pass(_verdict(facts), keep=HeldCounts())


def _verdict(facts: Facts) -> str:
    if facts.trouble:
        return f"it was released; whether it is done cannot be told: {facts.trouble}"
    if facts.left:
        return f"released, and not done yet: {named_lines(facts.left)}"
    return "no more work waits than before it was held"
