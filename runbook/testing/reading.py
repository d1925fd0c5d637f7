"""The reading half of the fake SQL Server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from runbook.ports import (
    AgentJob,
    BackupHeader,
    DatabaseFile,
    DatabaseInfo,
    DatabaseState,
    JobDefinition,
    LogBackup,
    Login,
    ProofLevel,
    QueryResult,
    RunningBackup,
    ServerIdentity,
    ServerSession,
    TableInfo,
    TableProof,
    Volume,
)
from runbook.testing.backups import backup_at
from runbook.testing.content import counted_table
from runbook.testing.handle import ServerHandle
from runbook.testing.instance import Instance
from runbook.testing.model import Database
from runbook.testing.refusals import UNKNOWN, refusal


class FakeReader(ServerHandle):
    """Implements ``runbook.ports.SqlServerReader`` on an instance of the world."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.role = self.where
        """The plan's name of this server."""

    @property
    def instance(self) -> Instance:
        """The world's side of it."""
        return self.world.servers[self.where]

    def identity(self) -> ServerIdentity:
        self.look("identity", "SELECT SERVERPROPERTY")
        return self.instance.identity()

    def utcnow(self) -> datetime:
        self.look("utcnow", "SELECT SYSUTCDATETIME()")
        return self.world.clock.now() + self.instance.skew

    def missing_permissions(self) -> tuple[str, ...]:
        self.look("missing_permissions", "SELECT IS_SRVROLEMEMBER")
        return self.instance.missing_permissions

    def databases(self) -> Mapping[str, DatabaseInfo]:
        self.look("databases", "SELECT sys.databases")
        return {one.name: self._info(one) for one in self.instance.databases.values()}

    def database(self, name: str) -> DatabaseInfo | None:
        self.look("database", f"SELECT sys.databases {name}", name)
        found = self.instance.find(name)
        return None if found is None else self._info(found)

    def files(self, database: str) -> tuple[DatabaseFile, ...]:
        self.look("files", f"SELECT sys.master_files {database}", database)
        found = self.instance.find(database)
        return () if found is None else found.files

    def volumes(self, paths: Sequence[str]) -> tuple[Volume, ...]:
        self.look("volumes", "SELECT sys.dm_os_volume_stats")
        wanted = {id(found[0]) for path in paths if (found := self.instance.locate(f"{path.rstrip('/')}/x"))}
        seen: dict[int, Volume] = {}
        for volume in self.instance.volumes():
            place = id(self.world.disk.place(self.instance.mounts[volume.mount]))
            if place in wanted:
                seen.setdefault(place, volume)
        return tuple(seen.values())

    def edition_features(self, database: str) -> tuple[str, ...]:
        self.look("edition_features", f"SELECT sys.dm_db_persisted_sku_features {database}", database)
        return self.instance.opened(database).edition_features

    def running_backups(self) -> tuple[RunningBackup, ...]:
        self.look("running_backups", "SELECT sys.dm_exec_requests")
        return tuple(
            RunningBackup(60 + number, command, database, 42.0)
            for number, (command, database) in enumerate(self.instance.foreign_backups)
        )

    def last_good_checkdb(self, database: str) -> datetime | None:
        self.look("last_good_checkdb", f"SELECT LastGoodCheckDbTime {database}", database)
        return self.instance.opened(database).last_checkdb

    def has_agent(self) -> bool:
        self.look("has_agent", "SELECT sys.dm_server_services")
        return self.instance.agent

    def jobs(self) -> tuple[AgentJob, ...]:
        self.look("jobs", "SELECT msdb.dbo.sysjobs")
        return tuple(
            AgentJob(job.job_id, job.definition.name, job.enabled, self.instance.running(job), job.definition.owner)
            for job in self.instance.jobs.values()
        )

    def job_definition(self, job_id: str) -> JobDefinition:
        self.look("job_definition", "SELECT msdb.dbo.sysjobsteps", job_id)
        job = self.instance.job(job_id)
        return replace(job.definition, enabled=job.enabled)

    def logins(self) -> tuple[Login, ...]:
        self.look("logins", "SELECT sys.sql_logins")
        return tuple(self.instance.logins.values())

    def sessions(self, database: str) -> tuple[ServerSession, ...]:
        self.look("sessions", f"SELECT sys.dm_exec_sessions {database}", database)
        return tuple(client.as_session() for client in self.instance.in_database(database))

    def snapshots(self, database: str) -> tuple[str, ...]:
        self.look("snapshots", f"SELECT sys.databases snapshots of {database}", database)
        return tuple(one.name for one in self.instance.snapshots_of(database))

    def backup_header(self, path: str, position: int | None = None) -> BackupHeader | None:
        self.look("backup_header", f"RESTORE HEADERONLY {path}", path)
        found = backup_at(self.instance, path)
        if found is None or (position or 1) != 1:  # a file of this world holds one set
            return None
        return BackupHeader(
            name=found.name,
            kind=found.kind,
            database=found.database,
            family_guid=found.family_guid,
            first_lsn=str(found.first_lsn),
            last_lsn=str(found.last_lsn),
            database_backup_lsn=str(found.database_lsn),
            has_checksums=True,
            is_damaged=False,  # what the header says is from when it was written: only VERIFYONLY finds later damage
            is_copy_only=found.copy_only,
            software_major=found.software_major,
            size_bytes=found.size,
            finished_at=found.finished_at,
        )

    def log_chain_starts(self, database: str) -> bool:
        self.look("log_chain_starts", f"SELECT last_log_backup_lsn {database}", database)
        found = self.instance.find(database)
        return found is not None and found.state is DatabaseState.ONLINE and found.log_backup_lsn is not None

    def log_backups_since(self, database: str, lsn: str) -> tuple[LogBackup, ...]:
        self.look("log_backups_since", f"SELECT msdb.dbo.backupset {database}", database)
        family = self.instance.existing(database).family_guid
        return tuple(
            LogBackup(one.path, "disk", 1, str(one.first_lsn), str(one.last_lsn), one.finished_at)
            for one in self.instance.log_history
            if one.family_guid == family and one.last_lsn > int(lsn)
        )

    def restored_until(self, database: str) -> str:
        self.look("restored_until", f"SELECT msdb.dbo.restorehistory {database}", database)
        found = self.instance.existing(database)
        return "" if found.redo_lsn is None else str(found.redo_lsn)

    def log_sequence(self, database: str) -> str:
        self.look("log_sequence", f"SELECT log sequence {database}", database)
        return str(self.instance.opened(database).lsn)

    def tables(self, database: str) -> tuple[TableInfo, ...]:
        self.look("tables", f"SELECT sys.tables {database}", database)
        return tuple(table.info() for table in self.instance.opened(database).content.tables.values())

    def prove_table(self, database: str, table: TableInfo, level: ProofLevel) -> TableProof:
        self.look("prove_table", f"PROVE {database} {table.name} {level}", f"{database} {table.name}")
        found = self.instance.opened(database).content.table(table.name)
        if found is None:
            raise refusal(208, table.name)
        return found.proof(level)

    def positions(self, database: str) -> Mapping[str, str]:
        self.look("positions", f"SELECT sys.identity_columns {database}", database)
        return dict(self.instance.opened(database).content.positions)

    def objects(self, database: str) -> Mapping[str, str]:
        self.look("objects", f"SELECT sys.objects {database}", database)
        return self.instance.opened(database).content.objects()

    def query(self, database: str, sql: str, max_rows: int = 1000) -> QueryResult:
        self.look("query", f"QUERY {database} {sql}", database)
        content = self.instance.opened(database).content
        if sql in self.world.answers:
            columns, rows = self.world.answers[sql]
            return QueryResult(columns, rows[:max_rows])
        name = counted_table(sql)
        if name is None:
            raise refusal(UNKNOWN, f"teach it with world.answers: {sql}")
        table = content.table(name)
        if table is None:
            raise refusal(208, name)
        return QueryResult(("",), ((len(table.rows),),))

    def _info(self, found: Database) -> DatabaseInfo:
        is_open = found.state is DatabaseState.ONLINE
        settings = found.settings
        return DatabaseInfo(
            name=found.name,
            database_id=found.database_id,
            family_guid=found.family_guid if is_open else None,
            created_at=found.created_at,
            state=found.state,
            user_access=settings.user_access,
            is_read_only=settings.is_read_only or found.snapshot_of is not None,
            is_in_standby=False,
            recovery_model=settings.recovery_model,
            compatibility_level=settings.compatibility_level,
            collation=settings.collation if is_open else None,
            owner=self.instance.login_of(settings.owner_sid),
            internal_version=found.internal_version if is_open else None,
            size_bytes=found.size,
            used_bytes=found.used if is_open else found.size,
            options=dict(settings.options),
            features=found.features,
            snapshot_of=found.snapshot_of,
        )
