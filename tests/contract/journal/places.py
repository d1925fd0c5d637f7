"""Where a journal can be: in memory (the fake), in a SQLite file, on a PostgreSQL. One way to each for the contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from runbook.journal.store import Store, open_for_reading, open_store
from runbook.testing.store import MemoryStore


class Hand(Protocol):
    """Somebody's own connection to the database."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any: ...


class Place(Protocol):
    """A journal's place."""

    url: str

    def store(self) -> Store:
        """As another process has one."""

    def reader(self) -> Any:
        """As ``status`` and ``audit`` have one."""

    def close(self) -> None:
        """Close everything that was opened."""


class InMemory:
    """The fake: all processes are this one."""

    url = ""

    def __init__(self) -> None:
        self._store = MemoryStore()

    def store(self) -> Store:
        """The same for all."""
        return self._store

    def reader(self) -> Any:
        """The same."""
        return self._store

    def close(self) -> None:
        """Nothing."""


class _Tables:
    url: str
    refusal: type[Exception]

    def __init__(self) -> None:
        self._opened: list[Any] = []

    def store(self) -> Store:
        """As another process has one."""
        self._opened.append(open_store(self.url))
        return self._opened[-1]  # type: ignore[no-any-return]

    def reader(self) -> Any:
        """As ``status`` and ``audit`` have one."""
        self._opened.append(open_for_reading(self.url))
        return self._opened[-1]

    def close(self) -> None:
        """Close everything that was opened."""
        for one in self._opened:
            one.close()

    @contextmanager
    def hand(self) -> Iterator[Hand]:
        """A tool for this database; what it does is committed when all went well."""
        raise NotImplementedError

    @contextmanager
    def forced(self) -> Iterator[Hand]:
        """The same for somebody who takes the triggers away first."""
        with self.hand() as hand:
            self.disarm(hand)
            yield hand

    def disarm(self, hand: Hand) -> None:
        """Take the triggers away."""
        raise NotImplementedError


class SqliteFile(_Tables):
    """The default."""

    refusal = sqlite3.IntegrityError

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.url = f"sqlite:///{file}"

    @contextmanager
    def hand(self) -> Iterator[Hand]:
        """Python's own module."""
        connection = sqlite3.connect(self.file)
        try:
            yield connection
            connection.commit()
        finally:
            connection.close()

    def disarm(self, hand: Hand) -> None:
        """Take the triggers away."""
        for verb in ("update", "delete"):
            hand.execute(f"DROP TRIGGER runbook_event_no_{verb}")


class PostgresqlDatabase(_Tables):
    """A database of its own on the server of the tests."""

    def __init__(self, url: str) -> None:
        super().__init__()
        from psycopg.errors import RaiseException

        self.url, self.refusal = url, RaiseException

    @contextmanager
    def hand(self) -> Iterator[Hand]:
        """The driver's own connection, with the marks of SQLite."""
        import psycopg

        class Marked:
            def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
                return connection.execute(statement.replace("?", "%s"), values or None)

        with psycopg.connect(self.url) as connection:
            yield Marked()

    def disarm(self, hand: Hand) -> None:
        """Take the triggers away."""
        hand.execute("ALTER TABLE runbook_event DISABLE TRIGGER ALL")


TABLES = ("sqlite", "postgresql")
"""Places whose rows somebody can reach past the program."""
EVERYWHERE = ("memory", *TABLES)
