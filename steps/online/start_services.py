"""All other services come back, now that users are in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollback.online.start_services import StopServicesAgain
from runbook.api import (
    Apply,
    Budget,
    Context,
    Decision,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    ServiceMark,
    ServicesBefore,
    Sizes,
    Skip,
    Step,
    are_back,
    came_back,
    marks_due,
    noted,
    put_services_back,
    see_services,
)

WHEN = "after-opening"


@dataclass(frozen=True)
class Facts:
    """What this run stopped of them."""

    marks: tuple[ServiceMark, ...] = ()


@dataclass(frozen=True)
class Goal:
    """They are as they were."""

    marks: tuple[ServiceMark, ...]


class StartServices(Step):
    """Start all other services, exactly as they were."""

    phase = Phase.ONLINE
    after = ("open-gate",)
    irreversible = True
    undoes_with = (StopServicesAgain,)
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that has services."""
        return (None,) if plan.services else ()

    def budget(self, sizes: Sizes) -> Budget:
        """One service after the other, each on all its hosts at once."""
        del sizes
        return Budget(sum(service.within.total_seconds() for service in self.plan.services if service.start == WHEN))

    def observe(self, ctx: ReadContext) -> Facts:
        missing = ctx.kept("stop-services", ServicesBefore).missing
        if missing:
            noted(ctx, came_back(see_services(ctx), missing))
        return Facts(marks_due(ctx, WHEN))

    def decide(self, facts: Facts) -> Decision:
        if not facts.marks:
            return Skip("none of them ran before")
        return Apply(Goal(facts.marks), StopServicesAgain(facts.marks))

    def apply(self, ctx: Context, intent: Goal) -> None:
        put_services_back(ctx, intent.marks)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        return are_back(ctx, intent.marks)
