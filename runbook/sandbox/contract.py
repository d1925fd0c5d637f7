"""What the three parts of the sandbox agree on: wire, language, instance.

The wire part decodes requests and calls a :class:`Session`; the language part implements the
session and runs T-SQL; the instance part owns databases, logins, jobs and everything that a
statement such as BACKUP or ALTER DATABASE does to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

UNSUPPORTED = 50999
"""Number of the error that says "the sandbox does not do this"; tests assert that it never occurs."""
INJECTED = 50998
"""Number of the error raised by an injected ``fail`` fault."""


class SqlError(Exception):
    """One SQL Server error. ``also`` holds the companions that follow it (3201 first, 3013 last)."""

    def __init__(
        self,
        number: int,
        message: str,
        severity: int = 16,
        state: int = 1,
        *,
        line: int = 1,
        procedure: str = "",
        also: Sequence[SqlError] = (),
    ) -> None:
        super().__init__(f"{number}: {message}")
        self.number = number
        self.message = message
        self.severity = severity
        self.state = state
        self.line = line
        self.procedure = procedure
        self.also = tuple(also)


class Cancelled(BaseException):
    """The running statement was ended by an attention (``killed`` false) or by KILL (``killed`` true)."""

    def __init__(self, *, killed: bool = False) -> None:
        super().__init__("killed" if killed else "cancelled")
        self.killed = killed


class ConnectionCut(BaseException):
    """The server closes this connection at once without an answer (fault ``drop``, severity 20 and up)."""


@dataclass(frozen=True)
class SqlType:
    """A T-SQL type. ``length`` counts characters for n-types, bytes otherwise, -1 for max."""

    name: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True)
class Column:
    """A result column as COLMETADATA needs it."""

    name: str
    type: SqlType
    nullable: bool = True
    identity: bool = False


@dataclass
class RpcParam:
    """A decoded RPC parameter. Values are Python objects (see :meth:`Sink.row`)."""

    name: str
    type: SqlType
    value: Any
    output: bool = False


class Sink(Protocol):
    """Where a session writes its answer; implemented by the wire, used by the executing thread only."""

    def columns(self, columns: Sequence[Column]) -> None:
        """Begin a result set."""

    def row(self, values: Sequence[Any]) -> None:
        """Send a row: int, float, Decimal, str, bytes, bool, date, time, datetime, UUID or None.

        For date, time, datetime2 and datetimeoffset a string in ISO form (up to seven fractional digits) is
        accepted as well.
        """

    def done(self, rowcount: int | None = None) -> None:
        """End a statement; ``rowcount`` None sends no count (NOCOUNT ON, DDL)."""

    def info(self, number: int, message: str, severity: int = 0, state: int = 1, line: int = 1) -> None:
        """Send an informational message (severity 10 travels as 0)."""

    def error(self, error: SqlError) -> None:
        """Send an error and its companions; the statement's DONE then carries the error bit."""

    def database(self, new: str, old: str) -> None:
        """Announce a changed database context (ENVCHANGE 1 and message 5701)."""

    def return_status(self, status: int) -> None:
        """A procedure's RETURN value (RPC answers and EXEC)."""

    def return_value(self, param: RpcParam) -> None:
        """An output parameter of an RPC call."""

    def flush(self) -> None:
        """Send what is buffered now; progress messages must reach the client while work goes on."""


class Session(Protocol):
    """One logged-in connection. ``batch``, ``rpc`` and ``transaction`` run on its executing thread."""

    spid: int

    def batch(self, sql: str, sink: Sink) -> None:
        """Run a SQL batch. Errors of statements go to the sink; Cancelled and ConnectionCut are raised."""

    def rpc(self, name: str, params: list[RpcParam], sink: Sink) -> None:
        """Run a procedure called by name; well-known procedure ids are already turned into names."""

    def transaction(self, request: str, name: str, sink: Sink) -> None:
        """A transaction manager request: ``begin``, ``commit`` or ``rollback``."""

    def cancel(self) -> None:
        """Called from another thread: end what runs now (raises Cancelled in the executing thread)."""

    def kill(self) -> None:
        """Called from another session's KILL: end what runs, roll back, end the session."""

    def reset(self) -> None:
        """sp_reset_connection: options, temp tables, open transaction, database context."""

    def close(self) -> None:
        """The connection is gone: cancel, roll back, forget. Idempotent."""


@dataclass
class LoginRequest:
    """What LOGIN7 says."""

    user: str
    password: str
    database: str = ""
    host: str = ""
    app: str = ""
    library: str = ""
    language: str = ""


@dataclass
class LoginReply:
    """What the wire announces after a successful login."""

    session: Session
    database: str
    program_version: tuple[int, int, int]
    collation: bytes = field(default=b"\x09\x04\xd0\x00\x34")


class Server(Protocol):
    """What the wire needs of an instance."""

    def login(self, request: LoginRequest, cut: Callable[[], None]) -> LoginReply:
        """Open a session or raise SqlError (4060 then 18456 as companions). ``cut()`` closes its socket."""


# --- between language and instance -------------------------------------------------------------------------


class Database(Protocol):
    """A database as the language part sees it. One SQLite file; ``path`` changes never while it is in use."""

    name: str
    id: int
    path: str
    generation: int
    """Grows whenever the file was replaced (restore, revert, offline): attach anew when it differs."""
    is_read_only: bool
    is_snapshot: bool
    compatibility_level: int


