"""What the engine and the steps ask of the world, in the words of the field.

Adapters implement these protocols for real (``runbook.adapters``), fakes implement them for tests
(``runbook.testing``); one contract suite runs on both. Every instant is an aware UTC ``datetime``, every
duration a number of seconds, every size a number of bytes. Errors are those of ``runbook.errors``: a
statement that failed raises ``ServerError`` with SQL Server's own number, and ``in_doubt`` true when its
outcome is unknown (lost connection, timeout, cancellation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from threading import Event
from typing import Any, Protocol, TypeVar

Found = TypeVar("Found")


class DatabaseState(StrEnum):
    """``state_desc`` of ``sys.databases``."""

    ONLINE = "ONLINE"
    RESTORING = "RESTORING"
    RECOVERING = "RECOVERING"
    RECOVERY_PENDING = "RECOVERY_PENDING"
    SUSPECT = "SUSPECT"
    EMERGENCY = "EMERGENCY"
    OFFLINE = "OFFLINE"


class UserAccess(StrEnum):
    """``user_access_desc`` of ``sys.databases``."""

    MULTI_USER = "MULTI_USER"
    SINGLE_USER = "SINGLE_USER"
    RESTRICTED_USER = "RESTRICTED_USER"


class RecoveryModel(StrEnum):
    """``recovery_model_desc`` of ``sys.databases``."""

    FULL = "FULL"
    BULK_LOGGED = "BULK_LOGGED"
    SIMPLE = "SIMPLE"


class ProofLevel(StrEnum):
    """How a table is proven: every byte of every row, a reproducible sample of rows, or the row count alone."""

    CONTENT = "content"
    SAMPLE = "sample"
    COUNT = "count"


@dataclass(frozen=True)
class ServerIdentity:
    """Who a server is and what it runs; ``server_name`` is SERVERPROPERTY('ServerName')."""

    server_name: str
    machine_name: str
    version: str
    """Full product version, ``15.0.4430.1``."""
    edition: str
    engine_edition: int
    collation: str
    platform: str
    """``Windows`` or ``Linux``."""
    path_separator: str
    data_path: str
    log_path: str
    backup_path: str

    @property
    def major(self) -> int:
        """Major version: 14 is 2017, 15 is 2019, 16 is 2022, 17 is 2025."""
        return int(self.version.split(".", 1)[0])


@dataclass(frozen=True)
class DatabaseInfo:
    """One row of ``sys.databases`` with what belongs to it."""

    name: str
    database_id: int
    family_guid: str | None
    """``sys.database_recovery_status.family_guid``: stays with a database through backup and restore; None while
    the database is not open."""
    created_at: str
    """``create_date`` as the server gives it, ISO text: with ``family_guid`` the identity of a database."""
    state: DatabaseState
    user_access: UserAccess
    is_read_only: bool
    is_in_standby: bool
    recovery_model: RecoveryModel
    compatibility_level: int
    collation: str | None
    owner: str | None
    """Login name; None when the SID belongs to no login."""
    internal_version: int | None
    size_bytes: int
    """Data and log files together."""
    used_bytes: int
    """Allocated pages of the data files, the size of a backup without compression; size_bytes when not open."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options a restore elsewhere does not carry or an upgrade may change, by the name ALTER DATABASE uses:
    TRUSTWORTHY, DB_CHAINING, BROKER, PAGE_VERIFY, AUTO_CLOSE, AUTO_SHRINK, AUTO_CREATE_STATISTICS,
    AUTO_UPDATE_STATISTICS, AUTO_UPDATE_STATISTICS_ASYNC, READ_COMMITTED_SNAPSHOT, ALLOW_SNAPSHOT_ISOLATION,
    QUERY_STORE -> ON or OFF (PAGE_VERIFY: CHECKSUM, TORN_PAGE_DETECTION, NONE)."""
    features: frozenset[str] = frozenset()
    """Of: ``availability-group``, ``mirroring``, ``replication``, ``cdc``, ``tde``, ``filestream``,
    ``memory-optimized``, ``log-shipping``, ``read-only-filegroup``."""
    snapshot_of: str | None = None


@dataclass(frozen=True)
class DatabaseFile:
    """A row of ``sys.master_files``; ``kind`` is ROWS, LOG or FILESTREAM."""

    logical_name: str
    path: str
    kind: str
    size_bytes: int


@dataclass(frozen=True)
class Volume:
    """A disk volume as the server sees it; ``mount`` is the longest prefix of the paths that live on it."""

    mount: str
    total_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class AgentJob:
    """A SQL Server Agent job."""

    job_id: str
    name: str
    enabled: bool
    running: bool
    owner: str


@dataclass(frozen=True)
class JobStep:
    """A row of ``msdb.dbo.sysjobsteps``."""

    step_id: int
    name: str
    subsystem: str
    command: str
    database: str | None
    on_success_action: int = 1
    on_fail_action: int = 2
    retry_attempts: int = 0
    retry_interval: int = 0


@dataclass(frozen=True)
class JobSchedule:
    """A row of ``msdb.dbo.sysschedules`` (numbers as SQL Server keeps them)."""

    name: str
    enabled: bool
    freq_type: int
    freq_interval: int
    freq_subday_type: int
    freq_subday_interval: int
    freq_relative_interval: int
    freq_recurrence_factor: int
    active_start_date: int
    active_end_date: int
    active_start_time: int
    active_end_time: int


@dataclass(frozen=True)
class JobDefinition:
    """All that is needed to create a job again."""

    name: str
    enabled: bool
    description: str
    owner: str
    start_step_id: int
    steps: tuple[JobStep, ...]
    schedules: tuple[JobSchedule, ...]


@dataclass(frozen=True)
class Login:
    """A SQL login (kind S) or a Windows principal (U, G). ``password_hash`` and ``sid`` are hexadecimal text, 0x..."""

    name: str
    kind: str
    sid: str
    password_hash: str | None
    default_database: str
    is_disabled: bool
    check_policy: bool
    check_expiration: bool
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerSession:
    """A user session that is in a database or holds a lock there."""

    session_id: int
    login: str
    host: str
    program: str
    status: str
    open_transactions: int


@dataclass(frozen=True)
class RunningBackup:
    """A BACKUP or RESTORE that runs now."""

    session_id: int
    command: str
    database: str | None
    percent: float


@dataclass(frozen=True)
class BackupHeader:
    """RESTORE HEADERONLY of the newest set of a backup file."""

    name: str
    kind: str
    """``full``, ``differential`` or ``log``."""
    database: str
    family_guid: str
    first_lsn: str
    last_lsn: str
    database_backup_lsn: str
    has_checksums: bool
    is_damaged: bool
    is_copy_only: bool
    software_major: int
    size_bytes: int
    finished_at: str
    sets: int = 1


@dataclass(frozen=True)
class LogBackup:
    """A log backup in the history of the server that took it (msdb). ``path`` is as that server sees it, and empty when
    the backup is not one file on a disk; ``device`` says what it is then. LSNs are decimal text."""

    path: str
    device: str
    position: int
    """Which set of the file."""
    first_lsn: str
    last_lsn: str
    finished_at: str


@dataclass(frozen=True)
class TableInfo:
    """A user table; ``name`` is ``schema.table`` unquoted, ``columns`` what the proof reads, in column order."""

    name: str
    rows: int
    bytes: int
    columns: tuple[tuple[str, str], ...]
    """(column name, type as declared) pairs, without rowversion and non-persisted computed columns."""


@dataclass(frozen=True)
class TableProof:
    """What was found of a table. ``digest`` is hexadecimal text over content (level content), a sample (level
    sample) or empty (level count); equal tables have equal proofs whatever the order of rows."""

    table: str
    level: ProofLevel
    rows: int
    digest: str


@dataclass(frozen=True)
class QueryResult:
    """Result of a plan's own check: the first result set."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class SqlServerReader(Protocol):
    """Everything that can be learnt of one SQL Server without changing anything."""

    role: str

    def identity(self) -> ServerIdentity: ...
    def utcnow(self) -> datetime: ...
    def missing_permissions(self) -> tuple[str, ...]:
        """What this login lacks to carry out a run (``sysadmin`` today), empty when nothing."""

    def databases(self) -> Mapping[str, DatabaseInfo]:
        """User databases and snapshots by name."""

    def database(self, name: str) -> DatabaseInfo | None: ...
    def files(self, database: str) -> tuple[DatabaseFile, ...]: ...
    def volumes(self, paths: Sequence[str]) -> tuple[Volume, ...]:
        """Volumes of those paths (directories on the server) as far as the server can tell."""

    def edition_features(self, database: str) -> tuple[str, ...]:
        """``sys.dm_db_persisted_sku_features``."""

    def running_backups(self) -> tuple[RunningBackup, ...]: ...
    def last_good_checkdb(self, database: str) -> datetime | None: ...
    def has_agent(self) -> bool: ...
    def jobs(self) -> tuple[AgentJob, ...]: ...
    def job_definition(self, job_id: str) -> JobDefinition: ...
    def logins(self) -> tuple[Login, ...]:
        """Logins that can be carried: no ##...##, no sa, no NT SERVICE."""

    def sessions(self, database: str) -> tuple[ServerSession, ...]:
        """Sessions in a database, without this run's own."""

    def snapshots(self, database: str) -> tuple[str, ...]: ...
    def backup_header(self, path: str, position: int | None = None) -> BackupHeader | None:
        """The newest set of the file, or the one at a position. None when there is no such file or set; ServerError
        3241 and the like when it is no backup."""

    def log_chain_starts(self, database: str) -> bool:
        """True when BACKUP LOG is possible (a full backup since the chain began: ``last_log_backup_lsn``)."""

    def log_backups_since(self, database: str, lsn: str) -> tuple[LogBackup, ...]:
        """Backups of the log of this very database (by family) that end after ``lsn``, whoever took them, in the order
        in which they are restored; copy-only ones, which leave the chain alone, are left out."""

    def restored_until(self, database: str) -> str:
        """The end (LSN, decimal text) of what was restored last into this very database, from the server's history
        (msdb); empty when nothing was."""

    def log_sequence(self, database: str) -> str:
        """A number that moves with every logged change of a database (for *nothing was written since*)."""

    def tables(self, database: str) -> tuple[TableInfo, ...]: ...
    def prove_table(self, database: str, table: TableInfo, level: ProofLevel) -> TableProof: ...
    def positions(self, database: str) -> Mapping[str, str]:
        """Identity and sequence positions: ``identity dbo.Contact`` -> ``1042``, ``sequence dbo.S`` -> ``7``."""

    def objects(self, database: str) -> Mapping[str, str]:
        """Definitions: ``view dbo.v``, ``column dbo.t.c``, ``index ...``, ``foreign key ...``, ``user ...`` ->
        digest of all that defines it (state such as is_disabled and is_not_trusted included)."""

    def query(self, database: str, sql: str, max_rows: int = 1000) -> QueryResult:
        """The plan's own check; runs in a transaction that is always rolled back."""


