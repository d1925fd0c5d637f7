"""What the instance knows about one database; kept in the store as one document."""

from __future__ import annotations

import os
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

from runbook.sandbox.instance import clock

SYSTEM = {"master": 1, "tempdb": 2, "model": 3, "msdb": 4}
SYSTEM_IDS = frozenset(SYSTEM.values())
STATES = {
    "ONLINE": 0,
    "RESTORING": 1,
    "RECOVERING": 2,
    "RECOVERY_PENDING": 3,
    "SUSPECT": 4,
    "EMERGENCY": 5,
    "OFFLINE": 6,
}
ACCESS = {"MULTI_USER": 0, "SINGLE_USER": 1, "RESTRICTED_USER": 2}
MODELS = {"FULL": 1, "BULK_LOGGED": 2, "SIMPLE": 3}
PAGE_VERIFY = {"NONE": 0, "TORN_PAGE_DETECTION": 1, "CHECKSUM": 2}

DEFAULT_OPTIONS: dict[str, Any] = {
    "ANSI_NULL_DEFAULT": False,
    "ANSI_NULLS": False,
    "ANSI_PADDING": False,
    "ANSI_WARNINGS": False,
    "ARITHABORT": False,
    "CONCAT_NULL_YIELDS_NULL": False,
    "NUMERIC_ROUNDABORT": False,
    "QUOTED_IDENTIFIER": False,
    "RECURSIVE_TRIGGERS": False,
    "CURSOR_CLOSE_ON_COMMIT": False,
    "CURSOR_DEFAULT_LOCAL": False,
    "AUTO_CLOSE": False,
    "AUTO_SHRINK": False,
    "AUTO_CREATE_STATISTICS": True,
    "AUTO_UPDATE_STATISTICS": True,
    "AUTO_UPDATE_STATISTICS_ASYNC": False,
    "DATE_CORRELATION_OPTIMIZATION": False,
    "PARAMETERIZATION_FORCED": False,
    "PAGE_VERIFY": "CHECKSUM",
    "TRUSTWORTHY": False,
    "DB_CHAINING": False,
    "BROKER": False,
    "HONOR_BROKER_PRIORITY": False,
    "READ_COMMITTED_SNAPSHOT": False,
    "ALLOW_SNAPSHOT_ISOLATION": False,
    "QUERY_STORE": False,
    "DELAYED_DURABILITY": "DISABLED",
    "TARGET_RECOVERY_TIME": 60,
    "CONTAINMENT": "NONE",
    "ACCELERATED_DATABASE_RECOVERY": False,
    "MIXED_PAGE_ALLOCATION": False,
}
NOT_RESTORED = ("TRUSTWORTHY", "DB_CHAINING", "BROKER")
"""Options that a restore or an attach switches off, whatever the backup says."""


def guid() -> str:
    """A new upper-case uniqueidentifier text."""
    return str(uuid.uuid4()).upper()


@dataclass
class DataFile:
    """A file of a database; ``kind`` is ROWS or LOG, ``size_pages`` counts pages of 8 KiB."""

    file_id: int
    name: str
    physical: str
    kind: str = "ROWS"
    filegroup: str | None = "PRIMARY"
    size_pages: int = 1024
    growth: str = "64MB"
    max_size: int = -1
    file_guid: str = field(default_factory=guid)


@dataclass
class Redo:
    """How far a restore sequence has come. ``ready`` false: content is not complete, nothing can be recovered."""

    lsn: int
    fork: str
    ready: bool
    base_guid: str | None = None


@dataclass(eq=False)
class DatabaseRecord:
    """One database. Implements the ``Database`` protocol; LSNs are numeric(25,0) counters that only grow."""

    name: str
    id: int
    files: list[DataFile]
    owner_sid: str
    version: int
    compatibility_level: int
    created: str = field(default_factory=clock.stamp)
    family: str = field(default_factory=guid)
    broker_guid: str = field(default_factory=guid)
    collation: str = "SQL_Latin1_General_CP1_CI_AS"
    generation: int = 0
    state: str = "ONLINE"
    user_access: str = "MULTI_USER"
    is_read_only: bool = False
    is_in_standby: bool = False
    recovery_model: str = "FULL"
    options: dict[str, Any] = field(default_factory=lambda: dict(DEFAULT_OPTIONS))
    source_id: int | None = None
    fork: str = field(default_factory=guid)
    first_fork: str = ""
    fork_lsn: int | None = None
    lsn: int = 0
    log_start: int | None = None
    base_lsn: int | None = None
    base_guid: str | None = None
    database_backup_lsn: int = 0
    redo: Redo | None = None
    reverting: str | None = None
    last_good_check: str | None = None
    create_version: int = 0

    @property
    def primary(self) -> DataFile:
        """The file that holds the data."""
        return next(f for f in self.files if f.kind == "ROWS")

    @property
    def physical(self) -> str:
        """The path of the primary file as clients see it (sys.master_files)."""
        return self.primary.physical

    @property
    def path(self) -> str:
        """The real SQLite file. A name of its own for every generation: an old connection that still closes its
        write-ahead log by path must not touch that of the file which replaced it."""
        directory, name = os.path.split(self.physical)
        return os.path.join(directory, f".{name}.{self.generation}")  # noqa: PTH118 - asked for with every statement

    @property
    def is_snapshot(self) -> bool:
        """True for a database snapshot."""
        return self.source_id is not None

    @property
    def is_system(self) -> bool:
        """True for master, tempdb, model and msdb."""
        return self.id in SYSTEM_IDS

    @property
    def is_logged(self) -> bool:
        """True when the recovery model keeps a log that has to be backed up."""
        return self.recovery_model != "SIMPLE"

    def advance(self, by: int = 1) -> int:
        """Let the log grow and return its new end."""
        self.lsn += by
        return self.lsn

    def to_doc(self) -> dict[str, Any]:
        """The stored form."""
        return asdict(self)

    @classmethod
    def from_doc(cls, doc: dict[str, Any]) -> DatabaseRecord:
        """Read the stored form."""
        doc = dict(doc)
        doc["files"] = [DataFile(**f) for f in doc["files"]]
        doc["redo"] = None if doc["redo"] is None else Redo(**doc["redo"])
        return cls(**doc)
