"""What each kind of service is told, and how its answers are read: argument lists and text, nothing is sent here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, assert_never

from runbook.errors import HostError
from runbook.hosting import CommandResult
from runbook.plan.services import (
    CommandService,
    ContainerService,
    IisPool,
    IisSite,
    Service,
    SystemdService,
    WindowsService,
)

Argv = tuple[str, ...]


class Doing(StrEnum):
    """What a service does now."""

    RUNNING = "running"
    STOPPED = "stopped"
    BETWEEN = "between"
    """On its way up or down, paused, or restarted again and again."""


@dataclass(frozen=True)
class ServiceState:
    """One look at a service on one host."""

    doing: Doing
    start: str = ""
    """What starts it by itself, in the words of its kind: ``enabled``, ``masked``; ``Auto``, ``Delayed``, ``Manual``;
    ``True``; ``unless-stopped``, ``on-failure:3``. Empty where nothing is known to."""
    told: str = ""
    """How it calls its state itself."""
    woken_by: tuple[str, ...] = ()
    """What else starts it: sockets, timers, paths."""
    fixed: str = ""
    """Why it cannot be kept from starting; empty when it can."""


class Handling(Protocol):
    """One service of a plan in the words of its kind."""

    barred: str
    """The word of ``start`` under which nothing starts it by itself."""

    def show(self) -> Argv: ...
    def read(self, answer: CommandResult) -> ServiceState | None:
        """None when it is not known there; HostError when that cannot be told."""

    def stop(self) -> Argv: ...
    def begin(self) -> Argv: ...
    def set_start(self, now: str, wanted: str) -> tuple[Argv, ...]:
        """Bring what starts it by itself from one word to another; nothing where that is not this program's."""

    def startable(self, wanted: str) -> str:
        """The word under which it can be started by hand, when ``wanted`` is how it was."""


def handling(service: Service) -> Handling:
    """How this service is spoken of."""
    match service:
        case SystemdService():
            return _Systemd(service.unit)
        case WindowsService():
            return _Windows(service.service)
        case IisSite():
            return _Iis(service.site, "IIS:\\Sites", "serverAutoStart", "Website")
        case IisPool():
            return _Iis(service.pool, "IIS:\\AppPools", "autoStart", "WebAppPool")
        case ContainerService():
            return _Container(service.container, service.engine, round(service.within.total_seconds()))
        case CommandService():
            return _Command(service.off, service.on, service.probe)
        case other:
            assert_never(other)


def _unclear(answer: CommandResult) -> HostError:
    return HostError(f"exit {answer.exit_code}: {answer.said() or 'nothing was said'}")


# --- systemd ---------------------------------------------------------------------------------------------------------

PROPERTIES = "LoadState,ActiveState,SubState,UnitFileState,FragmentPath,TriggeredBy"
OWN_UNITS = "/etc/systemd/system/"
"""A unit whose file is here cannot be masked: the mask is a link of that name."""


@dataclass(frozen=True)
class _Systemd:
    unit: str
    barred = "masked"

    def show(self) -> Argv:
        return ("systemctl", "show", f"--property={PROPERTIES}", self.unit)

    def read(self, answer: CommandResult) -> ServiceState | None:
        found = dict(line.partition("=")[::2] for line in answer.stdout.splitlines())
        if answer.exit_code or "ActiveState" not in found:
            raise _unclear(answer)
        masked = found.get("LoadState") == "masked"
        if found.get("LoadState") in {"not-found", "bad-setting", "error"}:
            return None
        doing = {
            "active": Doing.RUNNING,
            "reloading": Doing.RUNNING,
            "inactive": Doing.STOPPED,
            "failed": Doing.STOPPED,
        }
        active, path = found["ActiveState"], found.get("FragmentPath", "")
        start = found.get("UnitFileState", "")
        own = not masked and path.startswith(OWN_UNITS)
        return ServiceState(
            doing.get(active, Doing.BETWEEN),
            "masked" if masked and not start.startswith("masked") else start,
            f"{active} ({found['SubState']})" if found.get("SubState") else active,
            tuple(found.get("TriggeredBy", "").split()),
            f"its file is {path}, and what is there cannot be masked" if own else "",
        )

    def stop(self) -> Argv:
        return ("systemctl", "stop", "--no-block", self.unit)

    def begin(self) -> Argv:
        return ("systemctl", "start", "--no-block", self.unit)

    def set_start(self, now: str, wanted: str) -> tuple[Argv, ...]:
        """Masks only: what else somebody changed meanwhile is not for this run to judge."""
        if now == wanted or not (now.startswith("masked") or wanted.startswith("masked")):
            return ()
        if wanted.startswith("masked"):
            return (("systemctl", "mask", *(["--runtime"] if wanted == "masked-runtime" else []), self.unit),)
        return (("systemctl", "unmask", *(["--runtime"] if now == "masked-runtime" else []), self.unit),)

    def startable(self, wanted: str) -> str:
        return "" if wanted.startswith("masked") else wanted


# --- Windows ---------------------------------------------------------------------------------------------------------

START_TYPES = {"Auto": "auto", "Delayed": "delayed-auto", "Manual": "demand", "Disabled": "disabled"}
"""As it is read -> as sc.exe takes it. Set-Service of Windows PowerShell knows no delayed start."""


def powershell(script: str) -> Argv:
    """A script without double quotes, as an argument list."""
    return ("powershell.exe", "-NoProfile", "-NonInteractive", "-Command", f"$ErrorActionPreference = 'Stop'; {script}")


