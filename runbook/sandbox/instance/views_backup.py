"""Backup and restore history in msdb."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.instance import clock
from runbook.sandbox.instance.restore_info import MODEL_TEXT, VENDOR

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Rows = list[dict[str, Any]]

BACKUPSET = (
    "backup_set_id int not null",
    "backup_set_uuid uniqueidentifier not null",
    "media_set_id int not null",
    "first_family_number tinyint",
    "first_media_number smallint",
    "last_family_number tinyint",
    "last_media_number smallint",
    "catalog_family_number tinyint",
    "catalog_media_number smallint",
    "position int",
    "expiration_date datetime",
    "software_vendor_id int",
    "name nvarchar(128)",
    "description nvarchar(255)",
    "user_name nvarchar(128)",
    "software_major_version tinyint",
    "software_minor_version tinyint",
    "software_build_version smallint",
    "time_zone smallint",
    "mtf_minor_version tinyint",
    "first_lsn numeric(25,0)",
    "last_lsn numeric(25,0)",
    "checkpoint_lsn numeric(25,0)",
    "database_backup_lsn numeric(25,0)",
    "database_creation_date datetime",
    "backup_start_date datetime",
    "backup_finish_date datetime",
    "type char(1)",
    "sort_order smallint",
    "code_page smallint",
    "compatibility_level tinyint",
    "database_version int",
    "backup_size numeric(20,0)",
    "database_name nvarchar(128)",
    "server_name nvarchar(128)",
    "machine_name nvarchar(128)",
    "flags int",
    "unicode_locale int",
    "unicode_compare_style int",
    "collation_name nvarchar(128)",
    "is_password_protected bit",
    "recovery_model nvarchar(60)",
    "has_bulk_logged_data bit",
    "is_snapshot bit",
    "is_readonly bit",
    "is_single_user bit",
    "has_backup_checksums bit",
    "is_damaged bit",
    "begins_log_chain bit",
    "has_incomplete_metadata bit",
    "is_force_offline bit",
    "is_copy_only bit",
    "first_recovery_fork_guid uniqueidentifier",
    "last_recovery_fork_guid uniqueidentifier",
    "fork_point_lsn numeric(25,0)",
    "database_guid uniqueidentifier",
    "family_guid uniqueidentifier",
    "differential_base_lsn numeric(25,0)",
    "differential_base_guid uniqueidentifier",
    "compressed_backup_size numeric(20,0)",
    "key_algorithm nvarchar(32)",
    "encryptor_thumbprint varbinary(20)",
    "encryptor_type nvarchar(32)",
    "last_valid_restore_time datetime",
    "compression_algorithm nvarchar(32)",
)


def _guid(text: str | None) -> uuid.UUID | None:
    return None if text is None else uuid.UUID(text)


def backupset(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.backupset: one row per finished backup, also for sets that were restored here."""
    return [_set_row(number, doc) for number, doc in instance.store.rows("backupset")]


def _set_row(number: int, doc: dict[str, Any]) -> dict[str, Any]:
    settings = doc["settings"]
    return {
        **_set_product(doc),
        "backup_set_id": number,
        "backup_set_uuid": _guid(doc["guid"]),
        "media_set_id": number,
        "first_family_number": 1,
        "first_media_number": 1,
        "last_family_number": 1,
        "last_media_number": 1,
        "catalog_family_number": 1,
        "catalog_media_number": 1,
        "position": doc["position"],
        "name": doc["name"],
        "description": doc["description"],
        "user_name": doc["user"],
        "first_lsn": doc["first_lsn"],
        "last_lsn": doc["last_lsn"],
        "checkpoint_lsn": doc["checkpoint_lsn"],
        "database_backup_lsn": doc["database_backup_lsn"],
        "database_creation_date": clock.parse(settings["created"]),
        "backup_start_date": clock.parse(doc["started"]),
        "backup_finish_date": clock.parse(doc["finished"]),
        "type": doc["type"],
        "compatibility_level": settings["compatibility_level"],
        "database_version": settings["version"],
        "backup_size": doc["content_bytes"],
        "database_name": doc["database"],
        "server_name": doc["server"],
        "machine_name": doc["server"].split("\\")[0],
        "flags": doc["flags"],
        "collation_name": settings["collation"],
        "is_password_protected": False,
        "recovery_model": MODEL_TEXT[settings["recovery_model"]],
        **_set_flags(doc),
        "first_recovery_fork_guid": _guid(doc["first_fork"]),
        "last_recovery_fork_guid": _guid(doc["last_fork"]),
        "fork_point_lsn": doc["fork_lsn"],
        "database_guid": _guid(doc["last_fork"]),
        "family_guid": _guid(settings["family"]),
        "differential_base_lsn": doc["base_lsn"],
        "differential_base_guid": _guid(doc["base_guid"]),
        "compressed_backup_size": doc["stored_bytes"],
        "last_valid_restore_time": clock.parse(doc["finished"]),
        "compression_algorithm": "MS_XPRESS" if doc["compressed"] else None,
    }


