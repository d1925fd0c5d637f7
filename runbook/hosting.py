"""What is asked of a host: commands, files, and long work that outlives the connection.

A host is a machine of the system, reached as such and not through SQL Server: a web server, a worker, a front end, the
machine whose packages are upgraded; this machine is one too. Adapters are in ``runbook.adapters.host``, the fake in
``runbook.testing.host``; one contract suite (``tests/contract/host``) runs on all of them.

Errors: ``Unreachable`` when the host does not answer, ``WrongTarget`` when it shows a host key that is not known,
``NotPermitted`` when it does not let this account in or does not let it become root: nothing was sent to run then.
``HostError`` when something went wrong there, ``in_doubt`` when its effect may have happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from runbook.ports import Volume
from runbook.secrets import Secret


@dataclass(frozen=True)
class CommandResult:
    """How a command ended. After a signal ``exit_code`` is negative where this program started it itself, and 128 and
    more on hosts, as shells have it."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = False
    """Only the end of the output was kept."""

    def said(self) -> str:
        """The last line it wrote, for messages."""
        return last_line(self.stderr) or last_line(self.stdout)


def last_line(text: str) -> str:
    """The last line that is not empty."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


class FileKind(StrEnum):
    """What stands at a path."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True)
class FileInfo:
    """What stands at a path; a symbolic link is not followed. ``mode`` holds the permission bits; Windows has neither
    mode nor group: 0 and empty."""

    kind: FileKind
    mode: int
    owner: str
    group: str
    size: int


class UnitPhase(StrEnum):
    """Where a unit stands."""

    ABSENT = "absent"
    """Never started, or forgotten."""
    RUNNING = "running"
    EXITED = "exited"
    """It came to its own end, with ``exit_code``."""
    KILLED = "killed"
    """It was ended from outside: stopped, by a signal, by a reboot of its host. ``reason`` says by what."""


@dataclass(frozen=True)
class UnitState:
    """Long work on a host, as it is found there. The instants are the host's own clock."""

    phase: UnitPhase
    exit_code: int | None = None
    reason: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    last_output: str = ""
    """The end of what it wrote, at most some 4 KiB."""

    @property
    def succeeded(self) -> bool:
        """It ran to its own end, and says that all went well."""
        return self.phase is UnitPhase.EXITED and self.exit_code == 0

    @property
    def has_ended(self) -> bool:
        """Nothing of it runs any more."""
        return self.phase in {UnitPhase.EXITED, UnitPhase.KILLED}


ABSENT = UnitState(UnitPhase.ABSENT)


@dataclass(frozen=True)
class Tail:
    """Whole lines that a unit wrote, and where the next look goes on."""

    text: str
    position: int


@dataclass(frozen=True)
class HostFacts:
    """Who a host is. ``machine_id`` stays with it for ever, ``boot_id`` until it is started again."""

    machine_id: str
    host_name: str
    system: str
    """``Debian GNU/Linux 12 (bookworm)``."""
    boot_id: str
    user: str
    now: datetime
    may_become_root: bool
    has_units: bool
    """Its own service manager keeps long work (systemd, Task Scheduler)."""


class HostReader(Protocol):
    """Everything that can be learnt of one host without changing anything."""

    name: str
    """The plan's own name of it."""

    def facts(self) -> HostFacts: ...
    def ask(self, argv: Sequence[str], *, timeout: float, root: bool = False) -> CommandResult:
        """Run a short command that only looks, whatever its exit code; as ``Host.run`` without an effect."""

    def lacking(self, programs: Sequence[str], *, root: bool = False) -> tuple[str, ...]:
        """Those of the programs (names or paths) that cannot be started there; nothing is."""

    def read(self, path: str, *, root: bool = False) -> bytes | None:
        """Content of a file; None when nothing is there."""

    def stat(self, path: str, *, root: bool = False) -> FileInfo | None:
        """What stands at a path; None when nothing does."""

    def space(self, path: str) -> Volume:
        """The volume that a path which exists lives on."""

    def unit(self, name: str) -> UnitState: ...
    def tail_unit(self, name: str, since: int = 0) -> Tail:
        """What a unit wrote after a position; a line that is not complete yet waits until the unit has ended."""


class Host(HostReader, Protocol):
    """Everything a step or an undo can do on one host. Every effect is recorded before it is sent."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        effect: bool,
        root: bool = False,
        stdin: bytes | None = None,
        secrets: Sequence[Secret] = (),
    ) -> CommandResult:
        """Run a short command to its end, whatever its exit code; an argument list, never a shell line.

        Told to stop, or after ``timeout`` seconds, it is ended there with all it started. ``secrets`` are what its
        output is cleaned of; they go in through ``stdin``, and one that stands in ``argv`` is refused (ValueError).
        """

    def write(
        self, path: str, content: bytes, *, mode: int | None = None, owner: str | None = None, root: bool = False
    ) -> None:
        """Put a file there in one move, so that it is the old or the new one also when the power goes.

        One that is there keeps its owner, mode and extended attributes unless others are given; a symbolic link keeps
        pointing where it does. ``owner`` is ``user`` or ``user:group``.
        """

    def remove(self, path: str, *, root: bool = False) -> None:
        """Take a file away; one that is not there is no error."""

    def start_unit(
        self, name: str, argv: Sequence[str], *, root: bool = True, directory: str = "/", stdin: bytes | None = None
    ) -> UnitState:
        """Start long work under a name; it outlives the connection. One that was started under this name before is
        found, not started again; HostError when that is another command. ``stdin`` is for what must not be seen."""

    def stop_unit(self, name: str) -> UnitState:
        """End it with all it started; one that has ended, or never began, stays as it is."""

    def forget_unit(self, name: str) -> None:
        """Remove its record, so that the name is free; HostError while it runs."""
