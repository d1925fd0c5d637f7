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
    Standby,
    Unreachable,
    await_served,
    does_the_work,
    judged,
)


@dataclass(frozen=True)
class Seen:
    """What is wrong with its page; ``at_work`` and ``trouble``: of one that is exercised by commands."""

    name: str
    kind: str = "url"
    complaints: tuple[str, ...] = ()
    at_work: bool = False
    trouble: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Facts:
    """Every standby of the plan."""

    standbys: tuple[Seen, ...] = ()


class CheckStandby(LightStep):
    """Check that every standby answers as declared, or stands by as it should."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity", "check-hosts")

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that has one."""
        return (None,) if plan.standby else ()

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts(tuple(_look(ctx, standby) for standby in ctx.plan.standby))

    def decide(self, facts: Facts) -> Decision:
        moved = [one.name for one in facts.standbys if one.kind == "command"]
        later = f"; exercised when a run begins: {', '.join(moved)}" if moved else ""
        return judged(_problems(facts), f"{len(facts.standbys)} standbys are as declared{later}")


def _look(ctx: ReadContext, standby: Standby) -> Seen:
    if not isinstance(standby, CommandStandby):
        return Seen(standby.name, complaints=await_served(ctx, standby))
    try:
        return Seen(standby.name, "command", at_work=does_the_work(ctx, standby))
    except (HostError, Unreachable, NotPermitted) as error:
        return Seen(standby.name, "command", trouble=error.message, remedy=error.hint)


def _problems(facts: Facts) -> Iterator[Finding]:
    for one in facts.standbys:
        for complaint in one.complaints:
            yield Finding(
                f"the standby does not answer as declared: {complaint}",
                "Mend it before the night: what does not answer now will not take over when something fails.",
            )
        if one.trouble:
            yield Finding(one.trouble, one.remedy or "Run the probe there by hand.")
        if one.at_work:
            yield Finding(
                f"the standby {one.name} does the work already",
                "Find out what failed, and bring the work back to where it belongs first.",
            )
