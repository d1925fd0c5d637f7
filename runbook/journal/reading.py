"""Reading rows of the journal with a plain database cursor.

``status`` must answer at once, while a run is under way and on a small machine; for SQLite it reads through
the standard library and so spares the import of SQLAlchemy.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from runbook.errors import JournalCorrupt, Refused, UsageError

COLUMNS = (
    "run_id",
    "n",
    "at_utc",
    "kind",
    "step_id",
    "actor",
    "fence",
    "body",
    "previous_hash",
    "row_hash",
)


class Row(NamedTuple):
    """A row of ``runbook_event`` as it is stored."""

    run_id: str
    n: int
    at: str
    kind: str
    step: str
    actor: str
    fence: int
    body: str
    previous: str
    hash: str


RUN_IDS = "SELECT run_id FROM runbook_head UNION SELECT run_id FROM runbook_event ORDER BY run_id"
"""Both tables: a run of which one half was removed must not vanish from sight."""
_MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s"}


def select_rows(cursor: Any, run_id: str, after: int, without: Sequence[str], paramstyle: str = "qmark") -> list[Row]:
    """Rows of a run after number ``after`` in order, without those kinds."""
    mark = _MARKS.get(paramstyle, "?")
    excluded = f" AND kind <> {mark}" * len(without)  # SQLite builds a table for NOT IN and looks every row up in it
    columns = ", ".join(COLUMNS)
    statement = f"SELECT {columns} FROM runbook_event WHERE run_id = {mark} AND n > {mark}{excluded} ORDER BY n"
    cursor.execute(statement, (run_id, after, *without))
    return list(map(Row._make, cursor.fetchall()))


def unknown(run_id: str) -> UsageError:
    """The run that was asked for is not here."""
    return UsageError(
        f"there is no run called {run_id} in this journal",
        hint="runbook runs lists those there are. One of another journal: --journal URL or RUNBOOK_JOURNAL; "
        "one whose journal is lost: runbook recover.",
    )


class SqliteReader:
    """Read-only access to a SQLite journal; never creates or changes anything."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UsageError(
                f"there is no journal at {path}",
                hint="Nothing has been run with this RUNBOOK_HOME yet; a journal that was lost: runbook recover.",
            )
        self._path = path
        self._copy: TemporaryDirectory[str] | None = None
        with self._asking():
            self._connection = self._connected()

    def _connected(self) -> sqlite3.Connection:
        """To the file itself. SQLite needs a little room beside it to read what the last writer left in its log: on a
        full disk, or a read-only one, to a copy elsewhere, which nobody can be writing to there and then."""
        connection = sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
        try:
            connection.execute("SELECT 1 FROM sqlite_master").close()
        except sqlite3.OperationalError as error:
            connection.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _NO_ROOM:
                raise
            return self._connected_to_a_copy(error)
        return connection

    def _connected_to_a_copy(self, error: sqlite3.OperationalError) -> sqlite3.Connection:
        try:
            self._copy = TemporaryDirectory(prefix="runbook-")
            for name in (self._path.name, f"{self._path.name}-wal"):
                with suppress(FileNotFoundError):
                    shutil.copyfile(self._path.with_name(name), Path(self._copy.name) / name)
        except OSError:
            raise error from None
        return sqlite3.connect(Path(self._copy.name) / self._path.name)

    def rows(self, run_id: str, after: int = 0, *, without: Sequence[str] = ()) -> list[Row]:
        """Rows of a run."""
        with self._asking():
            return select_rows(self._connection.cursor(), run_id, after, without)

    def head(self, run_id: str) -> tuple[int, str, int] | None:
        """Number and hash of the newest row, and the fencing number that may write."""
        return self._one("SELECT n, row_hash, fence FROM runbook_head WHERE run_id = ?", run_id)

    def run_ids(self) -> list[str]:
        """All runs, oldest first."""
        with self._asking():
            try:
                return [row[0] for row in self._connection.execute(RUN_IDS)]
            except sqlite3.OperationalError as error:
                if "no such table" not in str(error):
                    raise
                return []  # a run is just being opened for the first time, or the file is none of ours

    def lease(self, run_id: str) -> tuple[Any, ...] | None:
        """The lease row as stored."""
        return self._one("SELECT * FROM runbook_lease WHERE run_id = ?", run_id)

    def _one(self, statement: str, run_id: str) -> tuple[Any, ...] | None:
        with self._asking():
            found = self._connection.execute(statement, (run_id,)).fetchone()
            return None if found is None else tuple(found)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """JournalCorrupt for a file that is not what it should be, Refused for one that cannot be asked now."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_NOW:
                raise Refused(
                    f"the journal {self._path} cannot be read: {error}",
                    hint="Check that you may read the file and its directory, and that no other program locks it.",
                ) from error
            raise JournalCorrupt(
                f"the journal {self._path} is damaged, or not a journal: {error}",
                hint="Name the right one with --journal, or restore it from a copy.",
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        if self._copy:
            self._copy.cleanup()


_NO_ROOM = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_NOT_NOW = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
)
"""Results of SQLite that say nothing about the content of the file."""
