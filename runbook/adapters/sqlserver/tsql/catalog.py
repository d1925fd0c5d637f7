"""Reading an instance: who it is, its databases, files, sessions and backups."""

from __future__ import annotations

from collections.abc import Sequence

from runbook.adapters.sqlserver.tsql.quoting import literal, name, number

SYSTEM_DATABASES = 4
"""``database_id`` of master, tempdb, model and msdb is at most this."""


def identity() -> str:
    """Who answers. SERVERPROPERTY is a sql_variant, which ODBC clients cannot read: every value is cast."""
    text = (
        ("server_name", "ServerName"),
        ("machine_name", "MachineName"),
        ("version", "ProductVersion"),
        ("edition", "Edition"),
        ("collation", "Collation"),
        ("path_separator", "PathSeparator"),
        ("data_path", "InstanceDefaultDataPath"),
        ("log_path", "InstanceDefaultLogPath"),
        ("backup_path", "InstanceDefaultBackupPath"),
    )
    columns = [f"CAST(SERVERPROPERTY('{key}') AS nvarchar(260)) AS {alias}" for alias, key in text]
    columns.append("CAST(SERVERPROPERTY('EngineEdition') AS int) AS engine_edition")
    return "SELECT " + ",\n       ".join(columns)


def server_name() -> str:
    """The name that is pinned, and nothing else."""
    return "SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(260)) AS server_name"


def host_platform() -> str:
    """Windows or Linux; the view exists from 2017 on."""
    return "SELECT h.host_platform FROM sys.dm_os_host_info AS h"


def registry_backup_path() -> str:
    """The default backup directory where SERVERPROPERTY does not know it (before 2019)."""
    return (
        "DECLARE @path nvarchar(4000);\n"
        "EXEC master.dbo.xp_instance_regread N'HKEY_LOCAL_MACHINE', N'Software\\Microsoft\\MSSQLServer\\MSSQLServer', "
        "N'BackupDirectory', @path OUTPUT;\n"
        "SELECT @path AS backup_path"
    )


def utcnow() -> str:
    """The server's clock in UTC."""
    return "SELECT CONVERT(nvarchar(33), SYSUTCDATETIME(), 126) AS utcnow"


def is_sysadmin() -> str:
    """1 when this login is a member of sysadmin."""
    return "SELECT IS_SRVROLEMEMBER(N'sysadmin') AS is_sysadmin"


DATABASE_FLAGS = (
    "is_read_only",
    "is_in_standby",
    "is_trustworthy_on",
    "is_db_chaining_on",
    "is_broker_enabled",
    "is_auto_close_on",
    "is_auto_shrink_on",
    "is_auto_create_stats_on",
    "is_auto_update_stats_on",
    "is_auto_update_stats_async_on",
    "is_read_committed_snapshot_on",
    "is_query_store_on",
    "is_published",
    "is_merge_published",
    "is_distributor",
    "is_cdc_enabled",
    "is_encrypted",
)


def databases(only: str | None = None) -> str:
    """User databases and snapshots, or the one of that name."""
    flags = ", ".join(f"d.{flag}" for flag in DATABASE_FLAGS)
    chosen = f" AND d.name = {literal(only)}" if only is not None else ""
    return (
        "SELECT d.name, d.database_id, CONVERT(nvarchar(36), r.family_guid) AS family_guid,\n"
        "       CONVERT(nvarchar(30), d.create_date, 126) AS created_at, d.state_desc, d.user_access_desc,\n"
        "       d.recovery_model_desc, d.compatibility_level, d.collation_name, d.page_verify_option_desc,\n"
        "       d.snapshot_isolation_state, SUSER_SNAME(d.owner_sid) AS owner, o.name AS snapshot_of,\n"
        "       CAST(DATABASEPROPERTYEX(d.name, 'Version') AS int) AS internal_version,\n"
        "       CASE WHEN d.replica_id IS NULL THEN 0 ELSE 1 END AS in_availability_group,\n"
        "       CASE WHEN m.mirroring_guid IS NULL THEN 0 ELSE 1 END AS is_mirrored,\n"
        f"       {flags}\n"
        "FROM sys.databases AS d\n"
        "LEFT JOIN sys.database_recovery_status AS r ON r.database_id = d.database_id\n"
        "LEFT JOIN sys.database_mirroring AS m ON m.database_id = d.database_id\n"
        "LEFT JOIN sys.databases AS o ON o.database_id = d.source_database_id\n"
        f"WHERE d.database_id > {SYSTEM_DATABASES}{chosen}\n"
        "ORDER BY d.name"
    )


def database_sizes(only: str | None = None) -> str:
    """Bytes of data and log files of every database, or the one of that name, and its FILESTREAM containers."""
    chosen = f" AND f.database_id = DB_ID({literal(only)})" if only is not None else ""
    return (
        "SELECT f.database_id, SUM(CAST(f.size AS bigint)) * 8192 AS size_bytes,\n"
        "       SUM(CASE WHEN f.type_desc = N'FILESTREAM' THEN 1 ELSE 0 END) AS containers\n"
        f"FROM sys.master_files AS f WHERE f.database_id > {SYSTEM_DATABASES}{chosen} GROUP BY f.database_id"
    )


def log_shipping() -> str:
    """Databases that log shipping reads from or writes to."""
    return (
        "SELECT p.primary_database AS name FROM msdb.dbo.log_shipping_primary_databases AS p\n"
        "UNION SELECT s.secondary_database FROM msdb.dbo.log_shipping_secondary_databases AS s"
    )


