"""Hosts: each must answer, be the one that is meant, let this run do its work, and know the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from runbook.api import (
    Decision,
    Finding,
    FromHost,
    HostFacts,
    LightStep,
    Phase,
    Plan,
    ReadContext,
    Unreachable,
    judged,
    noted,
    on_all,
    optional_hosts,
)

ROOM = 64 * 1024 * 1024
"""Bytes that records and pages need on the disk of a host, and then some."""


@dataclass(frozen=True)
class Seen:
    """One host as it was found; ``trouble`` and ``remedy`` when it was not. ``pinned`` is the plan's machine id."""

    name: str
    pinned: str = ""
    needs_root: bool = True
    machine_id: str = ""
    system: str = ""
    user: str = ""
    may_become_root: bool = True
    has_units: bool = True
    before: datetime | None = None
    clock: datetime | None = None
    after: datetime | None = None
    available_bytes: int = ROOM
    trouble: str = ""
    remedy: str = ""
    may_be_missing: bool = False
    """The plan accepts that it does not answer."""

    @property
    def skew(self) -> float:
        """Seconds its clock is ahead (behind: negative), as little as the time the answer took allows."""
        if self.before is None or self.clock is None or self.after is None:
            return 0.0
        if self.clock > self.after:
            return (self.clock - self.after).total_seconds()
        return min(0.0, (self.clock - self.before).total_seconds())


@dataclass(frozen=True)
class Facts:
    """Every host of the plan; ``most`` is the difference of clocks it allows, in seconds."""

    most: float = 5.0
    hosts: tuple[Seen, ...] = ()


@dataclass(frozen=True)
class Kept:
    """Host -> machine id, as found before anything was touched."""

    machines: dict[str, str]


class CheckHosts(LightStep):
    """Check that every host answers, is the one that is meant, and lets this run do its work."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that has hosts."""
        return (None,) if plan.hosts else ()

    def observe(self, ctx: ReadContext) -> Facts:
        def look(name: str) -> Seen:
            return _look(ctx, name)

        found = on_all(ctx, tuple(ctx.plan.hosts), look)
        accepted = optional_hosts(ctx.plan)
        seen = tuple(_seen(one, may_be_missing=one.host in accepted) for one in found)
        facts = Facts(ctx.plan.preflight.clock_skew.seconds, seen)
        noted(ctx, _remarks(facts))
        return facts

    def decide(self, facts: Facts) -> Decision:
        kept = Kept({one.name: one.machine_id for one in facts.hosts})
        answer = sum(not one.trouble for one in facts.hosts)
        return judged(_problems(facts), f"{answer} hosts answer and are as they should be", kept)


def _look(ctx: ReadContext, name: str) -> Seen:
    host, planned = ctx.host_reader(name), ctx.plan.hosts[name]
    before = ctx.now()
    facts: HostFacts = host.facts()
    after = ctx.now()
    return Seen(
        name=name,
        pinned=planned.expect.machine_id or "",
        needs_root=planned.become == "sudo",
        machine_id=facts.machine_id,
        system=facts.system,
        user=facts.user,
        may_become_root=facts.may_become_root,
        has_units=facts.has_units,
        before=before,
        clock=facts.now,
        after=after,
        available_bytes=host.space("C:\\" if planned.shell == "powershell" else "/var").available_bytes,
    )


def _seen(one: FromHost[Seen], *, may_be_missing: bool) -> Seen:
    if one.trouble is not None:
        accepted = may_be_missing and isinstance(one.trouble, Unreachable)
        return Seen(one.host, trouble=one.trouble.message, remedy=one.trouble.hint, may_be_missing=accepted)
    return one.must()


def _remarks(facts: Facts) -> Iterator[str]:
    for one in facts.hosts:
        if one.trouble and one.may_be_missing:
            yield f"{one.trouble}; the plan accepts that, and {one.name} is looked at again before the gate opens"
        if not one.trouble and not one.pinned:
            yield f"{one.name} is machine {one.machine_id} ({one.system}); hosts.{one.name}.expect.machine_id pins it"
        if not one.trouble and not one.has_units:
            yield f"{one.name} has no systemd: long work is kept there by a session of its own"


def _problems(facts: Facts) -> Iterator[Finding]:
    for one in facts.hosts:
        if one.trouble and not one.may_be_missing:
            yield Finding(one.trouble, one.remedy)
        elif not one.trouble:
            yield from _about(one, facts.most)
    yield from _twice(facts)


def _about(one: Seen, most: float) -> Iterator[Finding]:
    if one.pinned and one.pinned != one.machine_id:
        yield Finding(
            f"{one.name} is machine {one.machine_id or 'without an id'}, the plan expects {one.pinned}",
            f"Look who answers there, or correct hosts.{one.name}.expect.machine_id.",
        )
    if one.needs_root and not one.may_become_root:
        yield Finding(
            f"{one.user} may not become root on {one.name} without being asked",
            "Add a rule with NOPASSWD there (visudo -f /etc/sudoers.d/runbook), or say become: none if none is needed.",
        )
    if abs(one.skew) > most:
        way = "ahead of" if one.skew > 0 else "behind"
        yield Finding(
            f"the clock of {one.name} is {abs(one.skew):.1f} s {way} this machine's",
            "Let both follow the same time source (NTP) before the window.",
        )
    if one.available_bytes < ROOM:
        yield Finding(
            f"{one.name} has {one.available_bytes // 1024**2} MiB left on its disk",
            "Make room there: records and pages of a run are kept on it.",
        )


def _twice(facts: Facts) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for one in facts.hosts:
        first = seen.setdefault(one.machine_id, one.name) if one.machine_id else one.name
        if first != one.name:
            yield Finding(
                f"{first} and {one.name} are the same machine",
                "Name every machine once; what is done to one of them would be done twice.",
            )
