"""The port to whatever throwaway servers come from: the sandbox, or containers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from runbook.adapters.sqlserver import ServerTarget


@dataclass(frozen=True)
class Wanted:
    """One server of the plan: its name there, the name it gives itself, the version by its year."""

    role: str
    server_name: str
    version: int


@dataclass(frozen=True)
class Made:
    """A throwaway server that runs."""

    role: str
    target: ServerTarget
    """How this program reaches it."""
    entry: Mapping[str, Any]
    """What stands for it in the plan of a rehearsal, below ``servers``."""
    facts: Mapping[str, Any]
    """``host``, ``port``, ``user`` and ``password`` for the commands of the plan."""
    place: str
    """What tells it from every other server: a directory, the id of a container."""


class Provider(Protocol):
    """Makes throwaway servers below the directory of a rehearsal, and takes them away again."""

    name: str
    exchange: str
    """Directory through which backups go from one server to the other, as both see it; empty: wherever the source puts
    them by itself."""

    def refuse_unfit(self, wanted: Wanted) -> None:
        """Refused for a server that it cannot play."""

    def working(self, environment: Mapping[str, str]) -> AbstractContextManager[None]:
        """For the length of a rehearsal: servers that are started meanwhile carry that environment, where they are
        processes of this machine, and come up faster."""

    def room(self, wanted: Mapping[str, Wanted]) -> int | None:
        """How many homes with these servers there can be at a time; None: as many as anybody wants. Refused when there
        is not even room for one."""

    def start(self, home: Path, wanted: Mapping[str, Wanted]) -> Mapping[str, Made]:
        """Start, or find running, the servers of this home; empty ones where there were none. Refused when one does
        not come up."""

    def copy(self, template: Path, home: Path) -> None:
        """Give ``home`` the data of ``template``, whose servers are stopped. They are started by :meth:`start`."""

    def stop(self, home: Path) -> None:
        """Stop every server of this home; data stays."""

    def discard(self, home: Path) -> None:
        """End every server of this home at once, and delete its data."""

    def remove(self, rehearsal: Path) -> None:
        """Take away what a rehearsal has besides its directory, of all its homes. Unreachable, NotPermitted or
        NotSupported when it cannot be looked at: then it stays."""

    def left(self, root: Path) -> set[Path]:
        """Rehearsals directly below ``root``, in use or not, of which there is something besides a directory."""
