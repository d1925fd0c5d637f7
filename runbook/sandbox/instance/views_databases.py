"""sys.databases and what else tells about databases."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.instance import clock
from runbook.sandbox.instance.records import ACCESS, MODELS, PAGE_VERIFY, STATES, DatabaseRecord

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Rows = list[dict[str, Any]]
DURABILITY = {"DISABLED": 0, "ALLOWED": 1, "FORCED": 2}

DATABASES = (
    "name sysname not null",
    "database_id int not null",
    "source_database_id int",
    "owner_sid varbinary(85)",
    "create_date datetime not null",
    "compatibility_level tinyint not null",
    "collation_name sysname",
    "user_access tinyint",
    "user_access_desc nvarchar(60)",
    "is_read_only bit",
    "is_auto_close_on bit not null",
    "is_auto_shrink_on bit",
    "state tinyint",
    "state_desc nvarchar(60)",
    "is_in_standby bit",
    "is_cleanly_shutdown bit",
    "is_supplemental_logging_enabled bit",
    "snapshot_isolation_state tinyint",
    "snapshot_isolation_state_desc nvarchar(60)",
    "is_read_committed_snapshot_on bit",
    "recovery_model tinyint",
    "recovery_model_desc nvarchar(60)",
    "page_verify_option tinyint",
    "page_verify_option_desc nvarchar(60)",
    "is_auto_create_stats_on bit",
    "is_auto_create_stats_incremental_on bit",
    "is_auto_update_stats_on bit",
    "is_auto_update_stats_async_on bit",
    "is_ansi_null_default_on bit",
    "is_ansi_nulls_on bit",
    "is_ansi_padding_on bit",
    "is_ansi_warnings_on bit",
    "is_arithabort_on bit",
    "is_concat_null_yields_null_on bit",
    "is_numeric_roundabort_on bit",
    "is_quoted_identifier_on bit",
    "is_recursive_triggers_on bit",
    "is_cursor_close_on_commit_on bit",
    "is_local_cursor_default bit",
    "is_fulltext_enabled bit",
    "is_trustworthy_on bit",
    "is_db_chaining_on bit",
    "is_parameterization_forced bit",
    "is_master_key_encrypted_by_server bit not null",
    "is_query_store_on bit",
    "is_published bit not null",
    "is_subscribed bit not null",
    "is_merge_published bit not null",
    "is_distributor bit not null",
    "is_sync_with_backup bit not null",
    "service_broker_guid uniqueidentifier not null",
    "is_broker_enabled bit not null",
    "log_reuse_wait tinyint",
    "log_reuse_wait_desc nvarchar(60)",
    "is_date_correlation_on bit not null",
    "is_cdc_enabled bit not null",
    "is_encrypted bit",
    "is_honor_broker_priority_on bit",
    "replica_id uniqueidentifier",
    "group_database_id uniqueidentifier",
    "resource_pool_id int",
    "default_language_lcid smallint",
    "default_language_name nvarchar(128)",
    "containment tinyint",
    "containment_desc nvarchar(60)",
    "target_recovery_time_in_seconds int",
    "delayed_durability int",
    "delayed_durability_desc nvarchar(60)",
    "is_memory_optimized_elevate_to_snapshot_on bit",
    "is_federation_member bit",
    "is_remote_data_archive_enabled bit",
    "is_mixed_page_allocation_on bit",
    "is_temporal_history_retention_enabled bit",
    "catalog_collation_type int",
    "catalog_collation_type_desc nvarchar(60)",
    "physical_database_name nvarchar(128)",
    "is_result_set_caching_on bit",
    "is_accelerated_database_recovery_on bit",
    "is_tempdb_spill_to_remote_store bit",
    "is_stale_page_detection_on bit",
    "is_memory_optimized_enabled bit",
)


OPTION_COLUMNS = {
    "is_auto_close_on": "AUTO_CLOSE",
    "is_auto_shrink_on": "AUTO_SHRINK",
    "is_read_committed_snapshot_on": "READ_COMMITTED_SNAPSHOT",
    "is_auto_create_stats_on": "AUTO_CREATE_STATISTICS",
    "is_auto_update_stats_on": "AUTO_UPDATE_STATISTICS",
    "is_auto_update_stats_async_on": "AUTO_UPDATE_STATISTICS_ASYNC",
    "is_ansi_null_default_on": "ANSI_NULL_DEFAULT",
    "is_ansi_nulls_on": "ANSI_NULLS",
    "is_ansi_padding_on": "ANSI_PADDING",
    "is_ansi_warnings_on": "ANSI_WARNINGS",
    "is_arithabort_on": "ARITHABORT",
    "is_concat_null_yields_null_on": "CONCAT_NULL_YIELDS_NULL",
    "is_numeric_roundabort_on": "NUMERIC_ROUNDABORT",
    "is_quoted_identifier_on": "QUOTED_IDENTIFIER",
    "is_recursive_triggers_on": "RECURSIVE_TRIGGERS",
    "is_cursor_close_on_commit_on": "CURSOR_CLOSE_ON_COMMIT",
    "is_local_cursor_default": "CURSOR_DEFAULT_LOCAL",
    "is_trustworthy_on": "TRUSTWORTHY",
    "is_db_chaining_on": "DB_CHAINING",
    "is_parameterization_forced": "PARAMETERIZATION_FORCED",
    "is_query_store_on": "QUERY_STORE",
    "is_broker_enabled": "BROKER",
    "is_date_correlation_on": "DATE_CORRELATION_OPTIMIZATION",
    "is_honor_broker_priority_on": "HONOR_BROKER_PRIORITY",
    "is_mixed_page_allocation_on": "MIXED_PAGE_ALLOCATION",
    "is_accelerated_database_recovery_on": "ACCELERATED_DATABASE_RECOVERY",
}
ALWAYS_OFF = (
    "is_cleanly_shutdown",
    "is_supplemental_logging_enabled",
    "is_auto_create_stats_incremental_on",
    "is_master_key_encrypted_by_server",
    "is_published",
    "is_subscribed",
    "is_merge_published",
    "is_distributor",
    "is_sync_with_backup",
    "is_cdc_enabled",
    "is_encrypted",
    "is_memory_optimized_elevate_to_snapshot_on",
    "is_federation_member",
    "is_remote_data_archive_enabled",
    "is_result_set_caching_on",
    "is_tempdb_spill_to_remote_store",
    "is_stale_page_detection_on",
)


def _bits(record: DatabaseRecord) -> dict[str, Any]:
    found = {column: bool(record.options[option]) for column, option in OPTION_COLUMNS.items()}
    return {**dict.fromkeys(ALWAYS_OFF, False), **found}


def _reuse_wait(instance: SandboxInstance, record: DatabaseRecord) -> tuple[int, str]:
    if record in instance.backups_running:
        return 3, "ACTIVE_BACKUP_OR_RESTORE"
    if record.is_logged and record.log_start is not None and record.state == "ONLINE":
        return 2, "LOG_BACKUP"
    return 0, "NOTHING"


def _database_row(instance: SandboxInstance, record: DatabaseRecord) -> dict[str, Any]:
    options = record.options
    wait, wait_text = _reuse_wait(instance, record)
    isolation = int(bool(options["ALLOW_SNAPSHOT_ISOLATION"]))
    return {
        **_bits(record),
        "name": record.name,
        "database_id": record.id,
        "source_database_id": record.source_id,
        "owner_sid": bytes.fromhex(record.owner_sid),
        "create_date": clock.parse(record.created),
        "compatibility_level": record.compatibility_level,
        "collation_name": record.collation if record.state in ("ONLINE", "EMERGENCY") else None,
        "user_access": ACCESS[record.user_access],
        "user_access_desc": record.user_access,
        "is_read_only": record.is_read_only or record.state == "EMERGENCY",
        "state": STATES[record.state],
        "state_desc": record.state,
        "is_in_standby": record.is_in_standby,
        "is_cleanly_shutdown": record.state == "OFFLINE",
        "snapshot_isolation_state": isolation,
        "snapshot_isolation_state_desc": "ON" if isolation else "OFF",
        "recovery_model": MODELS[record.recovery_model],
        "recovery_model_desc": record.recovery_model,
        "page_verify_option": PAGE_VERIFY[options["PAGE_VERIFY"]],
        "page_verify_option_desc": options["PAGE_VERIFY"],
        "is_fulltext_enabled": True,
        "service_broker_guid": uuid.UUID(record.broker_guid),
        "log_reuse_wait": wait,
        "log_reuse_wait_desc": wait_text,
        "containment": 0,
        "containment_desc": "NONE",
        "target_recovery_time_in_seconds": options["TARGET_RECOVERY_TIME"],
        "delayed_durability": DURABILITY[options["DELAYED_DURABILITY"]],
        "delayed_durability_desc": options["DELAYED_DURABILITY"],
        "is_temporal_history_retention_enabled": True,
        "catalog_collation_type": 0,
        "catalog_collation_type_desc": "DATABASE_DEFAULT",
        "physical_database_name": record.name,
        "is_memory_optimized_enabled": True,
    }


def databases(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.databases."""
    return [_database_row(instance, r) for r in instance.databases()]


