"""A SQL Server on a Windows machine: its services and its error log.

What keeps it from being started is the start mode ``Disabled`` of its service, which outlives a reboot; every service
gets back the start mode it had. Services that need the engine (the Agent) are stopped before it, and those that ran are
started when it answers again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from runbook.errors import HostError, StepFailed
from runbook.powershell import answer, powershell
from runbook.step import Context, ReadContext
from runbook.toolkit.windowsscripts import ENGINE, ERROR_LOG

SHORT = 60.0
"""Seconds a short command may take."""
LOOK = 120.0
"""Seconds a look may take: PowerShell starts, WMI and the registry are asked."""
POLL = 1.0
RECORDS = "C:\\ProgramData\\runbook"
"""Where runs keep what they need on a Windows machine."""
STOPPED, RUNNING, DISABLED = "Stopped", "Running", "Disabled"
START_WORDS = {"Auto": "auto", "Manual": "demand", "Disabled": "disabled", "Boot": "boot", "System": "system"}
"""Win32_Service's word for how a service starts -> what sc.exe calls it."""
FINE = {"start": (0, 1056), "stop": (0, 1062), "config": (0,)}
"""Exit codes of sc.exe that say it is so: also that it runs already (1056), that it does not run (1062)."""


@dataclass(frozen=True)
class ServiceSeen:
    """A Windows service, as it is found."""

    name: str
    state: str
    start: str
    """Auto, Manual or Disabled."""
    delayed: bool = False

    @property
    def runs(self) -> bool:
        """It runs, or is on its way up or down."""
        return self.state != STOPPED

    @property
    def start_word(self) -> str:
        """How it starts, as sc.exe takes it."""
        return "delayed-auto" if self.delayed and self.start == "Auto" else START_WORDS.get(self.start, "demand")


@dataclass(frozen=True)
class EngineSeen:
    """An instance, as the registry and the services show it; ``services``: its own first, then those that need it."""

    version: str
    edition: str
    services: tuple[ServiceSeen, ...] = ()


@dataclass(frozen=True)
class LogSeen:
    """The error log now, with what was written since some mark."""

    path: str
    first: str
    length: int
    text: str


def ask(ctx: ReadContext, host: str, what: str, shape: type[Any], script: str, *arguments: str) -> Any:
    """What a script answers, in that shape; HostError when it does not, named by ``what`` it should tell."""
    found = ctx.host_reader(host).ask(powershell(script, *arguments), timeout=LOOK, root=True)
    try:
        return TypeAdapter(shape).validate_python(answer(found.stdout if found.exit_code == 0 else ""))
    except (ValueError, ValidationError) as error:
        raise HostError(
            f"{host} does not tell {what}: {found.said() or error}",
            host=host,
            hint="Windows PowerShell 5.1 or newer must run there, in FullLanguage mode, for an administrator.",
        ) from None


def service_name(instance: str) -> str:
    """The Windows service of an instance."""
    return "MSSQLSERVER" if instance.upper() == "MSSQLSERVER" else f"MSSQL${instance}"


def look(ctx: ReadContext, host: str, instance: str) -> EngineSeen:
    """The instance as it stands."""
    service = service_name(instance)
    found: EngineSeen = ask(ctx, host, f"how {service} stands", EngineSeen, ENGINE, instance, service)
    if not found.services or not found.version:
        raise HostError(
            f"{host} knows no instance {instance} of SQL Server",
            host=host,
            hint="Correct in_place.instance in the plan; MSSQLSERVER is the default instance.",
        )
    return found


def error_log(ctx: ReadContext, host: str, instance: str, first: str = "", length: int = 0) -> LogSeen:
    """The error log, wherever the instance keeps it by now. HostError when it cannot be read."""
    found: LogSeen = ask(ctx, host, "its error log", LogSeen, ERROR_LOG, instance, first, str(length))
    return found


def stop(ctx: Context, host: str, instance: str, within: float) -> None:
    """Stop what needs it, then the engine; wait until it is down, and keep everybody from starting it."""
    found, waited = look(ctx, host, instance).services, 0.0
    while any(one.runs for one in found):
        for one in reversed(found):
            if one.state == RUNNING and not any(other.runs for other in found[found.index(one) + 1 :]):
                _control(ctx, host, "stop", one.name)
        if waited >= within:
            names = ", ".join(one.name for one in found if one.runs)
            raise StepFailed(f"{names} on {host} does not stop", hint="Look there what keeps it.")
        ctx.sleep(POLL)
        waited += POLL
        found = look(ctx, host, instance).services
    _control(ctx, host, "config", found[0].name, "start=", START_WORDS[DISABLED])


def start(ctx: Context, host: str, instance: str, before: Sequence[ServiceSeen]) -> None:
    """Give the services the start modes they had, and start the engine; it may take long to answer."""
    services = look(ctx, host, instance).services
    there = {one.name: one for one in services}
    for one in before:
        now = there.get(one.name)
        if now is not None and now.start_word != one.start_word:
            _control(ctx, host, "config", one.name, "start=", one.start_word)
    if not services[0].runs:
        _control(ctx, host, "start", services[0].name)


def start_dependents(ctx: Context, host: str, instance: str, before: Sequence[ServiceSeen]) -> None:
    """Start what ran beside the engine, once that answers."""
    there = {one.name: one for one in look(ctx, host, instance).services}
    for one in before:
        now = there.get(one.name)
        if one.runs and now is not None and not now.runs:
            _control(ctx, host, "start", one.name)


def are_as(there: Sequence[ServiceSeen], before: Sequence[ServiceSeen]) -> bool:
    """They start as they did, and those run that ran. What was not there then is nobody's to judge."""
    now = {one.name: one for one in there}
    return all(
        one.name in now and now[one.name].start_word == one.start_word and (now[one.name].runs or not one.runs)
        for one in before
    )


def _control(ctx: Context, host: str, verb: str, service: str, *options: str) -> None:
    done = ctx.host(host).run(("sc.exe", verb, service, *options), timeout=SHORT, effect=True, root=True)
    if done.exit_code not in FINE[verb]:
        said = " ".join(done.stdout.split())[:200] or done.said()
        raise HostError(
            f"{host} does not {verb} {service}: {said or f'exit {done.exit_code}'}",
            host=host,
            hint=f"Look there: sc.exe query {service}, and the event log (System, Service Control Manager).",
        )


SAME_BOOT = 60.0
"""Seconds by which two tellings of one boot may differ: Windows derives it from its clock, which may be set."""


def is_another_boot(before: str, now: str) -> bool:
    """Whether the machine was started anew in between."""
    try:
        instants = [datetime.fromisoformat(one) for one in (before, now)]
    except ValueError:
        return before != now
    return abs((instants[1] - instants[0]).total_seconds()) > SAME_BOOT
