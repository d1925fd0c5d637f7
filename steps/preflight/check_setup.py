"""The Windows machine as setup will find it: whatever would make it fail, or make it impossible to go back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PureWindowsPath

from runbook.api import (
    Decision,
    Finding,
    LightStep,
    MachineBefore,
    Phase,
    Plan,
    ReadContext,
    Service,
    engine_of,
    enginefit,
    judged,
    noted,
    service_state,
    setup_of,
    wayback,
    windowsengine,
    windowssetup,
)

ROOM = 6 * 2**30
"""Bytes free on the drive of the programs that Microsoft asks for; setup unpacks there what it installs."""


@dataclass(frozen=True)
class Facts:
    """The machine, the instance and the media. ``served_by``: the instance that the server says it is; ``secrets``: why
    one of them cannot be had; ``way_back``: the probe says that one of this run is there already."""

    host: str
    instance: str
    service: str
    action: str
    setup: str
    wanted: str
    to: str
    found: str = ""
    edition: str = ""
    wanted_edition: str = ""
    host_name: str = ""
    served_by: str = ""
    machine_name: str = ""
    state: Service = Service.RUNNING
    setup_version: str = ""
    pending: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    installer: bool = True
    drive: str = ""
    room: int = 0
    secrets: tuple[str, ...] = ()
    way_back: bool = False
    directories: tuple[str, ...] = ()
    unfit: Mapping[str, str] = field(default_factory=dict)
    is_major: bool = True


class CheckSetup(LightStep):
    """Check that setup can do its work on the Windows machine, and that its way back is not taken yet."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity", "check-hosts")
    strategies = frozenset({"in-place"})

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where a setup program upgrades."""
        return enginefit.for_setup(plan)

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def observe(self, ctx: ReadContext) -> Facts:
        plan, engine = setup_of(ctx.plan), engine_of(ctx)
        host, reader = ctx.host_reader(engine.host), ctx.reader(engine.server)
        seen = windowsengine.look(ctx, engine.host, engine.instance)
        survey = windowssetup.survey(ctx, engine.host, plan.setup)
        noted(ctx, enginefit.in_place_remarks(ctx))
        return Facts(
            host=engine.host,
            instance=engine.instance,
            service=engine.service,
            action=plan.action,
            setup=plan.setup,
            wanted=plan.from_.version,
            to=plan.to.version,
            found=seen.version,
            edition=seen.edition,
            wanted_edition=plan.edition,
            host_name=host.facts().host_name,
            machine_name=reader.identity().machine_name,
            served_by=reader.identity().server_name.partition("\\")[2] or "MSSQLSERVER",
            state=service_state(ctx, engine),
            setup_version=survey.version,
            pending=survey.pending,
            busy=survey.busy,
            installer=survey.installer,
            drive=PureWindowsPath(survey.programs).drive,
            room=host.space(survey.programs).available_bytes,
            secrets=windowssetup.missing_secrets(plan.secrets),
            way_back=wayback.is_there(ctx, wayback.hook_of(ctx)),
            directories=wayback.directories(tuple(enginefit.engine_files(reader))),
            unfit=enginefit.unfit(reader),
            is_major=plan.is_major,
        )

    def decide(self, facts: Facts) -> Decision:
        seen = f"{facts.host} has {facts.instance} {facts.found}, {facts.edition}; {facts.setup} is there"
        return judged(_problems(facts), seen, MachineBefore(facts.directories))


def _problems(facts: Facts) -> Iterator[Finding]:
    names = facts.host, facts.host_name, facts.machine_name
    yield from enginefit.machine_problems(*names, facts.service, facts.state, "instance")
    yield from _instance(facts)
    yield from _media(facts)
    yield from _machine(facts)
    shares = [place for place in facts.directories if place.startswith("//")]
    if shares:
        yield Finding(
            f"files of databases lie on a share, which no snapshot of the machine holds: {', '.join(shares)}",
            "Move them to a local volume, or choose side-by-side.",
        )
    yield from enginefit.unfit_problems(facts.unfit if facts.is_major else {})
    if facts.way_back:
        yield Finding(
            "the probe of the way back says that it is there before it was taken",
            "Look what way_back.probe asks: it must know the snapshot of this run by {run}.",
        )
    for why in facts.secrets:
        yield Finding(why, "Give it to the account that runs this, or correct in_place.secrets.")


def _instance(facts: Facts) -> Iterator[Finding]:
    if facts.served_by.casefold() != facts.instance.casefold():
        yield Finding(
            f"the server is the instance {facts.served_by}, the plan upgrades {facts.instance}",
            "Correct in_place.instance, or the address of the server.",
        )
    if facts.found != facts.wanted:
        yield Finding(
            f"{facts.instance} on {facts.host} is {facts.found}, the plan says {facts.wanted}",
            "Correct in_place.from in the plan.",
        )
    if facts.edition.casefold() != facts.wanted_edition.casefold():
        yield Finding(
            f"{facts.instance} on {facts.host} is {facts.edition or 'of no edition'}, the plan says"
            f" {facts.wanted_edition}",
            "Correct in_place.edition in the plan.",
        )


def _media(facts: Facts) -> Iterator[Finding]:
    if not facts.setup_version:
        yield Finding(
            f"{facts.setup} is not there on {facts.host}, or is no program",
            "Mount the media, or copy it to a local disk: SYSTEM runs it, who may have no rights on a share.",
        )
        return
    parts = 1 if facts.action == "upgrade" else 3
    if facts.setup_version.split(".")[:parts] != facts.to.split(".")[:parts]:
        yield Finding(
            f"{facts.setup} on {facts.host} is {facts.setup_version}, the plan goes to {facts.to}",
            "Name the program of that version, or correct in_place.to.",
        )


def _machine(facts: Facts) -> Iterator[Finding]:
    if facts.pending:
        yield Finding(
            f"a restart of {facts.host} is pending: {', '.join(facts.pending)}",
            "Restart the machine before the window; setup refuses to run until then.",
        )
    if facts.busy:
        yield Finding(
            f"another installation is under way on {facts.host}: {', '.join(facts.busy)}",
            "Wait for it, and pause Windows Update for the night.",
        )
    if not facts.installer:
        yield Finding(
            f"the Windows Installer on {facts.host} is disabled", "Let it start: sc.exe config msiserver start= demand."
        )
    if facts.room < ROOM:
        yield Finding(
            f"{facts.drive} on {facts.host} has {facts.room} bytes left, setup needs {ROOM}", "Make room there."
        )
