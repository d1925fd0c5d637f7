"""Standbys that can be looked at without moving anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runbook.api import (
    CommandStandby,
    Decision,
    Finding,
    HostError,
    LightStep,
    NotPermitted,
    Phase,
    Plan,
    ReadContext,
    Unreachable,
    await_served,
    does_the_work,
    judged,
    standby_of,
)


@dataclass(frozen=True)
class Facts:
    """What is wrong with its page; ``at_work`` and ``trouble``: of one that is exercised by commands."""

    name: str
    kind: str = "url"
    complaints: tuple[str, ...] = ()
    at_work: bool = False
    trouble: str = ""
    remedy: str = ""


class CheckStandby(LightStep):
    """Check that a standby answers as declared, or stands by as it should."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity", "check-hosts")

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Every standby of the plan."""
        return tuple(standby.name for standby in plan.standby)

    def observe(self, ctx: ReadContext) -> Facts:
        standby = standby_of(ctx.plan, self.key or "")
        if not isinstance(standby, CommandStandby):
            return Facts(standby.name, complaints=await_served(ctx, standby))
        try:
            return Facts(standby.name, "command", at_work=does_the_work(ctx, standby))
        except (HostError, Unreachable, NotPermitted) as error:
            return Facts(standby.name, "command", trouble=error.message, remedy=error.hint)

    def decide(self, facts: Facts) -> Decision:
        stands = "stands by; it is exercised when a run begins" if facts.kind == "command" else "answers as declared"
        return judged(_problems(facts), f"the standby {facts.name} {stands}")


def _problems(facts: Facts) -> Iterator[Finding]:
    for complaint in facts.complaints:
        yield Finding(
            f"the standby does not answer as declared: {complaint}",
            "Mend it before the night: what does not answer now will not take over when something fails.",
        )
    if facts.trouble:
        yield Finding(facts.trouble, facts.remedy or "Run the probe there by hand.")
    if facts.at_work:
        yield Finding(
            f"the standby {facts.name} does the work already",
            "Find out what failed, and bring the work back to where it belongs first.",
        )