def _set_product(doc: dict[str, Any]) -> dict[str, Any]:
    product = doc["product"]
    return {
        "software_vendor_id": VENDOR,
        "software_major_version": product[0],
        "software_minor_version": product[1],
        "software_build_version": product[2],
        "time_zone": 127,
        "mtf_minor_version": 0,
        "sort_order": 52,
        "code_page": 0,
        "unicode_locale": 1033,
        "unicode_compare_style": 196609,
    }


def _set_flags(doc: dict[str, Any]) -> dict[str, Any]:
    return {
        "has_bulk_logged_data": False,
        "is_snapshot": False,
        "is_readonly": doc["settings"]["is_read_only"],
        "is_single_user": doc["settings"]["user_access"] == "SINGLE_USER",
        "has_backup_checksums": doc["has_checksums"],
        "is_damaged": doc["is_damaged"],
        "begins_log_chain": doc["begins_log_chain"],
        "has_incomplete_metadata": False,
        "is_force_offline": doc["is_tail"],
        "is_copy_only": doc["is_copy_only"],
    }


FAMILY = (
    "media_set_id int not null",
    "family_sequence_number tinyint not null",
    "media_family_id uniqueidentifier",
    "media_count int",
    "logical_device_name nvarchar(128)",
    "physical_device_name nvarchar(260)",
    "device_type tinyint",
    "physical_block_size int",
    "mirror tinyint not null",
)


def family(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.backupmediafamily."""
    return [
        {
            "media_set_id": number,
            "family_sequence_number": 1,
            "media_family_id": _guid(doc["guid"]),
            "media_count": 1,
            "physical_device_name": doc["path"],
            "device_type": 2,
            "physical_block_size": 4096,
            "mirror": 0,
        }
        for number, doc in instance.store.rows("backupset")
    ]


MEDIASET = (
    "media_set_id int not null",
    "media_uuid uniqueidentifier",
    "media_family_count tinyint",
    "name nvarchar(128)",
    "description nvarchar(255)",
    "software_name nvarchar(128)",
    "software_vendor_id int",
    "MTF_major_version tinyint",
    "mirror_count tinyint",
    "is_password_protected bit",
    "is_compressed bit",
    "is_encrypted bit",
)


def mediaset(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.backupmediaset."""
    return [
        {
            "media_set_id": number,
            "media_uuid": _guid(doc["guid"]),
            "media_family_count": 1,
            "software_name": "Microsoft SQL Server",
            "software_vendor_id": VENDOR,
            "MTF_major_version": 1,
            "mirror_count": 1,
            "is_password_protected": False,
            "is_compressed": doc["compressed"],
            "is_encrypted": False,
        }
        for number, doc in instance.store.rows("backupset")
    ]


RESTORES = (
    "restore_history_id int not null",
    "restore_date datetime",
    "destination_database_name nvarchar(128)",
    "user_name nvarchar(128)",
    "backup_set_id int not null",
    "restore_type char(1)",
    "replace bit",
    "recovery bit",
    "restart bit",
    "stop_at datetime",
    "device_count tinyint",
    "stop_at_mark_name nvarchar(128)",
    "stop_before bit",
)


def restores(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.restorehistory."""
    return [
        {
            "restore_history_id": number,
            "restore_date": clock.parse(doc["restore_date"]),
            "destination_database_name": doc["destination"],
            "user_name": doc["user"],
            "backup_set_id": doc["backup_set_id"],
            "restore_type": doc["type"],
            "replace": doc["replace"],
            "recovery": doc["recovery"],
            "restart": doc["restart"],
            "device_count": 1,
        }
        for number, doc in instance.store.rows("restorehistory")
    ]


VIEWS: dict[str, tuple[Sequence[str], Callable[..., Rows]]] = {
    "msdb.dbo.backupset": (BACKUPSET, backupset),
    "msdb.dbo.backupmediafamily": (FAMILY, family),
    "msdb.dbo.backupmediaset": (MEDIASET, mediaset),
    "msdb.dbo.restorehistory": (RESTORES, restores),
}
