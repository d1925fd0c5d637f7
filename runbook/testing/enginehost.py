"""A machine with a SQL Server on it: systemd's service, dpkg's package, the files below its data directory."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from runbook.hosting import UnitPhase
from runbook.testing.errors import ImpossibleWorld
from runbook.testing.instance import Instance
from runbook.testing.machine import FakeFile, Machine, Program
from runbook.testing.model import BUILDS
from runbook.testing.world import World
from runbook.toolkit import enginescripts
from runbook.toolkit.enginehost import query, script, show

SERVICE, PACKAGE, DATA = "mssql-server.service", "mssql-server", "/var/opt/mssql"
SOURCES = "/etc/apt/sources.list.d/mssql-server.list"
OF_THE_FILES = ("databases", "jobs", "logins", "marker", "copies", "log_history")
"""What of an instance lies in its data directory."""
BOOTS = 20.0
SYSTEMCTL = ("stop", "start", "mask", "unmask")


def version(year: int) -> str:
    """The package's version."""
    return f"{BUILDS[year][0]}-1"


def line(year: int) -> str:
    """Where that package is had."""
    return f"deb https://packages.example/mssql-server-{year} focal main"


@dataclass
class EngineHost:
    """Makes a machine of the world run one of its servers; knows the programs that the in-place upgrade calls."""

    world: World
    machine: Machine
    instance: Instance
    installed: int = 2019
    """Year of the binaries."""
    status: str = "ii"
    running: bool = True
    masked: bool = False
    failed: bool = False
    stops_in: float = 2.0
    starts_in: float = 3.0
    converts_in: float = 30.0
    """Seconds upgrade scripts take when newer binaries meet older files."""
    script_fails: bool = False
    """912 and 3417 in the error log, and the service ends."""
    installs_in: float = 40.0
    install_fails: bool = False
    copies_in: float = 60.0
    locks: tuple[str, ...] = ()
    """Lock files of apt and dpkg that a program holds."""
    others: tuple[str, ...] = ()
    """Lines that apt's simulation prints besides."""
    error_log: str = f"{DATA}/log/errorlog"
    copies: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Directory -> the files as they were."""
    ran_on_foreign_files: bool = False
    """The engine was started while files were copied or binaries were replaced: never may it."""
    _starts: int = 1

    @classmethod
    def of(cls, world: World, name: str, role: str) -> EngineHost:
        """The machine of a server of the world."""
        machine = world.add_host(name)
        found = cls(world, machine, world.servers[role], world.servers[role].year)
        machine.host_name = world.servers[role].server_name.lower()
        machine.knows.append(found.program)
        machine.directories |= {DATA, "/etc/apt", "/etc/apt/sources.list.d", "/var/opt", f"{DATA}/log"}
        machine.files[SOURCES] = FakeFile(f"{line(found.installed)}\n".encode())
        found.log("Microsoft SQL Server starts.")
        return found

    # -- what people do to it

    def reboot(self, seconds: float = BOOTS) -> None:
        """The machine goes down with everything on it, and comes back; a service that is not masked is started."""
        self._ends()
        self.machine.reboot()
        self.machine.down = True

        def up() -> None:
            self.machine.down = False
            if not self.masked:
                self._begins()

        self.world.clock.later(seconds, up)

    def cut(self, seconds: float) -> None:
        """Nobody reaches the machine for a while; what runs there goes on."""
        self.machine.down = True

        def mended() -> None:
            self.machine.down = False

        self.world.clock.later(seconds, mended)

    def log(self, *lines: str) -> None:
        """The engine tells something."""
        path = self.error_log
        known = self.machine.files.get(path, FakeFile(b"")).content
        stamp = f"{self.world.clock.now():%Y-%m-%d %H:%M:%S.00} spid5s"
        self.machine.files[path] = FakeFile(known + "".join(f"{stamp}      {one}\n" for one in lines).encode())

    # -- the programs on it

    def program(self, argv: tuple[str, ...]) -> Program | None:
        """What an argument list does there; None for what is none of an engine's."""
        looks = {
            show(SERVICE): self._shown(),
            query(PACKAGE): f"{self.status} |{version(self.installed)}",
            ("dpkg", "--audit"): "" if self.status == "ii" else f"{PACKAGE} is half configured",
            script(enginescripts.LOCKS): "\n".join(self.locks),
            ("du", "--summarize", "--block-size=1", DATA): f"1000000\t{DATA}",
        }
        if argv in looks:
            return Program(stdout=looks[argv])
        if argv[0] == "systemctl" and argv[-1] == SERVICE and argv[1] in SYSTEMCTL:
            return Program(effect=lambda: self._systemctl(argv[1]))
        if argv[:2] == ("mkdir", "-p"):
            return Program(effect=lambda: self.machine.directories.add(argv[-1]))
        return self._script(argv) if argv[:2] == ("/bin/sh", "-c") else None

    def _script(self, argv: tuple[str, ...]) -> Program:
        text, arguments = argv[2], argv[4:]
        if text == enginescripts.FETCH:
            return Program(20.0, effect=lambda: self._fetched(arguments[0]))
        if text == enginescripts.COPY:
            return self._copying(self.copies_in, lambda: self._copied(arguments[1]))
        if text == enginescripts.PUT_BACK:
            return self._copying(self.copies_in, lambda: self._put_back(arguments[1]))
        if text == enginescripts.INSTALL:
            return self._install(2022)
        if text == enginescripts.DOWNGRADE:
            return Program(10.0, effect=lambda: self._now(2019))
        raise ImpossibleWorld(f"{self.machine.name} does not know this script: {text[:60]}")

    def _install(self, year: int) -> Program:
        if self.install_fails:
            return Program(
                5.0, 100, stderr="E: Sub-process /usr/bin/dpkg returned an error code (1)\n", begins=self._half
            )
        return Program(self.installs_in, effect=lambda: self._now(year), begins=self._half)

    def _copying(self, seconds: float, effect: Any) -> Program:
        if self.running:
            return Program(exit_code=70, stderr=f"{SERVICE} runs: nothing is copied under a running engine\n")
        return Program(seconds, effect=effect)

    def _shown(self) -> str:
        active = "active" if self.running else "failed" if self.failed else "inactive"
        load = "masked" if self.masked else "loaded"
        return f"LoadState={load}\nActiveState={active}\nUnitFileState={'masked' if self.masked else 'enabled'}\n"

    def _systemctl(self, verb: str) -> None:
        if verb == "stop":
            self.world.clock.later(self.stops_in, self._ends)
        elif verb == "start" and not self.masked:
            self._begins()
        elif verb in {"mask", "unmask"}:
            self.masked = verb == "mask"

    def _ends(self) -> None:
        self.running = False
        self._starts += 1
        self.world.kill_server(self.instance.role)

    def _begins(self) -> None:
        """The files are opened by whatever binaries are there."""
        if self.running:
            return
        self.ran_on_foreign_files |= self._is_torn()
        self.running, self.failed = True, False
        self._starts += 1
        self.machine.files[self.error_log] = FakeFile(b"")
        self.log(f"Microsoft SQL Server {self.installed} starts, the {self._starts}. time.")
        newest = max((one.internal_version for one in self.instance.databases.values()), default=0)
        if newest > BUILDS[self.installed][1]:
            self._fails(f"Error: 948, Severity: 20, State: 1. Version {newest} is newer than this server.")
            return
        converts = newest < BUILDS[self.installed][1]
        start = self._starts
        if converts:
            for database in self.instance.databases.values():
                database.internal_version = BUILDS[self.installed][1]
        self.world.clock.later(self.converts_in if converts else self.starts_in, lambda: self._up(start, converts))

    def _is_torn(self) -> bool:
        """Binaries or files are between two states: no engine may be started on them."""
        busy = [unit for unit in self.machine.units.values() if unit.state.phase is UnitPhase.RUNNING]
        return bool(busy) or self.status != "ii"

    def _up(self, start: int, converts: bool) -> None:
        if start != self._starts:
            return
        if converts and self.script_fails:
            self._fails("Error: 912, Severity: 21, State: 2.", "Script level upgrade for database 'master' failed")
            self.log("Error: 3417, Severity: 21, State: 3.", "Cannot recover the master database.")
            return
        self.instance.year = self.installed
        self.world.start_server(self.instance.role)

    def _fails(self, *lines: str) -> None:
        self.log(*lines)
        self.running, self.failed = False, True
        self._starts += 1

    def _half(self) -> None:
        self.status = "iF"

    def _now(self, year: int) -> None:
        self.installed, self.status = year, "ii"

    def _files(self) -> dict[str, Any]:
        return copy.deepcopy({name: getattr(self.instance, name) for name in OF_THE_FILES})

    def _fetched(self, kept: str) -> None:
        simulated = [f"Inst {PACKAGE} [{version(2019)}] ({version(2022)} )", *self.others, f"Conf {PACKAGE}"]
        self.machine.files[f"{kept}/simulated"] = FakeFile("\n".join(simulated).encode())
        self.machine.files[f"{kept}/fetched"] = FakeFile(b"sums")

    def _copied(self, kept: str) -> None:
        self.copies[kept] = self._files()
        self.machine.directories.add(f"{kept}/data")

    def _put_back(self, kept: str) -> None:
        for name, value in copy.deepcopy(self.copies[kept]).items():
            setattr(self.instance, name, value)
