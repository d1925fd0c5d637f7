"""Work is held, before the gate closes: what comes in from now on waits, and none of it is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rollback.offline.hold_work import ReleaseHeldWork
from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Finding,
    HeldCounts,
    HeldSeen,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Sizes,
    Step,
    hold,
    holding,
    judged,
    see_held,
    untold,
)

EACH = 5.0
"""Seconds for one: it is told, asked and counted."""


@dataclass(frozen=True)
class Facts:
    """Everything that the plan holds, as it stands now."""

    held: tuple[HeldSeen, ...] = ()


@dataclass(frozen=True)
class Goal:
    """All of it is held."""

    names: tuple[str, ...]


class HoldWork(Step):
    """Hold the work that must not run meanwhile, and must not be lost."""

    phase = Phase.OFFLINE
    # Before the gate closes, so that on the way back it is released when users are in again.
    after = ("pin-exchange", "seed-restore", "fetch-packages", "create-container")
    undoes_with = (ReleaseHeldWork,)
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that holds something."""
        return (None,) if plan.held else ()

    def budget(self, sizes: Sizes) -> Budget:
        del sizes
        # What comes first and the draining are left out: they take what they take, and users are in by then.
        return Budget(EACH * len(self.plan.held), EACH * len(self.plan.held))

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts(see_held(ctx))

    def decide(self, facts: Facts) -> Decision:
        wrong = judged(_problems(facts), "nothing is held")
        if isinstance(wrong, Block):
            return wrong
        counts = {one.name: one.count for one in facts.held}
        return Apply(Goal(tuple(counts)), ReleaseHeldWork(counts), keep=HeldCounts(counts))

    def apply(self, ctx: Context, intent: Goal) -> None:
        hold(ctx, intent.names)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        return holding(ctx, intent.names, wanted=True)


def _problems(facts: Facts) -> Iterator[Finding]:
    yield from untold(facts.held)
    for one in facts.held:
        if one.is_held:
            yield Finding(f"{one.name} was held by somebody else since it was checked", "Find out why; release it.")
