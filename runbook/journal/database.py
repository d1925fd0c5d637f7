"""The database behind a journal: which are supported, how each is connected to, what its errors mean.

SQLite is opened with WAL and ``synchronous=FULL``. PostgreSQL is asked to answer a commit only when it is on disk, and
to end a session that sits in a transaction: the process may have been stopped, and another one must be able to take
over. Whoever is cut off that way finds at the next write that it is fenced out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook.errors import JournalUnwritable, Refused

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

WAL_PAGES = 100
"""Pages after which SQLite starts its log over. A short log is soon written over instead of growing, and growing is
what costs: the file system then has a change of its own to make durable, as dear as the row itself."""

LOCKED = 10.0
"""Seconds for which a SQLite journal is waited for that another process is writing to: as long as on PostgreSQL."""
SUPPORTED = ("sqlite", "postgresql", "mssql")
_PACKAGES = {"psycopg2": "psycopg2-binary", "psycopg": "'psycopg[binary]'"}
"""What to install for a driver whose package has another name, or needs a library beside it."""

_LIBPQ = {
    "application_name": "runbook",
    "client_encoding": "utf8",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""Unless the URL says otherwise. A network that swallows everything is felt after 20 seconds, not after two hours."""

_SESSION = """\
SELECT set_config('lock_timeout', '10s', false), set_config('idle_in_transaction_session_timeout', '5s', false),
       set_config('synchronous_commit',
                  CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
                       ELSE current_setting('synchronous_commit') END, false)"""

TRY_AGAIN = frozenset({
    "40001",  # serialization failure, or the victim of a deadlock on SQL Server
    "40P01",  # deadlock
    "55P03",  # a lock was not to be had in time
    "57P01", "57P02", "57P03",  # the server is being shut down, crashed, or is starting
    "53300",  # too many connections
})  # fmt: skip
"""SQL states that say: nothing was done, ask again."""


def connect(url: str, *, reading: bool) -> Engine:
    """An engine for one connection to a journal; Refused for a database that is not supported.

    With ``reading`` nothing can be changed through it, where the database knows such sessions.
    """
    from sqlalchemy import create_engine, event  # noqa: PLC0415  (400 ms of import that --help need not pay)
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415

    parsed = _with_driver(_supported(url))
    kind = parsed.get_backend_name()
    options: dict[str, Any] = {} if kind == "sqlite" else {"isolation_level": "READ COMMITTED"}
    engine = create_engine(parsed, poolclass=StaticPool, connect_args=_arguments(parsed), **options)
    if kind == "sqlite":
        file = file_of(parsed)
        if file:
            _make_private(file)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    if kind == "postgresql":
        event.listen(engine, "connect", _configure_postgresql(reading))
    return engine


def _supported(url: str) -> URL:
    from sqlalchemy.engine import make_url  # noqa: PLC0415

    parsed = make_url(url)
    if parsed.get_backend_name() not in SUPPORTED:
        raise Refused(
            f"{parsed.get_backend_name()} is not a supported journal",
            hint="Give a URL of SQLite (sqlite:///FILE), PostgreSQL (postgresql://...) or SQL Server (mssql://...).",
        )
    return parsed


def _with_driver(url: URL) -> URL:
    """psycopg 3 for PostgreSQL unless another driver is named, whatever SQLAlchemy's own default is."""
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _arguments(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"check_same_thread": False, "timeout": LOCKED}
    if url.get_driver_name() in _PACKAGES:
        return {name: value for name, value in _LIBPQ.items() if name not in url.query}
    return {}


def file_of(url: URL) -> Path | None:
    """The file of a SQLite journal, None for one in memory or on a server."""
    on_file = url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:"
    return Path(str(url.database)) if on_file else None


def _make_private(file: Path) -> None:
    """Statements and names are nobody else's business; SQLite gives its other files the mode of this one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.touch(mode=0o600)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, immediate, so that a writer never upgrades
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"wal_autocheckpoint={WAL_PAGES}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _configure_postgresql(reading: bool) -> Callable[[Any, Any], None]:
    def configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(_SESSION)
        if reading:
            cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        cursor.close()
        connection.commit()

    return configure


def refuse_unfit(engine: Engine) -> None:
    """Refused for a server that forgets what it said it has, or cannot hold every text."""
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        asked = "SELECT current_setting('fsync'), current_setting('server_encoding')"
        fsync, encoding = connection.exec_driver_sql(asked).one()
    if fsync != "on":
        raise Refused(
            "the journal's server runs with fsync off: what it says it has written may be gone after a crash",
            hint="Set fsync = on in postgresql.conf and reload, or name another server with RUNBOOK_JOURNAL.",
        )
    if encoding != "UTF8":
        raise Refused(
            f"the journal's database has the encoding {encoding}, which cannot hold every name and statement",
            hint="Make one for it: createdb --template=template0 --encoding=UTF8 NAME.",
        )


def state_of(error: BaseException) -> str:
    """The SQL state a server sent with its error, empty without one."""
    state = getattr(error, "sqlstate", None) or (error.args[0] if error.args else None)
    return state if isinstance(state, str) and len(state) == 5 else ""


def driver_missing(url: str, error: ImportError) -> Refused:
    """What to install."""
    driver = error.name or "of the database"
    missing = isinstance(error, ModuleNotFoundError)
    package = _PACKAGES.get(driver, driver)
    what = f"the driver {driver} {'is missing' if missing else f'cannot be loaded: {first_line(error)}'}"
    return Refused(
        f"the journal at {masked(url)} cannot be opened: {what}",
        hint=f"Install it in the environment of runbook: pip install {package}.",
    )


def cannot_be_opened(url: str, error: Exception) -> Refused:
    """With the place and the cause, without the password."""
    return Refused(
        f"the journal at {masked(url)} cannot be opened: {first_line(error)}",
        hint="Make room there, or check the directory or server behind RUNBOOK_HOME, RUNBOOK_JOURNAL or --journal.",
    )


def unwritable(error: BaseException, *, on_server: bool) -> JournalUnwritable:
    """The run is interrupted; what to do before it is resumed."""
    said = first_line(error)
    mend = "Bring its server back" if on_server else "Make room or mend the disk"
    if "locked" in said and not on_server:
        mend = "Another process stands still with it: end that one, or wait until its lease lapses"
    return JournalUnwritable(
        f"the journal cannot be written: {said}",
        hint=f"{mend}, then: runbook resume. Nothing is done that was not recorded.",
    )


def first_line(error: BaseException) -> str:
    """Of what the driver said."""
    origin = getattr(error, "orig", None) or error
    return (str(origin).strip() or type(origin).__name__).splitlines()[0]


def masked(url: str) -> str:
    """The URL without its password."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "an unreadable URL"
