"""The journal's tables in a database, one durable transaction at a time.

Rows go in and out as :class:`Row`; what they mean is not known here. Machines that write to a run at the same moment
wait for each other at the row of its head, which every append moves and every lease raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from runbook import failpoints
from runbook.errors import FencedOut
from runbook.journal import database
from runbook.journal.reading import RUN_IDS, Row, SqliteReader, select_rows

T = TypeVar("T")


class Head(NamedTuple):
    """Newest row of a run and the fencing number that may write."""

    n: int
    hash: str
    fence: int


class LeaseRow(NamedTuple):
    """Which process acts on a run; instants as ISO text in UTC, ``term_s`` in seconds."""

    run_id: str
    owner: str
    host: str
    pid: int
    pid_token: str
    fence: int
    heartbeat_at: str
    term_s: float
    released: int


class Store(Protocol):
    """What a journal needs of a database; ``runbook.testing`` has one in memory that pulls the plug on demand."""

    @property
    def pressed(self) -> str:
        """Why the run should turn back while the journal can still be written: the disk under it is full, and the room
        that was kept for this is in use. Empty otherwise."""

    @property
    def unreserved(self) -> str:
        """Why no room is kept for a full disk under the journal, where one would be; empty otherwise."""

    def append(self, rows: Sequence[Row], *, expected: int, fence: int | None) -> bool:
        """Write rows of one run durably, if its head is still at ``expected`` (0: the run is new). False when
        somebody else wrote first. ``fence`` None: a person's command, not bound to the lease. FencedOut when the
        journal knows a higher number."""

    def rows(self, run_id: str, after: int = 0, *, without: Sequence[str] = ()) -> list[Row]: ...
    def head(self, run_id: str) -> Head | None: ...
    def run_ids(self) -> list[str]: ...
    def lease(self, run_id: str) -> LeaseRow | None: ...
    def take_lease(self, lease: LeaseRow, *, before: LeaseRow | None) -> bool:
        """Take the lease and raise the fence in one transaction; False when it changed since ``before`` was read, when
        the number is not higher than the one that may write, or when there is no such run."""

    def beat(self, run_id: str, fence: int, at: str, *, released: bool = False) -> bool:
        """Renew (or release) the lease; False when it belongs to a higher number by now."""

    def close(self) -> None: ...


def open_store(url: str) -> SqlStore:
    """Open or create a journal at an SQLAlchemy URL; Refused with a hint when it cannot be used."""
    return _opened(url, lambda: SqlStore(url))


def open_for_reading(url: str) -> SqlStore | SqliteReader:
    """A journal that is there; nothing is created or changed. Errors as :func:`open_store`."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415  (400 ms of import that --help need not pay)

    def reader() -> SqlStore | SqliteReader:
        file = database.file_of(make_url(url))
        return SqliteReader(file) if file else SqlStore(url, reading=True)

    return _opened(url, reader)


def _opened(url: str, make: Callable[[], T]) -> T:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        return make()
    except ImportError as error:
        raise database.driver_missing(url, error) from error
    except (SQLAlchemyError, OSError) as error:
        raise database.cannot_be_opened(url, error) from error


