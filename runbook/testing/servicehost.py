"""A machine with services on it, and with work that can be held: what the commands of each kind do there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from runbook.testing.errors import ImpossibleWorld
from runbook.testing.machine import Machine, Program
from runbook.toolkit.servicekinds import START_TYPES

SC = {word: name for name, word in START_TYPES.items()}


@dataclass
class FakeService:
    """One service: ``start`` in the words of its kind (``enabled``, ``Auto``, ``True``, ``unless-stopped``)."""

    running: bool = True
    start: str = "enabled"
    stops_in: float = 0.5
    starts_in: float = 0.5
    comes_back_in: float | None = None
    """Something starts it again so long after it was stopped, unless it is masked or disabled."""
    hangs: bool = False
    """It does not stop."""
    path: str = "/usr/lib/systemd/system/x.service"
    woken_by: str = ""
    between: str = ""
    starts: int = 0
    under: str = ""
    """``start`` as it is below the mask."""


@dataclass
class ServiceHost:
    """Makes a machine of the world know the programs that services are managed with."""

    machine: Machine
    services: dict[str, FakeService] = field(default_factory=dict)

    @classmethod
    def on(cls, machine: Machine, **services: FakeService) -> ServiceHost:
        """With these services, by the names their kind gives them (``_`` stands for ``-``)."""
        found = cls(machine, {name.replace("_", "-"): service for name, service in services.items()})
        machine.knows.append(found.program)
        return found

    def state(self) -> dict[str, tuple[bool, str]]:
        """All that a night must leave as it was."""
        return {name: (one.running, one.start) for name, one in self.services.items()}

    def reboot(self) -> None:
        """All that starts by itself runs, nothing else does."""
        self.machine.reboot()
        for one in self.services.values():
            one.running, one.between = one.start in {"enabled", "Auto", "Delayed", "True", "always"}, ""

    # -- the programs

    def program(self, argv: tuple[str, ...]) -> Program | None:
        """What an argument list does there; None for what is none of these."""
        found: Program | None = None
        match argv:
            case ("systemctl", "show", options, unit) if "TriggeredBy" in options:
                found = Program(stdout=self._shown(unit))
            case ("systemctl", verb, *_, unit) if self._of(unit) is not None:
                found = self._systemctl(verb, unit.partition(".")[0])
            case ("sc.exe", verb, name, *more):
                found = self._sc(verb, name, more)
            case ("powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script):
                found = self._powershell(script)
            case ("docker" | "podman", verb, *more):
                found = self._docker(verb, more)
            case ("worker", verb, name):
                found = self._command(verb, name)
        return found

    def _of(self, unit: str) -> FakeService | None:
        return self.services.get(unit.partition(".")[0])

    def _shown(self, unit: str) -> str:
        one = self._of(unit)
        if one is None:
            return "LoadState=not-found\nActiveState=inactive\nSubState=dead\n"
        active, sub = ("active", "running") if one.running else ("inactive", "dead")
        if one.between:
            active, sub = one.between, "auto-restart" if one.between == "activating" else "stop-sigterm"
        masked = one.start == "masked"
        path = "/dev/null" if masked else one.path
        load = "masked" if masked else "loaded"
        lines = [f"LoadState={load}", f"ActiveState={active}", f"SubState={sub}", f"UnitFileState={one.start}"]
        return "\n".join([*lines, f"FragmentPath={path}", f"TriggeredBy={one.woken_by}", ""])

    def _systemctl(self, verb: str, name: str) -> Program:
        one = self.services[name]
        if verb == "mask" and one.path.startswith("/etc/systemd/system/"):
            return Program(exit_code=1, stderr=f"Failed to mask unit: File '{one.path}' already exists.\n")
        if verb == "start" and one.start == "masked":
            return Program(exit_code=1, stderr=f"Failed to start {name}.service: Unit {name}.service is masked.\n")
        does: dict[str, Callable[[], object]] = {
            "stop": lambda: self._stops(one),
            "start": lambda: self._starts(one),
            "mask": lambda: self._masks(one),
            "unmask": lambda: setattr(one, "start", one.under or "enabled"),
        }
        return Program(effect=does[verb])

    def _masks(self, one: FakeService) -> None:
        if one.start != "masked":
            one.under, one.start = one.start, "masked"

    def _sc(self, verb: str, name: str, more: list[str]) -> Program:
        one = self.services.get(name)
        if one is None:
            return Program(exit_code=1060, stdout="The specified service does not exist as an installed service.\n")
        if verb == "stop":
            return Program(exit_code=0 if one.running else 1062, effect=lambda: self._stops(one))
        if verb == "start" and one.start == "Disabled":
            return Program(exit_code=1058, stdout="The service cannot be started, because it is disabled.\n")
        if verb == "start":
            return Program(exit_code=1056 if one.running else 0, effect=lambda: self._starts(one))
        if verb == "config" and more[0] == "start=":
            return Program(effect=lambda: setattr(one, "start", SC[more[1]]))
        raise ImpossibleWorld(f"sc.exe {verb} {more}")

    def _powershell(self, script: str) -> Program:
        name = re.findall(r"'([^']+)'", script)
        if "Win32_Service" in script:
            return Program(stdout=self._win32(re.search(r"-EQ '([^']+)'", script)))
        where = re.search(r"'IIS:\\(Sites|AppPools)\\([^']+)'", script)
        if "Set-ItemProperty" in script and where:
            value = "True" if script.endswith("$true") else "False"
            return Program(effect=lambda: setattr(self.services[where[2]], "start", value))
        if where:
            one = self.services.get(where[2])
            return Program(stdout="absent\n" if one is None else f"{self._iis(one)}|{one.start}\n")
        one = self.services.get(name[-1])
        if one is None:
            return Program(exit_code=1, stderr=f"Cannot find path {name[-1]}\n")
        if re.search("Stop-(Website|WebAppPool) -Name", script):
            return Program(effect=lambda: self._stops(one))
        if re.search("Start-(Website|WebAppPool) -Name", script):
            return Program(effect=lambda: self._starts(one))
        raise ImpossibleWorld(f"{self.machine.name} does not know this script: {script[:80]}")

    def _win32(self, found: re.Match[str] | None) -> str:
        one = self.services.get(found[1]) if found else None
        if one is None:
            return "absent\r\n"
        state = "Stop Pending" if one.between else "Running" if one.running else "Stopped"
        mode = "Auto" if one.start == "Delayed" else one.start
        return f"{state}|{mode}|{one.start == 'Delayed'}\r\n"

    def _iis(self, one: FakeService) -> str:
        return "Stopping" if one.between else "Started" if one.running else "Stopped"

    def _docker(self, verb: str, more: list[str]) -> Program:
        one = self.services.get(more[-1])
        if one is None:
            return Program(exit_code=1, stderr=f"Error response from daemon: No such container: {more[-1]}\n")
        if verb == "inspect":
            policy, _, tries = one.start.partition(":")
            return Program(stdout=f"{'running' if one.running else 'exited'}|{policy}|{tries or 0}\n")
        if verb == "update":
            return Program(effect=lambda: setattr(one, "start", more[0].removeprefix("--restart=")))
        if verb == "stop":
            return Program(one.stops_in, effect=lambda: self._stopped(one))
        if verb == "start":
            return Program(effect=lambda: self._starts(one))
        raise ImpossibleWorld(f"docker {verb}")

    def _command(self, verb: str, name: str) -> Program:
        one = self.services[name]
        if verb == "runs":
            return Program(exit_code=0 if one.running else 1)
        return Program(effect=lambda: self._stops(one) if verb == "stop" else self._starts(one))

    # -- what becomes of them

    def _stops(self, one: FakeService) -> None:
        if not one.running and not one.between:
            return
        one.between = "deactivating"
        if not one.hangs:
            self.machine.clock.later(one.stops_in, lambda: self._stopped(one))

    def _stopped(self, one: FakeService) -> None:
        one.running, one.between = False, ""
        if one.comes_back_in is not None:
            self.machine.clock.later(one.comes_back_in, lambda: self._comes_back(one))

    def _comes_back(self, one: FakeService) -> None:
        if one.start not in {"masked", "Disabled", "no", "False"}:
            one.running = True

    def _starts(self, one: FakeService) -> None:
        if one.running:
            return
        one.starts += 1

        def up() -> None:
            one.running, one.between = True, ""

        self.machine.clock.later(one.starts_in, up)


@dataclass
class HeldQueue:
    """Work that waits on a machine; ``q hold NAME`` and so on. Released, it is done one a second."""

    machine: Machine
    name: str
    waiting: int = 2
    held: bool = False
    opt_outs: int = 3
    """People who must not be sent to; ``q first NAME`` honours them. Each time it is held, another one turns up."""
    has_first: bool = True
    done: int = 0
    holds: int = 0
    releases: int = 0
    released_twice: bool = False
    firsts: int = 0
    sent_too_early: bool = False
    first_fails: bool = False
    stands_still: bool = False
    """Released, nothing of it is done all the same."""

    @classmethod
    def on(cls, machine: Machine, name: str) -> HeldQueue:
        """One with that name."""
        found = cls(machine, name)
        machine.knows.append(found.program)
        return found

    def arrive(self, more: int = 1) -> None:
        """Work comes in, whether it is held or not."""
        self.waiting += more
        if not self.held:
            self._work()

    def program(self, argv: tuple[str, ...]) -> Program | None:
        """What an argument list does there; None for what is none of its."""
        if argv[0] != "q" or argv[-1] != self.name:
            return None
        verb = argv[1]
        if verb == "is-held":
            return Program(exit_code=0 if self.held else 1)
        if verb == "count":
            return Program(stdout=f"{self.waiting}\n")
        if verb == "hold":
            return Program(effect=self._hold)
        if verb == "release":
            return Program(effect=self._release)
        if verb == "first":
            failed = 3 if self.first_fails else 0
            return Program(5.0, failed, "opt-outs\n", effect=self._honour)
        raise ImpossibleWorld(f"q {verb}")

    def _hold(self) -> None:
        self.holds += 1
        self.opt_outs += self.has_first
        self.held = True

    def _honour(self) -> None:
        if not self.first_fails:
            self.firsts += 1
            self.opt_outs = 0

    def _release(self) -> None:
        self.releases += 1
        self.released_twice |= not self.held
        self.held = False
        self.sent_too_early |= self.opt_outs > 0
        self._work()

    def _work(self) -> None:
        if self.held or not self.waiting or self.stands_still:
            return

        def one() -> None:
            if not self.held and self.waiting:
                self.waiting -= 1
                self.done += 1
                self._work()

        self.machine.clock.later(1.0, one)
