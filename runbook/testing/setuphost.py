"""A Windows machine with a SQL Server on it, its setup program, and the hypervisor that takes snapshots of it."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from runbook.powershell import PROGRAM
from runbook.testing.enginehost import BOOTS, OF_THE_FILES, EngineHost
from runbook.testing.errors import ImpossibleWorld
from runbook.testing.machine import FakeFile, Program
from runbook.testing.model import BUILDS
from runbook.testing.world import World
from runbook.toolkit import windowsscripts
from runbook.toolkit.windowsengine import START_WORDS, ServiceSeen

ENGINE, AGENT = "MSSQLSERVER", "SQLSERVERAGENT"
SETUP = "D:\\setup.exe"
DIRECTORIES = ("C:\\", "C:/ProgramData", "C:/SQL/data", "C:\\Program Files")
LOG = "C:\\SQL\\MSSQL15.MSSQLSERVER\\MSSQL\\Log\\ERRORLOG"
SUMMARY = """\
Overall summary:
  Final result:                  {result}
  Exit code (Decimal):           {code}
  Exit message:                  {message}
  Start time:                    2026-03-21 22:31:00
  Requested action:              Upgrade
"""
WORDS = {word: start for start, word in START_WORDS.items()}


def told(**values: Any) -> Program:
    """A script's answer."""
    return Program(stdout=base64.b64encode(json.dumps(values).encode()).decode() + "\r\n")


def spoken(argv: tuple[str, ...]) -> tuple[str, list[str]]:
    """The name of a script, and its arguments."""
    text = argv[-1]
    for name in ("ENGINE", "ERROR_LOG", "SURVEY", "SETUP", "LOGS"):
        script = getattr(windowsscripts, name)
        if text.endswith(script):
            given = re.search(r"\$a = @\((.*)\)\n$", text.removesuffix(script), re.DOTALL)
            found = re.findall(r"'((?:[^']|'')*)'", given[1] if given else "")
            return name, [one.replace("''", "'") for one in found]
    raise ImpossibleWorld(f"a script that nobody taught it: {text[-80:]}")


