"""Services stop, while users are kept out already: nothing on the hosts writes any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollback.offline.stop_services import StartServicesAgain
from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Outcome,
    Pass,
    Phase,
    Plan,
    ReadContext,
    ServiceMark,
    ServicePlace,
    ServicesBefore,
    ServiceSeen,
    Sizes,
    Step,
    are_stopped,
    judged,
    missing_notes,
    noted,
    see_services,
    stop_services,
    unsettled,
)


@dataclass(frozen=True)
class Facts:
    """Every service on every host."""

    services: tuple[ServiceSeen, ...] = ()


@dataclass(frozen=True)
class Goal:
    """None of these runs, and what is to be disabled is."""

    marks: tuple[ServiceMark, ...]


class StopServices(Step):
    """Stop the services that must not run meanwhile, on all their hosts."""

    phase = Phase.OFFLINE
    after = ("probe-closed",)
    undoes_with = (StartServicesAgain,)
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that has services."""
        return (None,) if plan.services else ()

    def budget(self, sizes: Sizes) -> Budget:
        """One service after the other, each on all its hosts at once."""
        del sizes
        each = sum(service.within.total_seconds() for service in self.plan.services)
        return Budget(each, each)

    def observe(self, ctx: ReadContext) -> Facts:
        facts = Facts(see_services(ctx))
        noted(ctx, missing_notes(facts.services))
        return facts

    def decide(self, facts: Facts) -> Decision:
        wrong = judged(unsettled(facts.services), "all are settled")
        if isinstance(wrong, Block):
            return wrong
        marks = tuple(mark for one in facts.services if (mark := _due(one)))
        missing = tuple(ServicePlace(one.service, one.host) for one in facts.services if one.is_missing)
        keep = ServicesBefore(marks, missing)
        if not marks:
            return Pass("no service runs", keep=keep)
        return Apply(Goal(marks), StartServicesAgain(marks, missing), keep=keep)

    def apply(self, ctx: Context, intent: Goal) -> None:
        stop_services(ctx, intent.marks)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        return are_stopped(ctx, intent.marks)


def _due(one: ServiceSeen) -> ServiceMark | None:
    """What must be kept of it, when it has to be stopped or disabled."""
    if one.state is None:
        return None
    running = one.state.doing == "running"
    due = running or (one.during == "disabled" and not one.barred)
    return ServiceMark(one.service, one.host, running, one.state.start) if due else None
