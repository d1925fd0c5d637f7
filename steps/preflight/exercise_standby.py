"""A standby does the work, for a moment, before anything depends on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollback.preflight.exercise_standby import GiveWorkBack
from runbook.api import (
    EVERY_CHECK,
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Sizes,
    Step,
    command_of,
    does_the_work,
    exercised,
    move,
)


@dataclass(frozen=True)
class Facts:
    """Who does the work."""

    name: str
    at_work: bool = False


@dataclass(frozen=True)
class Goal:
    """The standby does the work."""

    name: str


class ExerciseStandby(Step):
    """Bring the standby to do the work, and see that it takes over."""

    phase = Phase.PREFLIGHT
    # Every other check comes first: nothing is moved in a night that is refused anyway. `runbook check` moves nothing.
    after = EVERY_CHECK
    undoes_with = (GiveWorkBack,)
    Intent = Goal
    key: str

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Those that are exercised by commands."""
        return exercised(plan)

    def budget(self, sizes: Sizes) -> Budget:
        del sizes
        within = command_of(self.plan, self.key).within.total_seconds()
        return Budget(within, within)

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts(self.key, does_the_work(ctx, command_of(ctx.plan, self.key)))

    def decide(self, facts: Facts) -> Decision:
        if facts.at_work:
            return Block(
                f"the standby {facts.name} does the work already",
                "Find out what failed, and bring the work back to where it belongs first.",
            )
        return Apply(Goal(facts.name), GiveWorkBack(facts.name))

    def apply(self, ctx: Context, intent: Goal) -> None:
        standby = command_of(ctx.plan, intent.name)
        if not does_the_work(ctx, standby):
            move(ctx, standby, standby.exercise, there=True)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        # Never untouched: whatever the exercise was told before it failed, the way back is gone.
        return Outcome.REACHED if does_the_work(ctx, command_of(ctx.plan, intent.name)) else Outcome.PARTIAL
