"""Services: each must be there, settled, and such that it can be stopped and put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runbook.api import (
    Decision,
    Finding,
    LightStep,
    Phase,
    Plan,
    ReadContext,
    ServiceSeen,
    judged,
    missing_notes,
    noted,
    see_services,
    unsettled,
)


@dataclass(frozen=True)
class Facts:
    """Every service on every host."""

    services: tuple[ServiceSeen, ...] = ()


class CheckServices(LightStep):
    """Check that every service is known on its hosts, settled, and can be kept from running."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity", "check-hosts")

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that has services."""
        return (None,) if plan.services else ()

    def observe(self, ctx: ReadContext) -> Facts:
        facts = Facts(see_services(ctx))
        noted(ctx, (*missing_notes(facts.services), *_remarks(facts)))
        return facts

    def decide(self, facts: Facts) -> Decision:
        run = sum(one.state is not None and one.state.doing == "running" for one in facts.services)
        return judged(_problems(facts), f"{len(facts.services)} services are as they can be put back, {run} run")


def _problems(facts: Facts) -> Iterator[Finding]:
    yield from unsettled(facts.services)
    for one in facts.services:
        if one.state is not None and one.state.fixed and one.during == "disabled":
            yield Finding(
                f"{one.label} cannot be kept from starting: {one.state.fixed}",
                "Say during: stopped, or make it one that can (its unit below /lib, what is special in a drop-in).",
            )


def _remarks(facts: Facts) -> Iterator[str]:
    for one in facts.services:
        if one.state is not None and one.state.woken_by and one.during == "stopped":
            others = ", ".join(one.state.woken_by)
            yield f"{one.label} is started by {others} too: list that under services, or say during: disabled"