RECOVERY = (
    "database_id int",
    "database_guid uniqueidentifier",
    "family_guid uniqueidentifier",
    "last_log_backup_lsn numeric(25,0)",
    "recovery_fork_guid uniqueidentifier",
    "first_recovery_fork_guid uniqueidentifier",
    "fork_point_lsn numeric(25,0)",
)


def recovery_status(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.database_recovery_status: NULL in last_log_backup_lsn means that a full backup has to come first."""
    return [
        {
            "database_id": r.id,
            "database_guid": uuid.UUID(r.fork),
            "family_guid": uuid.UUID(r.family),
            "last_log_backup_lsn": r.log_start if r.is_logged else None,
            "recovery_fork_guid": uuid.UUID(r.fork),
            "first_recovery_fork_guid": uuid.UUID(r.first_fork) if r.first_fork else None,
            "fork_point_lsn": r.fork_lsn,
        }
        for r in instance.databases()
        if r.state in ("ONLINE", "EMERGENCY")
    ]


MIRRORING = (
    "database_id int",
    "mirroring_guid uniqueidentifier",
    "mirroring_state tinyint",
    "mirroring_state_desc nvarchar(60)",
    "mirroring_role tinyint",
    "mirroring_role_desc nvarchar(60)",
)


def mirroring(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.database_mirroring: no database is mirrored."""
    return [{"database_id": r.id} for r in instance.databases()]


VIEWS: dict[str, tuple[Sequence[str], Callable[..., Rows]]] = {
    "sys.databases": (DATABASES, databases),
    "sys.database_recovery_status": (RECOVERY, recovery_status),
    "sys.database_mirroring": (MIRRORING, mirroring),
}
