"""The port to whatever throwaway servers come from: the sandbox, or containers."""

from __future__ import annotations

from collections.abc import Mapping
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

    def start(self, home: Path, wanted: Mapping[str, Wanted]) -> Mapping[str, Made]:
        """Start, or find running, the servers of this home; empty ones where there were none. Refused when one does
        not come up."""

    def copy(self, template: Path, home: Path) -> None:
        """Give ``home`` the data of ``template``, whose servers are stopped. They are started by :meth:`start`."""

    def corrupt(self, home: Path, wanted: Wanted, statement: str) -> None:
        """Let a row change once a statement that matches has succeeded. NotSupported where that cannot be."""

    def has_struck(self, home: Path, wanted: Wanted) -> bool:
        """Whether what :meth:`corrupt` set has happened."""

    def stop(self, home: Path) -> None:
        """Stop every server of this home; data stays."""

    def remove(self, rehearsal: Path) -> None:
        """Take away what a rehearsal has besides its directory. Its servers are stopped; nobody needs to be there."""