@dataclass
class SetupHost(EngineHost):
    """Makes a machine of the world a Windows one; ``build`` is the version of the binaries."""

    error_log: str = LOG
    build: str = BUILDS[2019][0]
    to_year: int = 2022
    to_build: str = BUILDS[2022][0]
    edition: str = "Standard Edition"
    services: dict[str, ServiceSeen] = field(
        default_factory=lambda: {
            ENGINE: ServiceSeen(ENGINE, "Running", "Auto"),
            AGENT: ServiceSeen(AGENT, "Running", "Auto", delayed=True),
        }
    )
    media: dict[str, str] = field(default_factory=lambda: {SETUP: "16.0.1000.6"})
    """Program -> its version."""
    pending: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    installer: bool = True
    setup_in: float = 600.0
    """Seconds setup takes."""
    setup_code: int = 0
    setup_says: str = ""
    """What its summary gives as the reason of a failure."""
    hides_its_log: bool = False
    """The error log cannot be read."""
    leaves_it_down: bool = False
    """The engine is not started by setup."""
    torn: bool = False
    """Setup has begun, and has not come to a good end."""
    took: str = ""
    """The command line that setup was given."""
    logs: Mapping[str, Any] = field(default_factory=lambda: {"at": 0, "folder": "C:\\Log", "summary": "", "detail": ""})
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> the whole machine."""
    take_in: float = 20.0
    back_in: float = 60.0
    lies: frozenset[str] = frozenset()
    """Of ``take``, ``revert`` and ``covers``: it reports success and does nothing; it leaves a volume out."""
    SEEN: ClassVar[tuple[str, ...]] = ("installed", "build", "edition", "services", "torn", "pending", "logs")
    """What of the machine a snapshot holds, besides its files and units."""

    @classmethod
    def of(cls, world: World, name: str, role: str) -> SetupHost:
        """The machine of a server of the world, and ``hyper`` beside it."""
        machine, instance = world.add_host(name), world.servers[role]
        found = cls(world, machine, instance, instance.year)
        machine.host_name = instance.server_name
        machine.knows.append(found.program)
        machine.directories |= set(DIRECTORIES)
        world.add_host("hyper").knows.append(found.hook)
        found.log("Microsoft SQL Server starts.")
        return found

    # -- what the engine's model asks

    @property
    def is_barred(self) -> bool:
        """Nobody can start it."""
        return self.services[ENGINE].start == "Disabled"

    def _is_torn(self) -> bool:
        return self.torn

    def _begins(self) -> None:
        self.masked = self.is_barred
        if not self.masked:
            self.instance.build = self.build
            super()._begins()
            self._state(ENGINE, "Running" if self.running else "Stopped")

    def _ends(self) -> None:
        super()._ends()
        self._state(ENGINE, "Stopped")
        self._state(AGENT, "Stopped")

    def _fails(self, *lines: str) -> None:
        super()._fails(*lines)
        self._state(ENGINE, "Stopped")

    def reboot(self, seconds: float = BOOTS) -> None:
        """As any machine; what starts by itself is started, the Agent too."""
        self.masked, self.pending = self.services[ENGINE].start != "Auto", ()
        super().reboot(seconds)
        if not self.masked and self.services[AGENT].start == "Auto":
            self.world.clock.later(seconds + 1.0, lambda: self._state(AGENT, "Running" if self.running else "Stopped"))

    def _state(self, name: str, state: str) -> None:
        self.services[name] = replace(self.services[name], state=state)

    # -- the programs on it

    def program(self, argv: tuple[str, ...]) -> Program | None:
        """What an argument list does there."""
        if argv[: len(PROGRAM)] == PROGRAM:
            name, arguments = spoken(argv)
            return self._setup(arguments) if name == "SETUP" else self._look(name, arguments)
        if argv[0] == "sc.exe":
            return self._sc(argv[1], argv[2], argv[3:])
        if argv[0] == "shutdown.exe":
            return Program(effect=lambda: self.world.clock.later(5.0, self.reboot))
        return None

    def _look(self, name: str, arguments: list[str]) -> Program:
        if name == "ENGINE":
            if arguments[1] not in self.services:
                return told(version="", edition="", services=[])
            return told(version=self.build, edition=self.edition, services=[asdict(one) for one in self._listed()])
        if name == "SURVEY":
            return told(
                version=self.media.get(arguments[0], ""),
                pending=self.pending,
                busy=self.busy,
                installer=self.installer,
                programs="C:\\Program Files",
            )
        if name == "LOGS":
            return told(**self.logs)
        if self.hides_its_log:
            return Program(exit_code=1, stderr="Access to the path is denied.\r\n")
        text = self.machine.files.get(LOG, FakeFile(b"")).content.decode()
        first = text.partition("\n")[0]
        since = int(arguments[2]) if arguments[1] and arguments[1] == first else 0
        return told(path=LOG, first=first, length=len(text), text=text[since:])

    def _listed(self) -> list[ServiceSeen]:
        return [self.services[ENGINE], self.services[AGENT]]

    def _sc(self, verb: str, name: str, options: tuple[str, ...]) -> Program:
        service = self.services[name]
        if verb == "config":
            word = options[1]
            start = "Auto" if word == "delayed-auto" else WORDS[word]
            return Program(effect=lambda: self._configure(name, start, delayed=word == "delayed-auto"))
        if verb == "start":
            if service.start == "Disabled":
                return Program(exit_code=1058, stdout="[SC] StartService FAILED 1058:\r\n\r\nIt is disabled.\r\n")
            return Program(effect=self._begins if name == ENGINE else lambda: self._state(AGENT, "Running"))
        if name == ENGINE and self.services[AGENT].runs:
            return Program(exit_code=1051, stdout="[SC] ControlService FAILED 1051:\r\n\r\nOthers need it.\r\n")
        if name == AGENT:
            return Program(effect=lambda: self._state(AGENT, "Stopped"))
        return Program(effect=self._stopping)

    def _configure(self, name: str, start: str, *, delayed: bool) -> None:
        # a delayed start stays on record while another mode is set
        kept = self.services[name].delayed and start != "Auto"
        self.services[name] = replace(self.services[name], start=start, delayed=delayed or kept)

    def _stopping(self) -> None:
        self._state(ENGINE, "Stop Pending")
        self.world.clock.later(self.stops_in, self._ends)

    # -- setup

    def _setup(self, arguments: list[str]) -> Program:
        program, line, _, service = arguments
        if program not in self.media or service not in self.services:
            raise ImpossibleWorld(f"no such program, or no such service: {arguments}")
        known = self.setup_code
        if self.script_fails:
            known = -2061893606

        def begins() -> None:
            self.took, self.torn = line, True
            self._configure(ENGINE, "Manual", delayed=False)
            self.machine.files["C:/ProgramData/setup.ini"] = FakeFile(b"secret")

        def ends() -> None:
            self.machine.files.pop("C:/ProgramData/setup.ini")
            self._written(known)
            if known in (0, 3010, 1641) or self.script_fails:
                self._replaced(known)

        return Program(self.setup_in, known, "Setup\r\n", begins=begins, effect=ends)

    def _replaced(self, code: int) -> None:
        self.installed, self.build, self.torn = self.to_year, self.to_build, False
        if code in (3010, 1641):
            self.pending = ("PendingFileRenameOperations",)
        if not self.leaves_it_down:
            self._begins()
        if self.script_fails:
            self._up(self._starts, True)
        if code == 1641:
            self.world.clock.later(5.0, self.reboot)

    def _written(self, code: int) -> None:
        result = "Passed" if code in (0, 3010, 1641) else "Failed: see details below"
        summary = SUMMARY.format(result=result, code=code, message=self.setup_says or result)
        detail = f"(01) 2026-03-21 22:41:00 Slp: Error result: {code}\n(01) 2026-03-21 22:41:01 Slp: Closed.\n"
        at = int(self.machine.now().timestamp())
        self.logs = {"at": at, "folder": "C:\\Log\\20260321_223100", "summary": summary, "detail": detail}

    # -- the hypervisor

    def hook(self, argv: tuple[str, ...]) -> Program | None:
        """What is asked of the machine beside it."""
        if argv[0] != "snapshot":
            return None
        verb, run = argv[1], argv[3]
        there = run in self.snapshots
        if verb in self.lies:
            return Program(5.0)
        known = {
            "has": Program(exit_code=0 if there else 1),
            "take": Program(self.take_in, effect=lambda: self._take(run)),
            "revert": Program(self.back_in, effect=lambda: self._revert(run)),
            "drop": Program(effect=lambda: self.snapshots.pop(run, None)),
        }
        if verb == "take" and there:
            return Program(exit_code=2, stderr="a snapshot of that name exists\n")
        return known[verb]

    def _take(self, run: str) -> None:
        self.ran_on_foreign_files |= self.running
        machine = {name: getattr(self, name) for name in self.SEEN} | {"files": self.machine.files}
        instance = {name: getattr(self.instance, name) for name in (*OF_THE_FILES, "build", "year")}
        units = {name: replace(unit, timer=None) for name, unit in self.machine.units.items()}
        self.snapshots[run] = copy.deepcopy({"machine": machine, "instance": instance}) | {"units": units}

    def _revert(self, run: str) -> None:
        found = copy.deepcopy({name: self.snapshots[run][name] for name in ("machine", "instance")})
        self._ends()
        for unit in self.machine.units.values():
            unit.end()
        self.machine.units = {name: replace(unit) for name, unit in self.snapshots[run]["units"].items()}
        files = found["machine"].pop("files")
        kept = {path: file for path, file in self.machine.files.items() if "covers" in self.lies and "SQL/data" in path}
        self.machine.files = {**files, **kept}
        for name, value in found["machine"].items():
            setattr(self, name, value)
        for name, value in found["instance"].items():
            setattr(self.instance, name, value)
        self.failed = False
        self.reboot()