class Instance(Server, Protocol):
    """What the language part asks of the instance. Names are case-insensitive everywhere."""

    def find(self, name: str) -> Database | None:
        """The database of that name in any state, or None."""

    def enter(self, session: LanguageSession, name: str) -> Database:
        """USE: check state and access mode (911, 927, 942, 923, 924 ...), register the session there."""

    def using(self, session: LanguageSession, name: str) -> Any:
        """Context manager around one statement that touches the database: checks as enter (without moving the
        session), holds its shared use-lock so that RESTORE, OFFLINE or revert wait or refuse, yields Database."""

    def in_transaction(self, session: LanguageSession, names: set[str]) -> None:
        """The databases in which the session's open transaction has written (empty when it ended): they stay in use."""

    def statement(self, session: LanguageSession, text: str) -> Any:
        """Context manager around every top-level statement: statement log, sys.dm_exec_requests, faults. Entering it
        may wait (slow, hang), raise SqlError (fail, disk-full), ConnectionCut (drop) or end the process (kill). It
        yields an object with ``lie: bool`` (do nothing, answer success); ``corrupt`` is carried out on its exit."""

    def admin(self, session: LanguageSession, text: str, tokens: Sequence[Token], sink: Sink) -> None:
        """Run BACKUP, RESTORE, CREATE/ALTER/DROP DATABASE, CREATE/ALTER/DROP LOGIN, DBCC, KILL, CHECKPOINT, SHUTDOWN,
        RECONFIGURE, ALTER AUTHORIZATION ON DATABASE, ALTER SERVER ..., GRANT/DENY at server scope. Result sets and
        messages go to the sink; @variables are looked up with ``session.variable``."""

    def rows(self, view: str, session: LanguageSession) -> tuple[Sequence[Column], list[tuple[Any, ...]]] | None:
        """Rows of a server-level view or msdb table (``sys.databases``, ``msdb.dbo.sysjobs`` ...), lower case; None:
        not the instance's. Anything inside a user database (sys.tables, sys.columns ...) is the language part's."""

    def columns(self, view: str) -> Sequence[Column] | None:
        """The columns that ``rows`` gives for it; None: not the instance's."""

    def procedure(self, name: str) -> Callable[..., int] | None:
        """A procedure of the instance (``sp_update_job``, ``xp_readerrorlog``, ``sp_configure`` ...), called as
        ``p(session, sink, positional, named)``, returns its status and may set ``named`` for OUTPUT."""

    def function(self, name: str, session: LanguageSession, args: Sequence[Any]) -> Any:
        """SERVERPROPERTY, DATABASEPROPERTYEX, LOGINPROPERTY, SUSER_SNAME/SUSER_SID, IS_SRVROLEMEMBER,
        HAS_PERMS_BY_NAME, HAS_DBACCESS, DB_ID, DB_NAME @@VERSION, @@SERVERNAME ...; KeyError: not its own."""

    def applock(self, session: LanguageSession, resource: str, mode: str, owner: str, timeout_ms: int) -> int:
        """sp_getapplock across sessions: 0, 1, -1 (timeout), -2 (cancelled); released at session end."""

    def applock_release(self, session: LanguageSession, resource: str) -> int:
        """sp_releaseapplock."""

    def ended(self, session: LanguageSession) -> None:
        """The session is gone: forget it, release its locks."""


@dataclass(frozen=True)
class Token:
    """A T-SQL token. ``kind``: word, quoted ([x] or "x"), string, number, binary, variable, symbol. ``value`` is the
    unquoted, unescaped text (words keep their case), ``start`` and ``end`` its span in the batch text."""

    kind: str
    value: str
    start: int
    end: int
    line: int = 1


class LanguageSession(Session, Protocol):
    """What the instance asks of a session."""

    login: str
    host: str
    app: str
    database: str
    trancount: int
    is_sysadmin: bool

    def variable(self, name: str) -> Any:
        """Value of an @variable of the running batch (for admin statements)."""

    def check(self) -> None:
        """Raise Cancelled when the running statement was cancelled or the session killed. Cheap; call it often."""

    def wait(self, seconds: float | None) -> None:
        """Sleep, woken by cancel or kill (raises Cancelled then). None: for ever."""

    def run_sql(self, database: str, sql: str, sink: Sink | None = None) -> None:
        """Run T-SQL in a database within this session (Agent job steps use a session of their own)."""


# The language part provides, for the instance:
#   language.session.new_session(instance, spid, login, host, app, database, *, is_sysadmin, cut) -> LanguageSession
#   language.storage.create_database(path)                 a new, empty database file (catalog tables inside)
#   language.storage.get_property(path, name) / set_property(path, name, value)     kept inside the file
#   language.storage.copy_file(source, target, progress, check)   consistent page copy of a database in use
#   language.storage.checksum_tables(path), integrity_errors(path)  for DBCC CHECKDB
#   language.storage.corrupt_one_row(path) -> "schema.table"        for the fault of that name
# The instance provides, for __main__ and the wire:
#   instance.instance.open_instance(directory, name, version, edition) -> Instance
# The wire provides: wire.server.serve(server, host, port) -> Listener(port, stop())
