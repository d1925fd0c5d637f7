"""The machine a SQL Server runs on: its service, its packages, its files, and long work on it.

Whether the engine may run is said by a mask that outlives a reboot: between the stop and the start no boot, no package
script and no person in a hurry starts an engine on files that are being copied or on binaries that are being replaced.
On Windows the service's start mode is that mask (:mod:`runbook.toolkit.windowsengine`).
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from runbook.errors import HostError, ServerError, StepFailed, Unreachable
from runbook.hosting import HostReader, UnitPhase, UnitState
from runbook.plan.inplace import Packages
from runbook.plan.models import InPlace, Plan
from runbook.plan.setup import WindowsSetup
from runbook.step import Context, ReadContext
from runbook.toolkit import windowsengine
from runbook.toolkit.windowsengine import ServiceSeen

SHORT = 60.0
"""Seconds a short command may take."""
POLL, LONGEST_POLL = 1.0, 10.0
"""Seconds between two looks at long work; the longer it takes the fewer, as every look is on the record."""
POLL_SHARE = 0.05
"""Of the time it has taken so far."""
AWAY = 300.0
"""Seconds a host may give no answer while long work runs on it: as long as a reboot takes."""
STOPS_WITHIN = 1800.0
"""Seconds the engine may take to stop: it writes all that it has in memory (TimeoutSec of its unit)."""
UNTIL_ASKED = "ActiveState=inactive", "ActiveState=failed"


@dataclass(frozen=True)
class Engine:
    """Where the engine of a plan is: ``server`` and ``host`` are the plan's names, ``kept`` is the run's directory.
    Windows has an ``instance`` and neither package nor one directory for all that it keeps."""

    server: str
    host: str
    service: str
    package: str
    data: str
    kept: str
    instance: str = ""

    @property
    def error_log(self) -> str:
        """What the engine itself tells: the path, or what it is called where the instance says where it is."""
        return f"ERRORLOG of {self.instance}" if self.instance else f"{self.data}/log/errorlog"


def in_place_of(plan: Plan) -> InPlace:
    """The plan's section; only an in-place upgrade has one."""
    if plan.in_place is None:
        raise StepFailed("the plan has no section in_place", hint="Steps of in-place need it.")
    return plan.in_place


def packages_of(plan: Plan) -> Packages:
    """The same, where packages are upgraded."""
    found = in_place_of(plan)
    if not isinstance(found, Packages):
        raise StepFailed("the plan's in_place upgrades no packages", hint="Say kind: packages.")
    return found


def setup_of(plan: Plan) -> WindowsSetup:
    """The same, where a setup program upgrades."""
    found = in_place_of(plan)
    if not isinstance(found, WindowsSetup):
        raise StepFailed("the plan's in_place runs no setup program", hint="Say kind: windows-setup.")
    return found


def engine_of(ctx: ReadContext) -> Engine:
    """The engine that this run upgrades."""
    found = in_place_of(ctx.plan)
    if isinstance(found, WindowsSetup):
        service, kept = windowsengine.service_name(found.instance), f"{windowsengine.RECORDS}\\{ctx.run_id}"
        return Engine(ctx.plan.source, found.host, service, "", "", kept, found.instance)
    kept = posixpath.join(found.copy_, ctx.run_id)
    return Engine(ctx.plan.source, found.host, found.service, found.package, found.data, kept)


def await_host(ctx: ReadContext, host: str) -> None:
    """Wait until a machine answers, as long as a reboot takes: a way back must not fail because it is on its way up."""
    away = 0.0
    while True:
        try:
            ctx.host_reader(host).facts()
        except (Unreachable, HostError):
            if away > AWAY:
                raise
        else:
            return
        ctx.sleep(POLL)
        away += POLL


# --- the service ---------------------------------------------------------------------------------------------------


class Service(StrEnum):
    """What a look at the engine's service shows."""

    RUNNING = "running"
    DOWN = "down"
    """Not running, and free to be started by anybody."""
    BARRED = "barred"
    """Not running, and masked: nobody starts it."""
    RUNNING_BARRED = "running, and masked"


_STATES = {
    (True, False): Service.RUNNING,
    (True, True): Service.RUNNING_BARRED,
    (False, False): Service.DOWN,
    (False, True): Service.BARRED,
}
"""Runs, may not be started -> what that is."""


def show(service: str) -> tuple[str, ...]:
    """The command that tells how a service stands."""
    return ("systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", service)


def service_state(ctx: ReadContext, engine: Engine) -> Service:
    """One look; a service that is on its way up or down counts as running."""
    if engine.instance:
        own = windowsengine.look(ctx, engine.host, engine.instance).services[0]
        return _STATES[own.runs, own.start == windowsengine.DISABLED]
    found = ctx.host_reader(engine.host).ask(show(engine.service), timeout=SHORT)
    words = found.stdout.split()
    if found.exit_code or not any(word.startswith("ActiveState=") for word in words):
        raise HostError(f"{engine.host} does not tell how {engine.service} stands: {found.said()}", host=engine.host)
    if "LoadState=not-found" in words:
        raise HostError(f"{engine.host} knows no service {engine.service}", host=engine.host)
    barred = "LoadState=masked" in words or "UnitFileState=masked" in words
    return _STATES[not any(word in UNTIL_ASKED for word in words), barred]


