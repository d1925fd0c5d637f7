"""Services are as they should be right before the gate opens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from runbook.api import (
    Decision,
    Finding,
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
    """Every service on every host, how they were, and which of them the checks needed."""

    services: tuple[ServiceSeen, ...] = ()
    before: ServicesBefore = field(default_factory=ServicesBefore)
    early: tuple[str, ...] = ()


class RecheckServices(LightStep):
    """Look once more at the services before the gate opens: what is to run does, all else does not."""

    phase = Phase.ONLINE
    after = ("check-http", "prove-reference", "compare-proof")

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that has services."""
        return (None,) if plan.services else ()

    def observe(self, ctx: ReadContext) -> Facts:
        early = tuple(service.name for service in ctx.plan.services if service.start == "before-checks")
        facts = Facts(see_services(ctx), ctx.kept("stop-services", ServicesBefore), early)
        noted(ctx, (*missing_notes(facts.services), *came_back(facts.services, facts.before.missing)))
        return facts

    def decide(self, facts: Facts) -> Decision:
        return judged(_problems(facts), "what the checks needed runs, no other service does")


def _problems(facts: Facts) -> Iterator[Finding]:
    late = tuple(one for one in facts.services if one.service not in facts.early)
    yield from started_meanwhile(late, facts.before)
    ran = {(mark.service, mark.host) for mark in facts.before.marks if mark.running}
    for one in facts.services:
        if one.service not in facts.early or (one.service, one.host) not in ran or one.is_missing:
            continue
        if one.state is None:
            yield Finding(one.trouble, one.remedy)
        elif one.state.doing != "running":
            yield Finding(f"{one.label} was started, and is {one.state.told} now", "Its own log says why.")
