"""The journal's tables in a database, one durable transaction at a time.

Rows go in and out as :class:`Row`; what they mean is not known here. SQLite is opened with WAL,
``synchronous=FULL`` and an immediate transaction for every write, so that a row that was reported written
survives the loss of power.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from runbook.errors import FencedOut, JournalError
from runbook.journal.reading import COLUMNS, RUN_IDS, Row, select_rows


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

    def append(self, rows: Sequence[Row], *, expected: int, fence: int | None) -> bool:
        """Write rows of one run durably, if its head is still at ``expected`` (0: the run is new). False when
        somebody else wrote first. ``fence`` None: a person's command, not bound to the lease. FencedOut when the
        journal knows a higher number."""

    def rows(self, run_id: str, after: int = 0, *, without: Sequence[str] = ()) -> list[Row]: ...
    def head(self, run_id: str) -> Head | None: ...
    def run_ids(self) -> list[str]: ...
    def lease(self, run_id: str) -> LeaseRow | None: ...
    def take_lease(self, lease: LeaseRow, *, before: LeaseRow | None) -> bool:
        """Take the lease and raise the fence in one transaction; False when it changed since ``before`` was read."""

    def beat(self, run_id: str, fence: int, at: str, *, released: bool = False) -> bool:
        """Renew (or release) the lease; False when it belongs to a higher number by now."""

    def close(self) -> None: ...


def open_store(url: str) -> SqlStore:
    """Open or create a journal at an SQLAlchemy URL; JournalError with a hint when it cannot be used."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  (400 ms of import that --help need not pay)

    try:
        return SqlStore(url)
    except (SQLAlchemyError, OSError) as error:
        raise JournalError(
            f"the journal at {_masked(url)} cannot be opened: {_first_line(error)}",
            hint="Check the directory or server behind RUNBOOK_JOURNAL or --journal.",
        ) from error


class SqlStore:
    """A journal store through SQLAlchemy Core."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import create_engine, event  # noqa: PLC0415
        from sqlalchemy.engine import make_url  # noqa: PLC0415
        from sqlalchemy.pool import StaticPool  # noqa: PLC0415

        from runbook.journal import schema  # noqa: PLC0415

        self._schema = schema
        self._lock = threading.Lock()
        parsed = make_url(url)
        sqlite = parsed.get_backend_name() == "sqlite"
        if sqlite and parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        connect: dict[str, Any] = {"check_same_thread": False, "timeout": 30} if sqlite else {}
        self._engine = create_engine(parsed, poolclass=StaticPool, connect_args=connect)
        if sqlite:
            event.listen(self._engine, "connect", _configure_sqlite)
            event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        schema.metadata.create_all(self._engine)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        with self._lock:
            try:
                with self._engine.begin() as connection:
                    yield connection
            except SQLAlchemyError as error:
                raise JournalError(
                    f"the journal cannot be written: {_first_line(error)}",
                    hint="Make room or mend the disk, then: runbook resume. Nothing is done that was not recorded.",
                ) from error

    def append(self, rows: Sequence[Row], *, expected: int, fence: int | None) -> bool:
        """See :class:`Store`."""
        from sqlalchemy.exc import IntegrityError  # noqa: PLC0415

        heads, events = self._schema.heads, self._schema.events
        last = rows[-1]
        try:
            with self._transaction() as connection:
                if expected == 0:
                    connection.execute(
                        heads.insert(), {"run_id": last.run_id, "n": last.n, "row_hash": last.hash, "fence": 0}
                    )
                elif not self._move_head(connection, last, expected, fence):
                    return False
                connection.execute(events.insert(), [dict(zip(COLUMNS, row, strict=True)) for row in rows])
        except JournalError as error:
            if isinstance(error.__cause__, IntegrityError):
                return False
            raise
        return True

    def _move_head(self, connection: Any, last: Row, expected: int, fence: int | None) -> bool:
        heads = self._schema.heads
        moved = heads.update().where(heads.c.run_id == last.run_id, heads.c.n == expected)
        if fence is not None:
            moved = moved.where(heads.c.fence == fence)
        if connection.execute(moved.values(n=last.n, row_hash=last.hash)).rowcount == 1:
            return True
        head = connection.execute(heads.select().where(heads.c.run_id == last.run_id)).first()
        if fence is not None and head is not None and head.fence != fence:
            raise FencedOut(
                f"run {last.run_id} is in the hands of executor {head.fence}, this is {fence}",
                hint="Leave it to that one; runbook status shows who it is.",
            )
        return False

    def rows(self, run_id: str, after: int = 0, *, without: Sequence[str] = ()) -> list[Row]:
        """See :class:`Store`."""
        with self._transaction() as connection:
            cursor = connection.connection.cursor()
            return select_rows(cursor, run_id, after, without, self._engine.dialect.paramstyle)

    def head(self, run_id: str) -> Head | None:
        """See :class:`Store`."""
        heads = self._schema.heads
        with self._transaction() as connection:
            row = connection.execute(heads.select().where(heads.c.run_id == run_id)).first()
        return None if row is None else Head(row.n, row.row_hash, row.fence)

    def run_ids(self) -> list[str]:
        """See :class:`Store`."""
        with self._transaction() as connection:
            return [row[0] for row in connection.exec_driver_sql(RUN_IDS)]

    def lease(self, run_id: str) -> LeaseRow | None:
        """See :class:`Store`."""
        leases = self._schema.leases
        with self._transaction() as connection:
            row = connection.execute(leases.select().where(leases.c.run_id == run_id)).first()
        return None if row is None else LeaseRow(*row)

    def take_lease(self, lease: LeaseRow, *, before: LeaseRow | None) -> bool:
        """See :class:`Store`."""
        heads, leases = self._schema.heads, self._schema.leases
        with self._transaction() as connection:
            row = connection.execute(leases.select().where(leases.c.run_id == lease.run_id)).first()
            if (None if row is None else LeaseRow(*row)) != before:
                return False
            if row is not None:
                connection.execute(leases.delete().where(leases.c.run_id == lease.run_id))
            connection.execute(leases.insert(), lease._asdict())
            raised = heads.update().where(heads.c.run_id == lease.run_id, heads.c.fence < lease.fence)
            return bool(connection.execute(raised.values(fence=lease.fence)).rowcount == 1)

    def beat(self, run_id: str, fence: int, at: str, *, released: bool = False) -> bool:
        """See :class:`Store`."""
        leases = self._schema.leases
        mine = leases.update().where(leases.c.run_id == run_id, leases.c.fence == fence)
        with self._transaction() as connection:
            return bool(connection.execute(mine.values(heartbeat_at=at, released=int(released))).rowcount == 1)

    def close(self) -> None:
        """Let go of the connection."""
        self._engine.dispose()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, immediate, so that a writer never upgrades
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _first_line(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    return (str(origin).strip() or type(origin).__name__).splitlines()[0]


def _masked(url: str) -> str:
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "an unreadable URL"
