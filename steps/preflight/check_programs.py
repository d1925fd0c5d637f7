"""Programs that the plan starts on hosts later: a typo is found now, not when users wait for the work to go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runbook.api import (
    CommandService,
    CommandStandby,
    Decision,
    Finding,
    LightStep,
    Phase,
    Plan,
    ReadContext,
    Unreachable,
    as_root,
    judged,
)


@dataclass(frozen=True)
class Facts:
    """How many were looked for, and those that cannot be started, as ``(key of the plan, program, host)``."""

    programs: int = 1
    lacking: tuple[tuple[str, str, str], ...] = ()


class CheckPrograms(LightStep):
    """Check that every program which the plan names for services, held work and standbys can be started."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity", "check-hosts")

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that names some."""
        return (None,) if any(_named(plan)) else ()

    def observe(self, ctx: ReadContext) -> Facts:
        named = tuple(_named(ctx.plan))
        lacking: set[tuple[str, str]] = set()
        for host in dict.fromkeys(host for host, _, _ in named):
            programs = tuple(dict.fromkeys(program for on, _, program in named if on == host))
            try:
                found = ctx.host_reader(host).lacking(programs, root=as_root(ctx.plan, host))
            except Unreachable:
                continue  # check-hosts says whether it may be missing
            lacking.update((host, program) for program in found)
        missing = tuple((key, program, host) for host, key, program in named if (host, program) in lacking)
        return Facts(len(named), missing)

    def decide(self, facts: Facts) -> Decision:
        return judged(_problems(facts), f"{facts.programs} programs of the plan can be started")


def _named(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Host, key of the plan, program."""
    for held in plan.held:
        for key, argv in (("hold", held.hold), ("release", held.release), ("first", held.first)):
            if argv:
                yield held.host, f"held {held.name}: {key}", argv[0]
    for service in plan.services:
        if isinstance(service, CommandService):
            for host in service.hosts:
                yield host, f"services {service.name}: off", service.off[0]
                yield host, f"services {service.name}: on", service.on[0]
    for standby in plan.standby:
        if isinstance(standby, CommandStandby):
            yield standby.host, f"standby {standby.name}: exercise", standby.exercise[0]
            yield standby.host, f"standby {standby.name}: back", standby.back[0]


def _problems(facts: Facts) -> Iterator[Finding]:
    for key, program, host in facts.lacking:
        yield Finding(
            f"{key}: {program} cannot be started on {host}",
            "Correct the path in the plan, or put the program there; a command is an argument list, not a shell line.",
        )
