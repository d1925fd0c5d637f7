"""Standbys: what they are asked, and what of their answers is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runbook.errors import HostError, StepFailed
from runbook.plan.models import Plan
from runbook.plan.standby import CommandStandby, Standby
from runbook.step import Context, ReadContext
from runbook.toolkit.probes import Page, await_pages
from runbook.toolkit.serviceseen import as_root

LOOK = 30.0
"""Seconds a look may take."""
POLL = 0.5
PATIENCE = 5.0
"""Seconds a page gets to answer as it should."""


@dataclass(frozen=True)
class Exercised:
    """Kept by ``return-standby[name]``: it has done the work, and the work is back."""

    name: str


def standby_of(plan: Plan, name: str) -> Standby:
    """A standby of the plan."""
    return next(one for one in plan.standby if one.name == name)


def command_of(plan: Plan, name: str) -> CommandStandby:
    """One that is exercised by commands."""
    found = standby_of(plan, name)
    if not isinstance(found, CommandStandby):
        raise StepFailed(f"the standby {name} is not exercised by commands", hint="Look at standby in the plan.")
    return found


def exercised(plan: Plan) -> tuple[str, ...]:
    """Names of those that are exercised."""
    return tuple(one.name for one in plan.standby if isinstance(one, CommandStandby))


def pages_of(standby: Standby) -> tuple[Page, ...]:
    """What it must serve."""
    if standby.url is None:
        return ()
    return (Page(standby.url, standby.status, standby.contains, standby.name),)


def await_served(ctx: ReadContext, standby: Standby) -> tuple[str, ...]:
    """What is wrong with its page, after it had its time."""
    return await_pages(ctx, pages_of(standby), PATIENCE)


def does_the_work(ctx: ReadContext, standby: CommandStandby) -> bool:
    """What the probe says: exit 0 it does, 1 it does not."""
    found = ctx.host_reader(standby.host).ask(standby.probe, timeout=LOOK, root=as_root(ctx.plan, standby.host))
    if found.exit_code not in {0, 1}:
        raise HostError(
            f"the probe of {standby.name} on {standby.host} ended with {found.exit_code}: {found.said()}",
            host=standby.host,
            hint="It must end with 0 when the standby does the work, with 1 when it does not.",
        )
    return found.exit_code == 0


def move(ctx: Context, standby: CommandStandby, argv: Sequence[str], *, there: bool) -> None:
    """Run one of its commands and wait until the probe says that it came to that; StepFailed when it does not."""
    within = standby.within.total_seconds()
    done = ctx.host(standby.host).run(argv, timeout=within, effect=True, root=as_root(ctx.plan, standby.host))
    if done.exit_code:
        raise StepFailed(
            f"{' '.join(argv[:3])} on {standby.host} ended with {done.exit_code}: {done.said()}",
            hint=f"Look there; it belongs to the standby {standby.name}.",
        )
    waited = 0.0
    while does_the_work(ctx, standby) is not there:
        if waited >= within:
            what = "does not take over" if there else "does not give the work back"
            raise StepFailed(
                f"the standby {standby.name} {what} within {within:g} s",
                hint="Find out why before the night: what does not take over now will not take over then.",
            )
        ctx.sleep(POLL)
        waited += POLL
