"""What a fake instance holds: databases, jobs, clients; and the facts of SQL Server's versions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from runbook.ports import (
    DatabaseFile,
    DatabaseState,
    JobDefinition,
    JobSchedule,
    JobStep,
    ServerSession,
)
from runbook.testing.content import Content
from runbook.testing.disk import Settings

BUILDS = {
    2016: ("13.0.7095.1", 852),
    2017: ("14.0.3456.2", 869),
    2019: ("15.0.4430.1", 904),
    2022: ("16.0.4265.3", 957),
    2025: ("17.0.4065.4", 998),
}
"""Year -> product version and the internal version of its database files."""

DEFAULT_OPTIONS = {
    "TRUSTWORTHY": "OFF",
    "DB_CHAINING": "OFF",
    "BROKER": "OFF",
    "PAGE_VERIFY": "CHECKSUM",
    "AUTO_CLOSE": "OFF",
    "AUTO_SHRINK": "OFF",
    "AUTO_CREATE_STATISTICS": "ON",
    "AUTO_UPDATE_STATISTICS": "ON",
    "AUTO_UPDATE_STATISTICS_ASYNC": "OFF",
    "READ_COMMITTED_SNAPSHOT": "OFF",
    "ALLOW_SNAPSHOT_ISOLATION": "OFF",
    "QUERY_STORE": "OFF",
}
LOST_BY_RESTORE = ("TRUSTWORTHY", "DB_CHAINING", "BROKER")
NOT_OPEN = {
    DatabaseState.RESTORING: 927,
    DatabaseState.RECOVERING: 922,
    DatabaseState.RECOVERY_PENDING: 945,
    DatabaseState.SUSPECT: 926,
    DatabaseState.OFFLINE: 942,
}
SA_SID = "0x01"


@dataclass
class Database:
    """A database or a snapshot. ``lsn`` grows with everything logged, ``changes`` with what users changed."""

    name: str
    database_id: int
    family_guid: str
    created_at: str
    forks: tuple[str, ...]
    """The recovery path: one entry for every recovery, the newest last."""
    settings: Settings
    content: Content
    internal_version: int
    files: tuple[DatabaseFile, ...]
    state: DatabaseState = DatabaseState.ONLINE
    features: frozenset[str] = frozenset()
    snapshot_of: str | None = None
    lsn: int = 100
    changes: int = 100
    log_backup_lsn: int | None = None
    """Where the next log backup begins; None: no chain (4214)."""
    diff_base: str | None = None
    """The full backup the next differential is based on; None: 3035."""
    redo_lsn: int | None = None
    """While RESTORING: up to where it is rolled forward; None: no files are ready."""
    restored_base: str | None = None
    reverting: str | None = None
    kept: Settings | None = None
    """Of a snapshot: the settings a revert brings back."""
    last_checkdb: datetime | None = None
    findings: tuple[str, ...] = ()
    """What CHECKDB would find."""
    edition_features: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Data and log files, bytes."""
        return sum(one.size_bytes for one in self.files)

    @property
    def used(self) -> int:
        """Bytes in use: half of the files."""
        return self.size // 2

    def write(self, content: Content) -> None:
        """A logged change of a user."""
        self.content = content
        self.lsn += 1
        self.changes += 1

    @property
    def first_table(self) -> str:
        """Where a client writes."""
        return next(iter(self.content.tables), "")

    def insert(self, text: str) -> bool:
        """A client inserts a row; False where nobody can write."""
        if self.snapshot_of or self.settings.is_read_only or not self.content.tables:
            return False
        self.write(self.content.with_row(self.first_table, text))
        return True

    def set(self, **settings: object) -> None:
        """Change settings."""
        self.settings = replace(self.settings, **settings)  # type: ignore[arg-type]


@dataclass
class Job:
    """An Agent job; it runs until ``running_until``."""

    job_id: str
    definition: JobDefinition
    enabled: bool
    running_until: datetime | None = None


@dataclass
class Client:
    """A session of a client. One that ``reconnects`` is back soon after it is thrown out, if it may."""

    session_id: int
    database: str
    login: str
    privileged: bool = False
    reconnects: bool = False
    program: str = "mailer"
    open_transactions: int = 0
    unkillable: bool = False

    def as_session(self) -> ServerSession:
        """As the port gives it."""
        return ServerSession(self.session_id, self.login, "webhost", self.program, "sleeping", self.open_transactions)


def sample_job(name: str, database: str, *, enabled: bool = True) -> JobDefinition:
    """A job with one step and one daily schedule."""
    step = JobStep(1, "work", "TSQL", f"EXEC dbo.{name.replace('-', '_')}", database)
    schedule = JobSchedule(f"{name} daily", True, 4, 1, 1, 0, 0, 0, 20200101, 99991231, 30000, 235959)
    return JobDefinition(name, enabled, f"{name} of the mailer", "sa", 1, (step,), (schedule,))