def inside(database: str) -> str:
    """Two result sets of a database, looked at from master: allocated pages, and filegroups (type FX is
    memory-optimised, FD is FILESTREAM)."""
    within = name(database)
    return (
        f"SELECT SUM(CAST(p.reserved_page_count AS bigint)) AS pages FROM {within}.sys.dm_db_partition_stats AS p;\n"
        f"SELECT g.type, g.is_read_only FROM {within}.sys.filegroups AS g"
    )


def target_identity(database: str) -> str:
    """What a destructive statement is checked against: server name, and family, creation and state of a database."""
    return (
        "SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(260)) AS server_name,\n"
        "       CONVERT(nvarchar(36), r.family_guid) AS family_guid,\n"
        "       CONVERT(nvarchar(30), d.create_date, 126) AS created_at, d.state_desc, d.source_database_id\n"
        "FROM sys.databases AS d LEFT JOIN sys.database_recovery_status AS r ON r.database_id = d.database_id\n"
        f"WHERE d.name = {literal(database)}"
    )


def files(database: str) -> str:
    """Files of a database in any state."""
    return (
        "SELECT f.name, f.physical_name, f.type_desc, CAST(f.size AS bigint) * 8192 AS size_bytes,\n"
        "       f.state_desc, f.file_id\n"
        f"FROM sys.master_files AS f WHERE f.database_id = DB_ID({literal(database)}) ORDER BY f.file_id"
    )


def all_files() -> str:
    """Files of databases that are online: each stands for the volume it lies on."""
    return (
        "SELECT f.database_id, f.file_id, f.physical_name FROM sys.master_files AS f\n"
        "JOIN sys.databases AS d ON d.database_id = f.database_id\n"
        "WHERE d.state_desc = N'ONLINE' AND f.type_desc <> N'FILESTREAM' ORDER BY f.database_id, f.file_id"
    )


def volume_stats(files_of_volumes: Sequence[tuple[int, int]]) -> str:
    """Size and free space of the volumes that those (database_id, file_id) lie on."""
    one = "SELECT v.volume_mount_point, v.total_bytes, v.available_bytes FROM sys.dm_os_volume_stats({}, {}) AS v"
    return "\nUNION ALL\n".join(one.format(number(database), number(file)) for database, file in files_of_volumes)


def fixed_drives() -> str:
    """Free space of every drive, also of those that hold no database file (2017 and later)."""
    return "SELECT d.fixed_drive_path, d.free_space_in_bytes FROM sys.dm_os_enumerate_fixed_drives AS d"


def edition_features() -> str:
    """Features of the current database that not every edition can open."""
    return "SELECT f.feature_name FROM sys.dm_db_persisted_sku_features AS f ORDER BY f.feature_name"


def running_backups() -> str:
    """Backups and restores that run now."""
    return (
        "SELECT r.session_id, r.command, DB_NAME(r.database_id) AS database_name,\n"
        "       CAST(r.percent_complete AS float) AS percent_complete\n"
        "FROM sys.dm_exec_requests AS r\n"
        "WHERE (r.command LIKE N'BACKUP%' OR r.command LIKE N'RESTORE%') AND r.session_id <> @@SPID\n"
        "ORDER BY r.session_id"
    )


def last_good_checkdb(database: str) -> str:
    """When DBCC CHECKDB last ended clean, moved from server time to UTC by the offset of today."""
    known = f"CAST(DATABASEPROPERTYEX({literal(database)}, 'LastGoodCheckDbTime') AS datetime)"
    return (
        f"SELECT CONVERT(nvarchar(30), DATEADD(MINUTE, DATEDIFF(MINUTE, GETDATE(), GETUTCDATE()), {known}), 126)"
        " AS checked_at"
    )


def sessions(database: str, without_run: str | None = None) -> str:
    """User sessions in a database or holding a lock there, if wanted without those of a run."""
    own = f"runbook {without_run} "
    others = f"\n  AND (s.program_name IS NULL OR LEFT(s.program_name, {len(own)}) <> {literal(own)})"
    return (
        "SELECT s.session_id, s.login_name, s.host_name, s.program_name, s.status, s.open_transaction_count,\n"
        "       CONVERT(nvarchar(30), s.login_time, 126) AS login_time\n"
        "FROM sys.dm_exec_sessions AS s\n"
        f"WHERE s.is_user_process = 1 AND s.session_id <> @@SPID{others if without_run is not None else ''}\n"
        f"  AND (s.database_id = DB_ID({literal(database)}) OR s.session_id IN\n"
        "       (SELECT l.request_session_id FROM sys.dm_tran_locks AS l\n"
        f"        WHERE l.resource_type = N'DATABASE' AND l.resource_database_id = DB_ID({literal(database)})))\n"
        "ORDER BY s.session_id"
    )


def snapshots(database: str) -> str:
    """Database snapshots of a database, oldest first."""
    return (
        f"SELECT d.name FROM sys.databases AS d WHERE d.source_database_id = DB_ID({literal(database)})\n"
        "ORDER BY d.create_date, d.name"
    )


def log_chain(database: str) -> str:
    """The LSN at which the next log backup begins; NULL until a full backup starts a chain."""
    return (
        "SELECT CONVERT(nvarchar(40), r.last_log_backup_lsn) AS starts_at FROM sys.database_recovery_status AS r\n"
        f"WHERE r.database_id = DB_ID({literal(database)})"
    )


def log_end(database: str) -> str:
    """LSN of the newest log record (2016 SP2 and later)."""
    return f"SELECT s.log_end_lsn FROM sys.dm_db_log_stats(DB_ID({literal(database)})) AS s"
