"""What steps leave for later steps: the shapes of their ``keep``, one place for the one who keeps and who reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook.ports import DatabaseInfo, RecoveryModel, UserAccess
from runbook.step import ReadContext
from runbook.toolkit.windowsengine import ServiceSeen


@dataclass(frozen=True)
class GateBefore:
    """Kept by ``close-gate``: what stood where the maintenance text went."""

    earlier: str


@dataclass(frozen=True)
class GateOpened:
    """Kept by ``open-gate``: from here on users write to the upgraded databases."""

    earlier: str


@dataclass(frozen=True)
class AtPivot:
    """Kept by ``expect-loss``: the jobs and logins of the server that serves, right before users are let in."""

    jobs: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobMark:
    """One Agent job."""

    job_id: str
    name: str


@dataclass(frozen=True)
class JobsBefore:
    """Kept by ``disable-jobs``: the jobs that were enabled on the source."""

    enabled: tuple[JobMark, ...] = ()


@dataclass(frozen=True)
class JobsEnabled:
    """Kept by ``enable-jobs``: the jobs this run enabled in all its attempts."""

    enabled: tuple[JobMark, ...] = ()


@dataclass(frozen=True)
class AccessBefore:
    """Kept by ``restrict-database[db]``: who could enter before."""

    user_access: UserAccess


@dataclass(frozen=True)
class QuietMark:
    """Kept by ``prove-quiet[db]``: the log position at which nobody was left who could write."""

    log_sequence: str


@dataclass(frozen=True)
class ExchangePlaces:
    """Kept by ``pin-exchange``: the directory for backup files as each server sees it (scripts: the same twice)."""

    source: str
    target: str


@dataclass(frozen=True)
class KeptBackup:
    """Kept by every step that writes a backup: where it is, as the server that wrote it sees it."""

    path: str
    name: str
    kind: str
    files: tuple[str, ...] = ()
    """Logical names of the database's files when it was taken."""


@dataclass(frozen=True)
class KeptLogs:
    """Kept by ``restore-logs[db]``: the log position the new server has reached with the backups others took."""

    last_lsn: str


@dataclass(frozen=True)
class DatabaseBefore:
    """The settings of a database before the upgrade. Kept by ``create-snapshot[db]``, and within KeptCut."""

    name: str
    recovery_model: RecoveryModel
    compatibility_level: int
    collation: str | None
    owner: str | None
    internal_version: int | None
    family_guid: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, info: DatabaseInfo) -> DatabaseBefore:
        """What is worth comparing of a database."""
        return cls(
            name=info.name,
            recovery_model=info.recovery_model,
            compatibility_level=info.compatibility_level,
            collation=info.collation,
            owner=info.owner,
            internal_version=info.internal_version,
            family_guid=info.family_guid,
            options=dict(info.options),
        )


@dataclass(frozen=True)
class KeptCut:
    """Kept by ``cut-database[db]``: the file with the last changes, and the database as it was before the cut."""

    backup: KeptBackup
    before: DatabaseBefore


@dataclass(frozen=True)
class EngineBefore:
    """Kept by ``stop-engine`` and ``stop-container``: the engine and every database of it, as they were right before it
    was stopped."""

    version: str
    databases: tuple[DatabaseBefore, ...] = ()
    edition: str = ""
    services: tuple[ServiceSeen, ...] = ()
    """Windows: its services, as they were."""

    def of(self, database: str) -> DatabaseBefore | None:
        """One database, whatever the case of its name."""
        return next((one for one in self.databases if one.name.casefold() == database.casefold()), None)


@dataclass(frozen=True)
class MachineBefore:
    """Kept by ``check-setup``: the directories in which the engine's files are, and one on the system drive."""

    directories: tuple[str, ...]


@dataclass(frozen=True)
class SetupBegun:
    """Kept by ``begin-setup``: where the error log stood, and which boot of the machine it was."""

    log_first: str
    log_length: int
    boot_id: str


def before_of(ctx: ReadContext, database: str) -> DatabaseBefore:
    """The settings before the upgrade, whichever step of the strategy kept them; KeyError when none did."""
    engine = ctx.find_kept("stop-engine", EngineBefore) or ctx.find_kept("stop-container", EngineBefore)
    found = engine.of(database) if engine else None
    if found is not None:
        return found
    cut = ctx.find_kept(f"cut-database[{database}]", KeptCut)
    return ctx.kept(f"create-snapshot[{database}]", DatabaseBefore) if cut is None else cut.before
