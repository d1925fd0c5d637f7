"""The standby has done the work: it answers as declared, and gives the work back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Exercised,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Sizes,
    Step,
    await_served,
    command_of,
    does_the_work,
    exercised,
    move,
    named_lines,
)


@dataclass(frozen=True)
class Facts:
    """What is seen while the standby does the work."""

    name: str
    at_work: bool = True
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Goal:
    """The work is where it belongs."""

    name: str


class ReturnStandby(Step):
    """See that the standby answers while it does the work, and bring the work back."""

    phase = Phase.PREFLIGHT
    after = ("exercise-standby",)
    Intent = Goal
    key: str

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Those that are exercised by commands."""
        return exercised(plan)

    def budget(self, sizes: Sizes) -> Budget:
        del sizes
        return Budget(command_of(self.plan, self.key).within.total_seconds())

    def observe(self, ctx: ReadContext) -> Facts:
        standby = command_of(ctx.plan, self.key)
        return Facts(self.key, does_the_work(ctx, standby), await_served(ctx, standby))

    def decide(self, facts: Facts) -> Decision:
        hint = "Mend it before the night: what does not answer now will not take over when something fails."
        if not facts.at_work:
            return Block(f"the standby {facts.name} did not keep the work", hint)
        if facts.complaints:
            return Block(f"the standby took over and does not answer: {named_lines(facts.complaints)}", hint)
        return Apply(Goal(facts.name), undo=None, keep=Exercised(facts.name))

    def apply(self, ctx: Context, intent: Goal) -> None:
        standby = command_of(ctx.plan, intent.name)
        move(ctx, standby, standby.back, there=False)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        there = does_the_work(ctx, command_of(ctx.plan, intent.name))
        return Outcome.UNTOUCHED if there else Outcome.REACHED
