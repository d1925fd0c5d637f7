"""A host outside the process: files, programs, units, boots. It survives the process under test, handles do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from runbook.hosting import ABSENT, CommandResult, FileInfo, FileKind, UnitPhase, UnitState
from runbook.testing.clock import FakeClock, FakeTimer
from runbook.testing.errors import ImpossibleWorld

DISK = 10_000_000_000
ROOT, USER = "root", "runbook"


@dataclass(frozen=True)
class Program:
    """What an argument list does there: after ``seconds`` its effect, then its end."""

    seconds: float = 0.0
    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""
    effect: Callable[[], object] = lambda: None
    begins: Callable[[], object] = lambda: None
    """What it has done as soon as it runs: all that is there of it when it is ended early."""
    reads: bool = False
    """What it reads is what it writes, as ``cat`` does."""

    def result(self, stdin: bytes) -> CommandResult:
        """How it ends."""
        out = stdin.decode("utf-8", "replace") if self.reads else ""
        return CommandResult(self.exit_code, self.stdout + out, self.stderr)


@dataclass(frozen=True)
class FakeFile:
    """A regular file."""

    content: bytes
    mode: int = 0o644
    owner: str = ROOT
    group: str = ROOT


@dataclass
class FakeUnit:
    """Long work: ``timer`` is its end to come."""

    argv: tuple[str, ...]
    state: UnitState
    output: str
    timer: FakeTimer | None = None
    stdin: bytes = b""

    def end(self, **changes: object) -> None:
        """It runs no more."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = None
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]


@dataclass
class Machine:
    """One host."""

    clock: FakeClock
    name: str
    files: dict[str, FakeFile] = field(default_factory=dict)
    directories: set[str] = field(default_factory=lambda: {"/", "/etc", "/srv", "/tmp", "/var"})  # noqa: S108 - not this machine
    links: dict[str, str] = field(default_factory=dict)
    programs: dict[tuple[str, ...], Program] = field(default_factory=dict)
    """Argument list -> what it does; ``true``, ``false``, ``cat`` and ``printf %s TEXT`` are known."""
    knows: list[Callable[[tuple[str, ...]], Program | None]] = field(default_factory=list)
    """What whole pieces of software on it make of an argument list; None: nothing of theirs."""
    units: dict[str, FakeUnit] = field(default_factory=dict)
    host_name: str = ""
    """What it calls itself; empty: as the world calls it."""
    boots: int = 1
    down: bool = False
    full: bool = False
    may_become_root: bool = True
    skew: timedelta = timedelta(0)
    fences: dict[str, int] = field(default_factory=dict)
    """The highest number of an executor that acted here, of each run."""

    def program(self, argv: tuple[str, ...]) -> Program | None:
        """What it does; None when there is no such file. ImpossibleWorld for one it was not taught."""
        taught = next((found for known in self.knows if (found := known(argv)) is not None), self.programs.get(argv))
        if taught is not None:
            return taught
        match argv:
            case ("true",):
                return Program()
            case ("false",):
                return Program(exit_code=1)
            case ("cat",):
                return Program(reads=True)
            case ("printf", "%s", text):
                return Program(stdout=text)
        if argv[0].startswith("/no/"):
            return None
        raise ImpossibleWorld(f"teach {self.name} with programs: {argv}")

    def now(self) -> datetime:
        """Its own clock."""
        return self.clock.now() + self.skew

    def look(self, path: str) -> FileInfo | None:
        """What stands there."""
        if path in self.links:
            return FileInfo(FileKind.LINK, 0o777, ROOT, ROOT, len(self.links[path]))
        if path in self.directories:
            return FileInfo(FileKind.DIRECTORY, 0o755, ROOT, ROOT, 4096)
        found = self.files.get(path)
        if found is None:
            return None
        return FileInfo(FileKind.FILE, found.mode, found.owner, found.group, len(found.content))

    def used(self) -> int:
        """Bytes of all files."""
        return sum(len(file.content) for file in self.files.values())

    def start(self, name: str, argv: tuple[str, ...], stdin: bytes) -> FakeUnit:
        """Long work begins; what it writes is there at once, its effect at its end."""
        program = self.program(argv)
        if program is None:
            program = Program(exit_code=127, stderr=f"{argv[0]}: not found\n")
        result = program.result(stdin)
        state = UnitState(UnitPhase.RUNNING, started_at=self.now(), last_output=result.stdout + result.stderr)
        unit = self.units[name] = FakeUnit(argv, state, result.stdout + result.stderr, stdin=stdin)

        program.begins()

        def end() -> None:
            program.effect()
            unit.end(phase=UnitPhase.EXITED, exit_code=program.exit_code, ended_at=self.now())

        unit.timer = self.clock.later(program.seconds, end)
        return unit

    def unit(self, name: str) -> UnitState:
        """Where it stands."""
        return self.units[name].state if name in self.units else ABSENT

    def stop(self, name: str) -> None:
        """It ends with all it started, without its effect."""
        if self.unit(name).phase is UnitPhase.RUNNING:
            self.units[name].end(phase=UnitPhase.KILLED, reason="it was stopped", ended_at=self.now())

    def reboot(self) -> None:
        """All that ran is gone, files and records stay."""
        self.boots += 1
        for unit in self.units.values():
            if unit.state.phase is UnitPhase.RUNNING:
                unit.end(phase=UnitPhase.KILLED, reason="its host was started anew while it ran")
