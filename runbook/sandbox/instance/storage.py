"""What the instance needs of the storage engine; the language part provides it as ``language.storage``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

SETTINGS = "instance"
"""Property of a database file under which the instance keeps what an attach needs to know."""


class Storage(Protocol):
    """Operations on database files that are not tied to a session."""

    def create_database(self, path: str) -> None:
        """Make a new, empty database file."""

    def get_property(self, path: str, name: str) -> str | None:
        """A text kept inside the file, or None."""

    def set_property(self, path: str, name: str, value: str) -> None:
        """Keep a text inside the file."""

    def copy_file(self, source: str, target: str, progress: Callable[[float], None], check: Callable[[], None]) -> None:
        """Copy the committed pages of a database in use; ``progress`` gets 0..1, ``check`` may raise to stop."""

    def settle(self, path: str) -> None:
        """Move everything that is committed into the main file."""

    def users(self, path: str) -> Sequence[tuple[str, bytes, str, list[str]]]:
        """Users of a database: name, sid, type, names of the roles they are in."""

    def checksum_tables(self, path: str) -> Sequence[tuple[str, int, int]]:
        """(``schema.table``, rows, object id) of every user table."""

    def integrity_errors(self, path: str) -> Sequence[str]:
        """What is physically or logically wrong with the file; empty when it is sound."""

    def corrupt_one_row(self, path: str) -> str:
        """Change one row of one user table, always the same one; returns ``schema.table``."""


def read_settings(storage: Storage, path: str) -> dict[str, Any] | None:
    """The instance's settings inside a file; None when it is no database file of the sandbox."""
    try:
        with Path(path).open("rb") as file:
            if file.read(15) != b"SQLite format 3":
                return None
        found = storage.get_property(path, SETTINGS)
    except Exception:  # noqa: BLE001 - whatever is wrong with a foreign file, it is no database of ours
        return None
    return None if found is None else dict(json.loads(found))


def write_settings(storage: Storage, path: str, settings: dict[str, Any]) -> None:
    """Keep the instance's settings inside the file."""
    storage.set_property(path, SETTINGS, json.dumps(settings))


class Members:
    """Who is a user of which database; reads a file anew only when it changed."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[str, tuple[tuple[int, ...], dict[str, list[str]]]] = {}

    def roles(self, path: str, sid: str) -> list[str] | None:
        """The database roles of the login's user, lower case; None when the login has no user there."""
        mark = tuple(_mark(path + suffix) for suffix in ("", "-wal"))
        known = self._known.get(path)
        if known is None or known[0] != mark:
            users = {user_sid.hex(): [r.lower() for r in roles] for _, user_sid, _, roles in self._storage.users(path)}
            known = self._known[path] = (mark, users)
        return known[1].get(sid.lower())


def _mark(path: str) -> int:
    try:
        status = Path(path).stat()
    except OSError:
        return 0
    return hash((status.st_mtime_ns, status.st_size))
