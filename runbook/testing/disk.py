"""Disks and backup files of a fake world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from runbook.ports import DatabaseFile, RecoveryModel, UserAccess
from runbook.testing.content import Content

GIB = 2**30


@dataclass(frozen=True)
class Settings:
    """What belongs to a database and travels in its backups."""

    user_access: UserAccess = UserAccess.MULTI_USER
    is_read_only: bool = False
    recovery_model: RecoveryModel = RecoveryModel.FULL
    compatibility_level: int = 150
    collation: str = "SQL_Latin1_General_CP1_CI_AS"
    owner_sid: str = "0x01"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BackupFile:
    """A backup set on disk. LSNs are plain growing numbers."""

    path: str
    kind: str
    name: str
    database: str
    family_guid: str
    forks: tuple[str, ...]
    """The recovery path: one entry for every recovery, the newest last."""
    first_lsn: int
    last_lsn: int
    base: str
    """Full: its own id. Differential: the id of the full it needs. Log: empty."""
    content: Content
    changes: int
    settings: Settings
    files: tuple[DatabaseFile, ...]
    features: frozenset[str]
    internal_version: int
    software_major: int
    finished_at: str
    size: int
    copy_only: bool = False
    damaged: bool = False
    incomplete: bool = False
    database_lsn: int = 0


@dataclass
class Shelf:
    """One volume: its capacity and what lies on it, by path."""

    mount: str
    total: int = 100 * GIB
    used_elsewhere: int = 0
    backups: dict[str, BackupFile] = field(default_factory=dict)
    strangers: dict[str, int] = field(default_factory=dict)
    """Other files -> bytes: no backups, but in the way."""

    def available(self, data_bytes: int) -> int:
        """Bytes free when databases take ``data_bytes`` of it."""
        taken = sum(one.size for one in self.backups.values()) + sum(self.strangers.values())
        return max(0, self.total - self.used_elsewhere - taken - data_bytes)


@dataclass
class FakeDisk:
    """Places by name; a server mounts a place under a path of its own (an exchange share is one place, two paths)."""

    places: dict[str, Shelf] = field(default_factory=dict)

    def place(self, name: str, *, total: int = 100 * GIB) -> Shelf:
        """The place of that name, made when new."""
        return self.places.setdefault(name, Shelf(name, total))

    def damage(self, name: str, path: str) -> None:
        """One byte of a backup file flips."""
        shelf = self.places[name]
        shelf.backups[path] = replace(shelf.backups[path], damaged=True)
