"""Held work is released on the new setup, after what must come first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rollback.online.release_work import HoldAgain
from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    HeldCounts,
    HeldSeen,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Sizes,
    Skip,
    Step,
    holding,
    judged,
    losses,
    noted,
    release,
    see_held,
    untold,
)


@dataclass(frozen=True)
class Facts:
    """Everything that the plan holds, and how much waited when it was held."""

    held: tuple[HeldSeen, ...] = ()
    at_hold: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """It is released; ``at_hold`` is what must be there before."""

    names: tuple[str, ...]
    at_hold: Mapping[str, int] = field(default_factory=dict)


class ReleaseWork(Step):
    """Count what was held, run what must come first, and release it."""

    phase = Phase.ONLINE
    after = ("probe-open", "start-services")
    irreversible = True
    undoes_with = (HoldAgain,)
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that holds something."""
        return (None,) if plan.held else ()

    def budget(self, sizes: Sizes) -> Budget:
        del sizes
        return Budget(5.0 * len(self.plan.held))

    def observe(self, ctx: ReadContext) -> Facts:
        # Released once and held again since (a person wanted to go back, and too much would have been lost): what is
        # done of it by now says nothing.
        again = ctx.find_kept("await-released", HeldCounts) is not None
        facts = Facts(see_held(ctx), {} if again else ctx.kept("count-held", HeldCounts).counts)
        released = [one.name for one in facts.held if not one.trouble and not one.is_held]
        noted(ctx, (f"{name} was released before this run came to it" for name in released))
        return facts

    def decide(self, facts: Facts) -> Decision:
        due = tuple(one for one in facts.held if one.is_held)
        wrong = judged((*untold(facts.held), *losses(due, facts.at_hold)), "nothing is lost")
        if isinstance(wrong, Block):
            return wrong
        if not due:
            return Skip("nothing is held any more")
        names = tuple(one.name for one in due)
        at_hold = {name: count for name, count in facts.at_hold.items() if name in names}
        return Apply(Goal(names, at_hold), HoldAgain(names), keep=HeldCounts({one.name: one.count for one in due}))

    def apply(self, ctx: Context, intent: Goal) -> None:
        release(ctx, intent.names, intent.at_hold)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        return holding(ctx, intent.names, wanted=False)