@dataclass(frozen=True)
class _Windows:
    service: str
    barred = "Disabled"

    def show(self) -> Argv:
        return powershell(
            f"$s = Get-CimInstance Win32_Service | Where-Object Name -EQ '{self.service}'; "
            "if ($s) { '{0}|{1}|{2}' -f $s.State, $s.StartMode, $s.DelayedAutoStart } else { 'absent' }"
        )

    def read(self, answer: CommandResult) -> ServiceState | None:
        said = answer.stdout.strip()
        if answer.exit_code == 0 and said == "absent":
            return None
        if answer.exit_code or said.count("|") != 2:
            raise _unclear(answer)
        state, mode, delayed = said.split("|")
        start = "Delayed" if mode == "Auto" and delayed == "True" else mode
        doing = {"Running": Doing.RUNNING, "Stopped": Doing.STOPPED}.get(state, Doing.BETWEEN)
        return ServiceState(doing, start, state, (), "" if start in START_TYPES else f"it starts as {start}")

    def stop(self) -> Argv:
        return ("sc.exe", "stop", self.service)

    def begin(self) -> Argv:
        return ("sc.exe", "start", self.service)

    def set_start(self, now: str, wanted: str) -> tuple[Argv, ...]:
        if now == wanted or wanted not in START_TYPES:
            return ()
        return (("sc.exe", "config", self.service, "start=", START_TYPES[wanted]),)

    def startable(self, wanted: str) -> str:
        return "Manual" if wanted == self.barred else wanted


@dataclass(frozen=True)
class _Iis:
    name: str
    where: str
    option: str
    cmdlet: str
    barred = "False"

    def show(self) -> Argv:
        path = f"'{self.where}\\{self.name}'"
        return self._iis(
            f"if (Test-Path {path}) {{ $s = Get-Item {path}; '{{0}}|{{1}}' -f $s.state, $s.{self.option} }} "
            "else { 'absent' }"
        )

    def read(self, answer: CommandResult) -> ServiceState | None:
        said = answer.stdout.strip()
        if answer.exit_code == 0 and said == "absent":
            return None
        if answer.exit_code or said.count("|") != 1:
            raise _unclear(answer)
        state, start = said.split("|")
        return ServiceState(
            {"Started": Doing.RUNNING, "Stopped": Doing.STOPPED}.get(state, Doing.BETWEEN), start, state
        )

    def stop(self) -> Argv:
        return self._iis(f"Stop-{self.cmdlet} -Name '{self.name}'")

    def begin(self) -> Argv:
        return self._iis(f"Start-{self.cmdlet} -Name '{self.name}'")

    def set_start(self, now: str, wanted: str) -> tuple[Argv, ...]:
        """Also after a mere stop: some of the cmdlets write the option on their way."""
        if now == wanted or wanted not in {"True", "False"}:
            return ()
        return (
            self._iis(f"Set-ItemProperty '{self.where}\\{self.name}' -Name {self.option} -Value ${wanted.lower()}"),
        )

    def startable(self, wanted: str) -> str:
        """One that does not start by itself can be started by hand all the same."""
        return wanted

    def _iis(self, script: str) -> Argv:
        return powershell(f"Import-Module WebAdministration; {script}")


# --- containers and commands -----------------------------------------------------------------------------------------

LOOKED_AT = "{{.State.Status}}|{{.HostConfig.RestartPolicy.Name}}|{{.HostConfig.RestartPolicy.MaximumRetryCount}}"


@dataclass(frozen=True)
class _Container:
    name: str
    engine: str
    grace: int
    """Seconds it gets before it is killed."""
    barred = "no"

    def show(self) -> Argv:
        return (self.engine, "inspect", "--type", "container", "--format", LOOKED_AT, self.name)

    def read(self, answer: CommandResult) -> ServiceState | None:
        if answer.exit_code and "no such container" in answer.stderr.lower():
            return None
        said = answer.stdout.strip()
        if answer.exit_code or said.count("|") != 2:
            raise _unclear(answer)
        state, policy, tries = said.split("|")
        stopped = {"exited", "created", "dead", "stopped", "configured", "initialized"}
        doing = Doing.RUNNING if state == "running" else Doing.STOPPED if state in stopped else Doing.BETWEEN
        start = f"{policy}:{tries}" if policy == "on-failure" and tries != "0" else policy or "no"
        return ServiceState(doing, start, state)

    def stop(self) -> Argv:
        return (self.engine, "stop", "-t", str(self.grace), self.name)

    def begin(self) -> Argv:
        return (self.engine, "start", self.name)

    def set_start(self, now: str, wanted: str) -> tuple[Argv, ...]:
        return () if now == wanted else ((self.engine, "update", f"--restart={wanted}", self.name),)

    def startable(self, wanted: str) -> str:
        return wanted


@dataclass(frozen=True)
class _Command:
    off: Argv
    on: Argv
    probe: Argv
    barred = ""

    def show(self) -> Argv:
        return self.probe

    def read(self, answer: CommandResult) -> ServiceState | None:
        found = {0: Doing.RUNNING, 1: Doing.STOPPED}.get(answer.exit_code)
        if found is None:
            raise _unclear(answer)
        return ServiceState(found, "", found.value)

    def stop(self) -> Argv:
        return self.off

    def begin(self) -> Argv:
        return self.on

    def set_start(self, now: str, wanted: str) -> tuple[Argv, ...]:
        del now, wanted
        return ()

    def startable(self, wanted: str) -> str:
        return wanted