def stop_engine(ctx: Context, engine: Engine) -> None:
    """Stop it, wait until it has, and see to it that nobody starts it. In this order: a unit that is masked is stopped
    with the settings of an empty one, which would kill a large engine after 90 seconds."""
    if engine.instance:
        windowsengine.stop(ctx, engine.host, engine.instance, STOPS_WITHIN)
        return
    waited = 0.0
    while service_state(ctx, engine) in {Service.RUNNING, Service.RUNNING_BARRED}:
        if waited == 0.0:
            _systemctl(ctx, engine, "stop", "--no-block")
        if waited >= STOPS_WITHIN:
            raise StepFailed(f"{engine.service} on {engine.host} does not stop", hint="Look there what keeps it.")
        ctx.sleep(POLL)
        waited += POLL
    _systemctl(ctx, engine, "mask")
    if service_state(ctx, engine) is not Service.BARRED:
        raise StepFailed(
            f"{engine.service} on {engine.host} cannot be kept from starting",
            hint="A file of that name in /etc/systemd/system cannot be masked: make it a drop-in, then try again.",
        )


def start_service(ctx: Context, engine: Engine, before: Sequence[ServiceSeen] = ()) -> None:
    """Let it be started again, and start it; it may take long to answer. ``before``: Windows services as they were."""
    if engine.instance:
        windowsengine.start(ctx, engine.host, engine.instance, before)
        return
    if service_state(ctx, engine) is Service.RUNNING:
        return
    _systemctl(ctx, engine, "unmask")
    _systemctl(ctx, engine, "start", "--no-block")


def start_dependents(ctx: Context, engine: Engine, before: Sequence[ServiceSeen]) -> None:
    """Start what ran beside it, once it answers (Windows: the Agent is a service of its own)."""
    if engine.instance:
        windowsengine.start_dependents(ctx, engine.host, engine.instance, before)


def services_as_before(ctx: ReadContext, engine: Engine, before: Sequence[ServiceSeen]) -> bool:
    """The services start as they did, and those run that ran."""
    there = windowsengine.look(ctx, engine.host, engine.instance).services if engine.instance else ()
    return windowsengine.are_as(there, before)


def _systemctl(ctx: Context, engine: Engine, verb: str, *options: str) -> None:
    argv = ("systemctl", verb, *options, engine.service)
    done = ctx.host(engine.host).run(argv, timeout=SHORT, effect=True, root=True)
    if done.exit_code:
        raise HostError(
            f"{engine.host} does not {verb} {engine.service}: {done.said()}",
            host=engine.host,
            hint=f"Look there: systemctl status {engine.service}; journalctl -u {engine.service}.",
        )


# --- the engine behind it --------------------------------------------------------------------------------------------

FATAL = ("Error: 912,", "Error: 3417,", "Error: 948,", "Error: 935,", "Error: 959,")
"""How the error log begins to tell that the engine will not come up: a script of its upgrade failed, master cannot be
recovered, the files are newer than the engine."""


@dataclass(frozen=True)
class LogMark:
    """Where the error log stood: its first line, which is another one after each start, and its length."""

    first: str = ""
    length: int = 0


def log_mark(ctx: ReadContext, engine: Engine) -> LogMark:
    """Where it stands now; the beginning when it cannot be read."""
    if engine.instance:
        try:
            found = windowsengine.error_log(ctx, engine.host, engine.instance)
        except (HostError, Unreachable):
            return LogMark()
        return LogMark(found.first, found.length)
    text = _error_log(ctx, engine)
    return LogMark(text.partition("\n")[0], len(text))


def _error_log(ctx: ReadContext, engine: Engine) -> str:
    """Empty when it cannot be read: what it would say is then seen by the engine not answering."""
    try:
        content = ctx.host_reader(engine.host).read(engine.error_log, root=True) or b""
    except (HostError, Unreachable):
        return ""
    wide = content[:2] in {b"\xff\xfe", b"\xfe\xff"} or content[1:2] == b"\0"
    return content.decode(
        "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-16-le" if wide else "utf-8", "replace"
    )


def fatal_lines(ctx: ReadContext, engine: Engine, since: LogMark) -> tuple[str, ...]:
    """What the error log has said since then that means that the engine will not come up, each with its number."""
    lines = _since(ctx, engine, since).splitlines()
    found = []
    for at, line in enumerate(lines):
        number = next((one for one in FATAL if one in line), None)
        if number is not None:
            said = lines[at + 1].split(None, 3)[-1].partition(". ")[0] if at + 1 < len(lines) else ""
            found.append(f"{number.removeprefix('Error: ').rstrip(',')}: {said}".strip())
    return tuple(dict.fromkeys(found))


