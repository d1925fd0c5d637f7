"""The packages of the engine's machine: what is there, whether it is whole, and whether everything can be put back."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runbook.api import (
    LOCKS,
    DatabaseInfo,
    DatabaseState,
    Decision,
    Engine,
    Finding,
    Installed,
    LightStep,
    Phase,
    ReadContext,
    Service,
    engine_of,
    in_place_of,
    installed,
    is_open,
    judged,
    noted,
    script,
    service_state,
)

SHORT = 60.0
SIZE_WITHIN = 600.0
"""Seconds it may take to add up the sizes of all files."""
NETBIOS = 15
"""Letters of a machine's name that SQL Server shows."""
SYSTEM = ("master", "model", "msdb")


@dataclass(frozen=True)
class Facts:
    """The machine and its packages. ``strangers``: files of databases that lie outside of what is copied. ``unfit``:
    database -> why a newer version would not convert it. Sizes in bytes."""

    host: str
    package: str
    wanted: str
    found: Installed
    host_name: str = ""
    machine_name: str = ""
    service: str = ""
    state: Service = Service.RUNNING
    sources: str = ""
    source_line: str = ""
    content: str = ""
    half_done: str = ""
    locks: tuple[str, ...] = ()
    data: str = ""
    size: int = 0
    copy: str = ""
    room: int = 0
    headroom: float = 1.2
    strangers: tuple[str, ...] = ()
    unfit: Mapping[str, str] = field(default_factory=dict)
    is_major: bool = True