class SqlStore:
    """A journal store through SQLAlchemy Core; with ``reading`` an empty database is left empty."""

    def __init__(self, url: str, *, reading: bool = False) -> None:
        from runbook.journal import schema  # noqa: PLC0415
        from runbook.journal.statements import Statements  # noqa: PLC0415
        from runbook.journal.transactions import Transactions  # noqa: PLC0415

        self._transactions = Transactions(url, reading=reading)
        self._dialect = self._transactions.dialect
        try:
            self._empty = not self._transactions.prepare(schema)
        except BaseException:
            self._transactions.close()
            raise
        self._statements = Statements(self._dialect)
        self._read, self._write = self._transactions.read, self._transactions.write

    @property
    def pressed(self) -> str:
        """See :class:`Store`."""
        return self._transactions.pressed

    @property
    def unreserved(self) -> str:
        """See :class:`Store`."""
        return self._transactions.unreserved

    @property
    def patience(self) -> float:
        """Seconds for which a server that is away is asked again."""
        return self._transactions.patience

    @patience.setter
    def patience(self, seconds: float) -> None:
        self._transactions.patience = seconds

    def append(self, rows: Sequence[Row], *, expected: int, fence: int | None) -> bool:
        """See :class:`Store`."""
        said = " ".join([f"{row.kind} {row.step}" for row in rows]) if failpoints.armed() else ""
        written = self._write(
            lambda cursor: self._add(cursor, rows, expected, fence),
            lambda cursor: self._is_last(cursor, rows[-1]),
            said,
        )
        if written and said:
            self._transactions.reach_after(said)
        return written

    def _add(self, cursor: Any, rows: Sequence[Row], expected: int, fence: int | None) -> bool:
        do, last = self._statements, rows[-1]
        try:
            if expected == 0:
                do.begin_head(cursor, last.run_id, last.n, last.hash, 0)
            elif not self._move_head(cursor, last, expected, fence):
                return False
            for row in rows:
                do.add_row(cursor, *row)
        except self._dialect.loaded_dbapi.IntegrityError:
            return False
        return True

    def _is_last(self, cursor: Any, row: Row) -> bool:
        """This very row was written: its hash covers it and all before it."""
        return _first(cursor, self._statements.find_hash, row.run_id, row.n) == (row.hash,)

    def _move_head(self, cursor: Any, last: Row, expected: int, fence: int | None) -> bool:
        do = self._statements
        if fence is None:
            do.move_head(cursor, last.n, last.hash, last.run_id, expected)
        else:
            do.move_head_fenced(cursor, last.n, last.hash, last.run_id, expected, fence)
        if cursor.rowcount == 1:
            return True
        head = _first(cursor, do.find_head, last.run_id)
        if fence is not None and head is not None and head[2] != fence:
            raise FencedOut(
                f"run {last.run_id} is in the hands of executor {head[2]}, this is {fence}",
                hint="Leave it to that one; runbook status shows who it is.",
            )
        return False

    def rows(self, run_id: str, after: int = 0, *, without: Sequence[str] = ()) -> list[Row]:
        """See :class:`Store`."""
        style = self._dialect.paramstyle
        return self._read(lambda cursor: select_rows(cursor, run_id, after, without, style))

    def head(self, run_id: str) -> Head | None:
        """See :class:`Store`."""
        found = self._read(lambda cursor: _first(cursor, self._statements.find_head, run_id))
        return None if found is None else Head(*found)

    def run_ids(self) -> list[str]:
        """See :class:`Store`."""
        if self._empty:
            return []

        def ask(cursor: Any) -> list[Any]:
            cursor.execute(RUN_IDS)
            return list(cursor.fetchall())

        return sorted(row[0] for row in self._read(ask))

    def lease(self, run_id: str) -> LeaseRow | None:
        """See :class:`Store`."""
        return self._read(lambda cursor: self._lease(cursor, run_id))

    def _lease(self, cursor: Any, run_id: str) -> LeaseRow | None:
        found = _first(cursor, self._statements.find_lease, run_id)
        return None if found is None else LeaseRow(*found)

    def take_lease(self, lease: LeaseRow, *, before: LeaseRow | None) -> bool:
        """See :class:`Store`."""
        return self._write(
            lambda cursor: self._take(cursor, lease, before),
            lambda cursor: self._lease(cursor, lease.run_id) == lease,
        )

    def _take(self, cursor: Any, lease: LeaseRow, before: LeaseRow | None) -> bool:
        do = self._statements
        do.raise_fence(cursor, lease.fence, lease.run_id, lease.fence)  # whoever else takes it now waits here
        if cursor.rowcount != 1 or self._lease(cursor, lease.run_id) != before:
            return False
        if before is None:
            do.add_lease(cursor, *lease)
        else:
            do.change_lease(cursor, *lease[1:], lease.run_id, before.fence, before.heartbeat_at, before.released)
        return bool(cursor.rowcount == 1)

    def beat(self, run_id: str, fence: int, at: str, *, released: bool = False) -> bool:
        """See :class:`Store`."""

        def renew(cursor: Any) -> bool:
            self._statements.beat(cursor, at, int(released), run_id, fence)
            return bool(cursor.rowcount == 1)

        return self._write(renew, renew)

    def close(self) -> None:
        """Let go of the connection."""
        self._transactions.close()


def _first(cursor: Any, statement: Callable[..., None], *values: Any) -> tuple[Any, ...] | None:
    statement(cursor, *values)
    found = cursor.fetchone()
    return None if found is None else tuple(found)
