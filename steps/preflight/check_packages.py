"""The packages of the engine's machine: what is there, whether it is whole, and whether everything can be put back."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from runbook.api import (
    LOCKS,
    Decision,
    Engine,
    Finding,
    Installed,
    LightStep,
    Phase,
    Plan,
    ReadContext,
    Service,
    engine_of,
    enginefit,
    installed,
    judged,
    noted,
    packages_of,
    script,
    service_state,
)

SHORT = 60.0
SIZE_WITHIN = 600.0
"""Seconds it may take to add up the sizes of all files."""


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

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where packages are upgraded."""
        return enginefit.for_packages(plan)

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def observe(self, ctx: ReadContext) -> Facts:
        plan, engine = packages_of(ctx.plan), engine_of(ctx)
        host, reader = ctx.host_reader(engine.host), ctx.reader(engine.server)
        content = host.read(plan.sources, root=True)
        noted(ctx, enginefit.in_place_remarks(ctx))
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
            unfit=enginefit.unfit(reader),
            is_major=plan.is_major,
        )

    def decide(self, facts: Facts) -> Decision:
        seen = f"{facts.host} has {facts.package} {facts.found.version}, {facts.size} bytes below {facts.data}"
        return judged(_problems(facts), seen)


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
    for path in enginefit.engine_files(ctx.reader(engine.server)):
        if not posixpath.normpath(path).startswith(f"{engine.data}/"):
            yield path


def _problems(facts: Facts) -> Iterator[Finding]:
    names = facts.host, facts.host_name, facts.machine_name
    yield from enginefit.machine_problems(*names, facts.service, facts.state, "service")
    yield from _packages(facts)
    yield from _files(facts)
    yield from enginefit.unfit_problems(facts.unfit if facts.is_major else {})


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
