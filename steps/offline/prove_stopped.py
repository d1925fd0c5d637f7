"""No service has come back by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from runbook.api import (
    Decision,
    LightStep,
    Phase,
    Plan,
    ReadContext,
    ServicesBefore,
    ServiceSeen,
    came_back,
    judged,
    missing_notes,
    noted,
    see_services,
    started_meanwhile,
)


@dataclass(frozen=True)
class Facts:
    """Every service on every host, and how they were."""

    services: tuple[ServiceSeen, ...] = ()
    before: ServicesBefore = field(default_factory=ServicesBefore)


class ProveStopped(LightStep):
    """Prove that no service runs, also none that came back by itself."""

    phase = Phase.OFFLINE
    after = ("stop-services", "stop-jobs")

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that has services."""
        return (None,) if plan.services else ()

    def observe(self, ctx: ReadContext) -> Facts:
        facts = Facts(see_services(ctx), ctx.kept("stop-services", ServicesBefore))
        noted(ctx, (*missing_notes(facts.services), *came_back(facts.services, facts.before.missing)))
        return facts

    def decide(self, facts: Facts) -> Decision:
        return judged(started_meanwhile(facts.services, facts.before), "no service runs")