def _since(ctx: ReadContext, engine: Engine, mark: LogMark) -> str:
    """What it has said since then; all of it when it was begun anew."""
    if engine.instance:
        try:
            return windowsengine.error_log(ctx, engine.host, engine.instance, mark.first, mark.length).text
        except (HostError, Unreachable):
            return ""
    text = _error_log(ctx, engine)
    return text[mark.length :] if mark.first and text.startswith(mark.first) else text


def await_engine(ctx: ReadContext, engine: Engine, product: str, since: LogMark) -> None:
    """Wait until it answers as that version. Logins that are refused while upgrade scripts run (18401) are waited out,
    however long: what ends it is the error log (912, 3417), the service that is down, or the turn-back point."""
    silent = 0.0
    while True:
        version, why = _answer(ctx, engine)
        if version == product:
            return
        if version:
            raise StepFailed(
                f"{engine.server} answers as {version}, not as {product}",
                hint=f"Look on {engine.host} what is installed"
                + (f": dpkg -l {engine.package}." if engine.package else " (Programs and Features)."),
            )
        await_host(ctx, engine.host)
        fatal = fatal_lines(ctx, engine, since)
        state = service_state(ctx, engine)
        silent = silent + POLL if state in {Service.DOWN, Service.BARRED} else 0.0
        if fatal or silent > 2 * POLL:
            said = "; ".join(fatal) or why
            raise StepFailed(
                f"the engine on {engine.host} does not come up: {said}",
                hint=f"Its error log has the whole story: {engine.error_log}.",
            )
        ctx.progress(0, 0, why)
        ctx.sleep(POLL)


def _answer(ctx: ReadContext, engine: Engine) -> tuple[str, str]:
    """The version that answers, or why none does."""
    try:
        return ctx.reader(engine.server).identity().version, ""
    except (Unreachable, ServerError) as error:
        return "", error.message


def version_now(ctx: ReadContext, engine: Engine) -> str:
    """The version that answers; empty when none does."""
    return _answer(ctx, engine)[0]


# --- packages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Installed:
    """What dpkg knows of a package; ``status`` in three letters: ``ii`` is installed whole, ``iF`` half configured."""

    status: str = ""
    version: str = ""

    def is_whole(self, version: str) -> bool:
        """Installed, configured, and that version."""
        return self.status == "ii" and self.version == version


def query(package: str) -> tuple[str, ...]:
    """The command that asks dpkg."""
    return ("dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Version}", package)


def installed(ctx: ReadContext, engine: Engine) -> Installed:
    """Empty when it is not known there at all. Windows: what the registry says of the instance."""
    if engine.instance:
        return Installed("ii", windowsengine.look(ctx, engine.host, engine.instance).version)
    found = ctx.host_reader(engine.host).ask(query(engine.package), timeout=SHORT)
    status, _, version = found.stdout.strip().partition("|")
    return Installed() if found.exit_code else Installed(status.strip(), version.strip())


# --- long work -------------------------------------------------------------------------------------------------------


def script(text: str, *arguments: str) -> tuple[str, ...]:
    """A shell script as an argument list; its arguments are $1, $2 and so on, and are read by no shell."""
    return ("/bin/sh", "-c", text, "runbook", *arguments)


def carry_out(ctx: Context, host_name: str, name: str, argv: Sequence[str]) -> None:
    """Start long work, or find what runs already, and wait for its end; StepFailed when that is not a good one. Told to
    stop, it is stopped there. A host that gives no answer for a while is waited for."""
    host = ctx.host(host_name)
    state = host.unit(name)
    if state.has_ended:
        host.forget_unit(name)
        state = host.unit(name)
    if state.phase is UnitPhase.ABSENT:
        state = host.start_unit(name, argv)
    try:
        state = await_unit(ctx, host, name)
    except BaseException as error:
        if not isinstance(error, Exception):  # told to stop
            with ctx.shield():
                host.stop_unit(name)
        raise
    if not state.succeeded:
        how = state.reason or f"exit {state.exit_code}"
        lines = [line.strip() for line in state.last_output.splitlines() if line.strip()]
        raise StepFailed(
            f"{name} on {host_name} failed ({how}){': ' + '; '.join(lines[-3:]) if lines else ''}",
            hint="Its whole output is on that host, in runbook/units of /var/lib or C:\\ProgramData.",
        )


def await_unit(ctx: ReadContext, host: HostReader, name: str) -> UnitState:
    """Wait until it does not run any more. A host that gives no answer for a while is waited for."""
    waited = answered = 0.0
    while True:
        try:
            state = host.unit(name)
            if state.phase is not UnitPhase.RUNNING:
                return state
            answered = waited
        except (Unreachable, HostError):
            if waited - answered > AWAY:
                raise
        pause = min(LONGEST_POLL, max(POLL, POLL_SHARE * waited))
        ctx.sleep(pause)
        waited += pause


def begin_anew(ctx: Context, host_name: str, *names: str) -> None:
    """Forget units of an earlier attempt, so that their ends are not taken for those of this one."""
    host = ctx.host(host_name)
    for name in names:
        if host.unit(name).phase is not UnitPhase.ABSENT:
            host.stop_unit(name)
            host.forget_unit(name)
