"""The journal's tables in a database, one durable transaction at a time.

Rows go in and out as :class:`Row`; what they mean is not known here. SQLite is opened with WAL,
``synchronous=FULL`` and an immediate transaction for every write, so that a row that was reported written
survives the loss of power.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from runbook.errors import FencedOut, JournalUnwritable, Refused
from runbook.journal.reading import RUN_IDS, Row, select_rows

T = TypeVar("T")

WAL_PAGES = 100
"""Pages after which SQLite starts its log over. A short log is soon written over instead of growing, and growing is
what costs: the file system then has a change of its own to make durable, as dear as the row itself."""


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
    """Open or create a journal at an SQLAlchemy URL; Refused with a hint when it cannot be used."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  (400 ms of import that --help need not pay)

    try:
        _refuse_unsupported(url)
        return SqlStore(url)
    except ImportError as error:
        raise _driver_missing(url, error) from error
    except (SQLAlchemyError, OSError) as error:
        raise Refused(
            f"the journal at {_masked(url)} cannot be opened: {_first_line(error)}",
            hint="Check the directory or server behind RUNBOOK_HOME, RUNBOOK_JOURNAL or --journal.",
        ) from error


SUPPORTED = ("sqlite", "postgresql", "mssql")
_PACKAGES = {"psycopg2": "psycopg2-binary", "psycopg": "'psycopg[binary]'"}
"""What to install for a driver whose package has another name, or needs a library beside it."""


def _refuse_unsupported(url: str) -> None:
    from sqlalchemy.engine import make_url  # noqa: PLC0415

    kind = make_url(url).get_backend_name()
    if kind not in SUPPORTED:
        raise Refused(
            f"{kind} is not a supported journal",
            hint="Give a URL of SQLite (sqlite:///FILE), PostgreSQL (postgresql://...) or SQL Server (mssql://...).",
        )


def _driver_missing(url: str, error: ImportError) -> Refused:
    driver = error.name or "of the database"
    missing = isinstance(error, ModuleNotFoundError)
    package = _PACKAGES.get(driver, driver)
    what = f"the driver {driver} {'is missing' if missing else f'cannot be loaded: {_first_line(error)}'}"
    return Refused(
        f"the journal at {_masked(url)} cannot be opened: {what}",
        hint=f"Install it in the environment of runbook: pip install {package}.",
    )


class SqlStore:
    """A journal store through SQLAlchemy Core."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import create_engine, event  # noqa: PLC0415
        from sqlalchemy.engine import make_url  # noqa: PLC0415
        from sqlalchemy.pool import StaticPool  # noqa: PLC0415

        from runbook.journal import schema  # noqa: PLC0415
        from runbook.journal.statements import Statements  # noqa: PLC0415

        self._schema = schema
        self._lock = threading.Lock()
        self._held: Any = None
        parsed = make_url(url)
        self._sqlite = sqlite = parsed.get_backend_name() == "sqlite"
        connect: dict[str, Any] = {"check_same_thread": False, "timeout": 30} if sqlite else {}
        self._engine = create_engine(parsed, poolclass=StaticPool, connect_args=connect)
        if sqlite and parsed.database and parsed.database != ":memory:":
            _make_private(Path(parsed.database))
        if sqlite:
            event.listen(self._engine, "connect", _configure_sqlite)
            event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        schema.metadata.create_all(self._engine)
        self._statements = Statements(self._engine.dialect)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        with self._lock:
            try:
                with self._engine.begin() as connection:
                    yield connection
            except SQLAlchemyError as error:
                raise _unwritable(error) from error

    def _within(self, work: Callable[[Any], T], *, begin: bool = True) -> T:
        """Call ``work`` with a cursor of the driver, in a transaction of its own: what SQLAlchemy adds to each
        statement costs more than the durable write itself, and this is on the path of every step."""
        with self._lock:
            connection = self._connected()
            cursor = connection.cursor()
            try:
                if begin and self._sqlite:
                    cursor.execute("BEGIN IMMEDIATE")
                found = work(cursor)
                connection.commit()
            except BaseException as error:
                self._give_up(connection, cursor, error)
                raise
            finally:
                cursor.close()
                if not self._sqlite:
                    connection.close()
            return found

    def _connected(self) -> Any:
        """The connection of the pool; for a file it is kept, that of a server may have to be made anew."""
        if self._held is not None:
            return self._held
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        try:
            connection = self._engine.raw_connection()
        except SQLAlchemyError as error:
            raise _unwritable(error) from error
        if self._sqlite:
            self._held = connection
        return connection

    def _give_up(self, connection: Any, cursor: Any, error: BaseException) -> None:
        """Roll back; JournalError for what the driver raised."""
        dialect: Any = self._engine.dialect
        if not isinstance(error, dialect.loaded_dbapi.Error):
            connection.rollback()
            return
        if dialect.is_disconnect(error, connection, cursor):
            connection.invalidate(error)
        else:
            connection.rollback()
        raise _unwritable(error) from error

    def append(self, rows: Sequence[Row], *, expected: int, fence: int | None) -> bool:
        """See :class:`Store`."""
        try:
            return self._within(lambda cursor: self._add(cursor, rows, expected, fence))
        except JournalUnwritable as error:
            if isinstance(error.__cause__, self._integrity_error):
                return False
            raise

    def _add(self, cursor: Any, rows: Sequence[Row], expected: int, fence: int | None) -> bool:
        do, last = self._statements, rows[-1]
        if expected == 0:
            do.begin_head(cursor, last.run_id, last.n, last.hash, 0)
        elif not self._move_head(cursor, last, expected, fence):
            return False
        for row in rows:
            do.add_row(cursor, *row)
        return True

    @property
    def _integrity_error(self) -> type[Exception]:
        dialect: Any = self._engine.dialect
        found: type[Exception] = dialect.loaded_dbapi.IntegrityError
        return found

    def _move_head(self, cursor: Any, last: Row, expected: int, fence: int | None) -> bool:
        do = self._statements
        if fence is None:
            do.move_head(cursor, last.n, last.hash, last.run_id, expected)
        else:
            do.move_head_fenced(cursor, last.n, last.hash, last.run_id, expected, fence)
        if cursor.rowcount == 1:
            return True
        do.find_head(cursor, last.run_id)
        head = cursor.fetchone()
        if fence is not None and head is not None and head[2] != fence:
            raise FencedOut(
                f"run {last.run_id} is in the hands of executor {head[2]}, this is {fence}",
                hint="Leave it to that one; runbook status shows who it is.",
            )
        return False

    def rows(self, run_id: str, after: int = 0, *, without: Sequence[str] = ()) -> list[Row]:
        """See :class:`Store`."""
        style = self._engine.dialect.paramstyle
        return self._within(lambda cursor: select_rows(cursor, run_id, after, without, style), begin=False)

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
        if self._held is not None:
            self._held.close()
            self._held = None
        self._engine.dispose()


def _make_private(file: Path) -> None:
    """Statements and names are nobody else's business; SQLite gives its other files the mode of this one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.touch(mode=0o600)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, immediate, so that a writer never upgrades
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"wal_autocheckpoint={WAL_PAGES}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _unwritable(error: BaseException) -> JournalUnwritable:
    return JournalUnwritable(
        f"the journal cannot be written: {_first_line(error)}",
        hint="Make room or mend the disk, then: runbook resume. Nothing is done that was not recorded.",
    )


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