class SqlServer(SqlServerReader, Protocol):
    """Everything a step or an undo can do to one SQL Server. Every call is recorded before it is sent."""

    def set_job_enabled(self, job_id: str, *, enabled: bool) -> None: ...
    def stop_job(self, job_id: str) -> None: ...
    def create_job(self, definition: JobDefinition) -> None:
        """Creates it disabled, whatever the definition says."""

    def delete_job(self, name: str) -> None: ...
    def create_login(self, login: Login) -> None: ...
    def drop_login(self, name: str) -> None: ...
    def set_user_access(self, database: str, access: UserAccess) -> None:
        """WITH ROLLBACK IMMEDIATE."""

    def kill(self, session_id: int) -> None:
        """A session that is already gone is success."""

    def backup_full(self, database: str, path: str, *, name: str, copy_only: bool) -> None:
        """WITH CHECKSUM, NOINIT into a file of its own. A file that exists is refused (a restore point is sacred)."""

    def backup_log(self, database: str, path: str, *, name: str) -> None: ...
    def cut_tail(self, database: str, path: str, *, name: str) -> None:
        """BACKUP LOG ... WITH NORECOVERY: takes the last log and fences the database (RESTORING) in one move."""

    def cut_differential(self, database: str, path: str, *, name: str) -> None:
        """For SIMPLE recovery: SINGLE_USER WITH ROLLBACK IMMEDIATE, BACKUP ... WITH DIFFERENTIAL and OFFLINE on one
        connection, so that nothing can be written between the three."""

    def verify_backup(self, path: str) -> None:
        """RESTORE VERIFYONLY WITH CHECKSUM."""

    def restore_full(self, database: str, path: str, *, moves: Mapping[str, str]) -> None:
        """WITH NORECOVERY, CHECKSUM, never REPLACE."""

    def restore_differential(self, database: str, path: str) -> None: ...
    def restore_log(self, database: str, path: str, position: int | None = None) -> None:
        """The newest set of the file, or the one at a position."""

    def recover(self, database: str) -> None:
        """RESTORE DATABASE ... WITH RECOVERY."""

    def set_online(self, database: str) -> None: ...
    def drop_database(self, database: str) -> None: ...
    def create_snapshot(self, database: str, snapshot: str) -> None: ...
    def revert_to_snapshot(self, database: str, snapshot: str) -> None: ...
    def drop_snapshot(self, snapshot: str) -> None:
        """Refuses a name that is no database snapshot."""

    def set_owner(self, database: str, login: str) -> None: ...
    def set_option(self, database: str, option: str, value: str) -> None:
        """One of the options of ``DatabaseInfo.options``."""

    def map_user(self, database: str, user: str, login: str) -> None:
        """ALTER USER ... WITH LOGIN."""

    def script(self, database: str) -> AbstractContextManager[Callable[[str], None]]:
        """A connection for the batches of one script file: temporary tables, SET options and transactions reach from
        batch to batch, as they do in sqlcmd. Gives the function that runs a batch, under the pinned SET options. A
        transaction that is open at the end of the file is rolled back and reported."""

    def run_batch(self, database: str, sql: str) -> None:
        """A script of one batch."""

    def check_database(self, database: str) -> tuple[str, ...]:
        """DBCC CHECKDB: the findings, empty when clean."""


