"""Services that the checks need come back, while users are still kept out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollback.online.start_services import StopServicesAgain
from runbook.api import (
    GATE_HINT,
    GATE_IS_GONE,
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    ServiceMark,
    Sizes,
    Skip,
    Step,
    are_back,
    gate_is_gone,
    marks_due,
    put_services_back,
)

WHEN = "before-checks"


@dataclass(frozen=True)
class Facts:
    """What this run stopped of them."""

    marks: tuple[ServiceMark, ...] = ()
    gate_is_gone: bool = False


@dataclass(frozen=True)
class Goal:
    """They are as they were."""

    marks: tuple[ServiceMark, ...]


class StartEarlyServices(Step):
    """Start the services that the checks need, exactly as they were."""

    phase = Phase.ONLINE
    after = ("release-database", "repoint")
    undoes_with = (StopServicesAgain,)
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that has such services."""
        return (None,) if any(service.start == WHEN for service in plan.services) else ()

    def budget(self, sizes: Sizes) -> Budget:
        """One service after the other, each on all its hosts at once."""
        del sizes
        each = sum(service.within.total_seconds() for service in self.plan.services if service.start == WHEN)
        return Budget(each, each)

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts(marks_due(ctx, WHEN), gate_is_gone(ctx))

    def decide(self, facts: Facts) -> Decision:
        if facts.gate_is_gone:
            return Block(GATE_IS_GONE, GATE_HINT)
        if not facts.marks:
            return Skip("none of them ran before")
        return Apply(Goal(facts.marks), StopServicesAgain(facts.marks))

    def apply(self, ctx: Context, intent: Goal) -> None:
        put_services_back(ctx, intent.marks)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        return are_back(ctx, intent.marks)