class CheckPackages(LightStep):
    """Check that the packages of the engine are whole, can be replaced, and that there is room for the cold copy."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity", "check-hosts")
    strategies = frozenset({"in-place"})

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def observe(self, ctx: ReadContext) -> Facts:
        plan, engine = in_place_of(ctx.plan), engine_of(ctx)
        host, reader = ctx.host_reader(engine.host), ctx.reader(engine.server)
        content = host.read(plan.sources, root=True)
        noted(ctx, _remarks(ctx))
        return Facts(
            host=engine.host,
            package=engine.package,
            wanted=plan.from_.version,
            found=installed(ctx, engine),
            host_name=host.facts().host_name,
            machine_name=reader.identity().machine_name,
            service=engine.service,
            state=service_state(ctx, engine),
            sources=plan.sources,
            source_line=plan.from_.source,
            content="" if content is None else content.decode("utf-8", "replace"),
            half_done=host.ask(("dpkg", "--audit"), timeout=SHORT).stdout.strip(),
            locks=tuple(host.ask(script(LOCKS), timeout=SHORT, root=True).stdout.split()),
            data=engine.data,
            size=_size(ctx, engine),
            copy=plan.copy_,
            room=host.space(_existing(ctx, engine.host, plan.copy_)).available_bytes,
            headroom=ctx.plan.preflight.headroom,
            strangers=tuple(_strangers(ctx, engine)),
            unfit={name: why for name, info in sorted(reader.databases().items()) if (why := _unfit(info))},
            is_major=plan.from_.major != plan.to.major,
        )

    def decide(self, facts: Facts) -> Decision:
        seen = f"{facts.host} has {facts.package} {facts.found.version}, {facts.size} bytes below {facts.data}"
        return judged(_problems(facts), seen)


def _remarks(ctx: ReadContext) -> Iterator[str]:
    plan = in_place_of(ctx.plan)
    way_back = plan.way_back_measured
    yield f"support: {plan.support}; the way back took {way_back.seconds:g} s when it was measured on {way_back.on}"
    if ctx.plan.journal_copy == "server":
        yield "journal_copy: server is down while packages are replaced; a directory would keep the journal then too"


def _size(ctx: ReadContext, engine: Engine) -> int:
    argv = ("du", "--summarize", "--block-size=1", engine.data)
    found = ctx.host_reader(engine.host).ask(argv, timeout=SIZE_WITHIN, root=True)
    first = found.stdout.split()[:1]
    return int(first[0]) if first and first[0].isdigit() else 0


def _existing(ctx: ReadContext, host: str, path: str) -> str:
    """The directory on whose volume that path will be."""
    while path != "/" and ctx.host_reader(host).stat(path, root=True) is None:
        path = posixpath.dirname(path)
    return path


def _strangers(ctx: ReadContext, engine: Engine) -> Iterator[str]:
    reader = ctx.reader(engine.server)
    for name in (*SYSTEM, *sorted(reader.databases())):
        for file in reader.files(name):
            if not posixpath.normpath(file.path).startswith(f"{engine.data}/"):
                yield file.path


def _unfit(info: DatabaseInfo) -> str:
    if info.snapshot_of:
        return f"a snapshot of {info.snapshot_of}"
    if not is_open(info):
        return str(info.state)
    return "READ_ONLY" if info.is_read_only or info.is_in_standby else ""


def _problems(facts: Facts) -> Iterator[Finding]:
    yield from _machine(facts)
    yield from _packages(facts)
    yield from _files(facts)
    for name, why in facts.unfit.items() if facts.is_major else ():
        put = "Bring it online" if why in set(DatabaseState) else "Drop it" if "snapshot" in why else "Make it writable"
        yield Finding(f"{name} is {why}: the newer version would not convert it", f"{put} until the night is over.")


def _machine(facts: Facts) -> Iterator[Finding]:
    names = [name.partition(".")[0].casefold()[:NETBIOS] for name in (facts.host_name, facts.machine_name)]
    if names[0] != names[1]:
        yield Finding(
            f"{facts.host} is the machine {facts.host_name}, the server runs on {facts.machine_name}",
            "Name the machine of the server as in_place.host.",
        )
    if facts.state is not Service.RUNNING:
        yield Finding(
            f"{facts.service} on {facts.host} is {facts.state}, although the server answers",
            "Name the service that runs it as in_place.service.",
        )


def _packages(facts: Facts) -> Iterator[Finding]:
    if not facts.found.is_whole(facts.wanted):
        found = f"{facts.found.version} ({facts.found.status})" if facts.found.version else "not installed"
        yield Finding(
            f"{facts.package} on {facts.host} is {found}, the plan says {facts.wanted}",
            "Correct in_place.from in the plan; a package on hold (hi) is released with apt-mark unhold.",
        )
    if facts.half_done:
        said = facts.half_done.splitlines()[0]
        yield Finding(f"dpkg on {facts.host} was interrupted: {said}", "Settle it there: dpkg --configure -a.")
    if facts.locks:
        yield Finding(
            f"a program holds {', '.join(facts.locks)} on {facts.host}",
            "Wait for it, and stop unattended upgrades for the night: systemctl stop unattended-upgrades.",
        )
    lines = [line.strip() for line in facts.content.splitlines() if line.strip() and not line.startswith("#")]
    if lines != [facts.source_line]:
        there = "; ".join(lines) or "nothing"
        yield Finding(
            f"{facts.sources} on {facts.host} does not hold in_place.from.source alone: {there}",
            "Correct in_place.from.source, or keep other lines in another file.",
        )


def _files(facts: Facts) -> Iterator[Finding]:
    if facts.strangers:
        yield Finding(
            f"files lie outside of {facts.data} and would not be in the cold copy: {', '.join(facts.strangers)}",
            "Move them, name a directory above all of them as in_place.data, or choose side-by-side.",
        )
    if facts.size == 0:
        yield Finding(f"the size of {facts.data} on {facts.host} cannot be told", "Correct in_place.data in the plan.")
    elif facts.room < facts.size * facts.headroom:
        yield Finding(
            f"{facts.copy} on {facts.host} has room for {facts.room} bytes, the cold copy needs"
            f" {int(facts.size * facts.headroom)}",
            "Make room there, or name a larger place as in_place.copy.",
        )