class Pointer(Protocol):
    """Where clients are sent: the configuration file or command of ``repoint``."""

    def observe(self) -> str:
        """``source``, ``target`` or ``unknown``."""

    def earlier(self) -> str:
        """What must be kept to put back exactly what was there."""

    def forward(self) -> None: ...
    def back(self, earlier: str) -> None: ...


@dataclass(frozen=True)
class WebAnswer:
    """An answer seen from outside; ``status`` 0 and the reason in ``body`` when there was none."""

    status: int
    headers: Mapping[str, str]
    body: str


class Web(Protocol):
    """HTTP as a user sees it: no proxy, no redirects followed, nothing cached."""

    def get(self, url: str, *, timeout: float = 10.0) -> WebAnswer: ...


class Timer(Protocol):
    """A pending call; cancelling one that has fired is no error."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """The only source of time and of new ids."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def wait(self, event: Event, seconds: float | None) -> bool:
        """Wait for the event, at most that long; True when it is set."""

    def call_after(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Call ``action`` on a thread of the clock's own in so many seconds, however the clock is set meanwhile."""

    def within(self, seconds: float, work: Callable[[], Found]) -> Found:
        """What the work returns or raises; TimeoutError when it takes longer, and nobody waits for it any more."""

    def new_id(self) -> str:
        """A short unique id, sortable by time: ``20260321-100000-7f3a``."""


class Cancellation(Protocol):
    """How an adapter lets a person, a signal or the turn-back point end what it waits for."""

    def checkpoint(self) -> None:
        """Raise Cancelled when this work should stop."""

    def sleep(self, seconds: float) -> None: ...
    def interrupting(self, cancel: Callable[[], None]) -> AbstractContextManager[None]:
        """``cancel`` is called once, from another thread, if the work should stop while the block runs."""


class Recorder(Protocol):
    """Where an adapter records what it sends. An effect is durable before it is sent."""

    def statement(
        self, server: str, text: str, *, effect: bool, session: str = ""
    ) -> AbstractContextManager[Recorded]: ...


class Recorded(Protocol):
    """The record of one statement or command while it runs."""

    def outcome(self, text: str) -> None:
        """What came of it, in a few words; without a call it is ``ok`` or the exception."""
