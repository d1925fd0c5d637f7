"""RESTORE HEADERONLY, FILELISTONLY, LABELONLY and VERIFYONLY."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession, Sink, SqlError
from runbook.sandbox.errors import error, text, with_companion
from runbook.sandbox.instance import backup_options, clock, media, restore_plan
from runbook.sandbox.instance.backup_options import Options
from runbook.sandbox.instance.columns import columns
from runbook.sandbox.instance.headers import TYPES
from runbook.sandbox.instance.media import BackupSet, Media
from runbook.sandbox.instance.parse import Reader
from runbook.sandbox.instance.progress import Progress

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

HEADER = (
    "BackupName nvarchar(128)",
    "BackupDescription nvarchar(255)",
    "BackupType smallint",
    "ExpirationDate datetime",
    "Compressed bit",
    "Position smallint",
    "DeviceType tinyint",
    "UserName nvarchar(128)",
    "ServerName nvarchar(128)",
    "DatabaseName nvarchar(128)",
    "DatabaseVersion int",
    "DatabaseCreationDate datetime",
    "BackupSize numeric(20,0)",
    "FirstLSN numeric(25,0)",
    "LastLSN numeric(25,0)",
    "CheckpointLSN numeric(25,0)",
    "DatabaseBackupLSN numeric(25,0)",
    "BackupStartDate datetime",
    "BackupFinishDate datetime",
    "SortOrder smallint",
    "CodePage smallint",
    "UnicodeLocaleId int",
    "UnicodeComparisonStyle int",
    "CompatibilityLevel tinyint",
    "SoftwareVendorId int",
    "SoftwareVersionMajor int",
    "SoftwareVersionMinor int",
    "SoftwareVersionBuild int",
    "MachineName nvarchar(128)",
    "Flags int",
    "BindingID uniqueidentifier",
    "RecoveryForkID uniqueidentifier",
    "Collation nvarchar(128)",
    "FamilyGUID uniqueidentifier",
    "HasBulkLoggedData bit",
    "IsSnapshot bit",
    "IsReadOnly bit",
    "IsSingleUser bit",
    "HasBackupChecksums bit",
    "IsDamaged bit",
    "BeginsLogChain bit",
    "HasIncompleteMetaData bit",
    "IsForceOffline bit",
    "IsCopyOnly bit",
    "FirstRecoveryForkID uniqueidentifier",
    "ForkPointLSN numeric(25,0)",
    "RecoveryModel nvarchar(60)",
    "DifferentialBaseLSN numeric(25,0)",
    "DifferentialBaseGUID uniqueidentifier",
    "BackupTypeDescription nvarchar(60)",
    "BackupSetGUID uniqueidentifier",
    "CompressedBackupSize bigint",
    "Containment tinyint",
    "KeyAlgorithm nvarchar(32)",
    "EncryptorThumbprint varbinary(20)",
    "EncryptorType nvarchar(32)",
)
HEADER_2022 = ("LastValidRestoreTime datetime", "TimeZone nvarchar(32)", "CompressionAlgorithm nvarchar(32)")
FIRST_2022_MAJOR = 16
FILES = (
    "LogicalName nvarchar(128)",
    "PhysicalName nvarchar(260)",
    "Type char(1)",
    "FileGroupName nvarchar(128)",
    "Size numeric(20,0)",
    "MaxSize numeric(20,0)",
    "FileId bigint",
    "CreateLSN numeric(25,0)",
    "DropLSN numeric(25,0)",
    "UniqueId uniqueidentifier",
    "ReadOnlyLSN numeric(25,0)",
    "ReadWriteLSN numeric(25,0)",
    "BackupSizeInBytes bigint",
    "SourceBlockSize int",
    "FileGroupId int",
    "LogGroupGUID uniqueidentifier",
    "DifferentialBaseLSN numeric(25,0)",
    "DifferentialBaseGUID uniqueidentifier",
    "IsReadOnly bit",
    "IsPresent bit",
    "TDEThumbprint varbinary(32)",
    "SnapshotUrl nvarchar(360)",
)
LABEL = (
    "MediaName nvarchar(128)",
    "MediaSetId uniqueidentifier",
    "FamilyCount int",
    "FamilySequenceNumber int",
    "MediaFamilyId uniqueidentifier",
    "MediaSequenceNumber int",
    "MediaLabelPresent tinyint",
    "MediaDescription nvarchar(255)",
    "SoftwareName nvarchar(128)",
    "SoftwareVendorId int",
    "MediaDate datetime",
    "Mirror_Count int",
    "IsCompressed bit",
)
VENDOR = 4608
MAX_SIZE = 35_184_372_080_640
MODEL_TEXT = {"FULL": "FULL", "BULK_LOGGED": "BULK-LOGGED", "SIMPLE": "SIMPLE"}


def _guid(value: str | None) -> uuid.UUID | None:
    return None if value is None else uuid.UUID(value)


def _open(instance: SandboxInstance, session: LanguageSession, reader: Reader, words: str) -> tuple[Media, Options]:
    reader.expect("FROM")
    paths = backup_options.devices(instance, reader)
    options = backup_options.parse(reader)
    try:
        if not instance.logins.has_role(session.login, "dbcreator"):
            raise error(262, "CREATE DATABASE", "master")
        with media.opened(paths[0], "rb", exclusive=False) as file:
            return media.scan(file, paths[0]), options
    except SqlError as problem:
        raise with_companion(problem, error(3013, words)) from None


def headeronly(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """RESTORE HEADERONLY: one row per backup set."""
    found, options = _open(instance, session, reader, "RESTORE HEADERONLY")
    wanted = options.values.get("FILE")
    specs = HEADER + (HEADER_2022 if instance.version.major >= FIRST_2022_MAJOR else ())
    shape = columns(*specs)
    sink.columns(shape)
    count = 0
    for one in found.sets:
        if wanted is None or one.position == int(wanted):
            row = _header_row(one)
            sink.row([row.get(c.name) for c in shape])
            count += 1
    sink.done(count)


def _header_row(one: BackupSet) -> dict[str, Any]:
    header, settings = one.header, one.header["settings"]
    product = header["product"]
    row: dict[str, Any] = {
        "BackupName": header["name"],
        "BackupDescription": header["description"],
        "BackupType": TYPES[header["type"]][0],
        "Compressed": header["compressed"],
        "Position": one.position,
        "DeviceType": 2,
        "UserName": header["user"],
        "ServerName": header["server"],
        "DatabaseName": header["database"],
        "DatabaseVersion": settings["version"],
        "DatabaseCreationDate": clock.parse(settings["created"]),
        "BackupSize": header["content_bytes"],
        "FirstLSN": header["first_lsn"],
        "LastLSN": header["last_lsn"],
        "CheckpointLSN": header["checkpoint_lsn"],
        "DatabaseBackupLSN": header["database_backup_lsn"],
        "BackupStartDate": clock.parse(header["started"]),
        "BackupFinishDate": clock.parse(header["finished"]),
        "SortOrder": 52,
        "CodePage": 0,
        "UnicodeLocaleId": 1033,
        "UnicodeComparisonStyle": 196609,
        "CompatibilityLevel": settings["compatibility_level"],
        "SoftwareVendorId": VENDOR,
        "SoftwareVersionMajor": product[0],
        "SoftwareVersionMinor": product[1],
        "SoftwareVersionBuild": product[2],
        "MachineName": header["server"].split("\\")[0],
        "Flags": header["flags"] | (0 if one.complete else 32),
        "BindingID": _guid(settings["broker_guid"]),
        "RecoveryForkID": _guid(header["last_fork"]),
        "Collation": settings["collation"],
        "FamilyGUID": _guid(settings["family"]),
    }
    row |= _header_flags(one, header, settings)
    row |= _header_chain(header, settings)
    return row


def _header_chain(header: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "FirstRecoveryForkID": _guid(header["first_fork"]),
        "ForkPointLSN": header["fork_lsn"],
        "RecoveryModel": MODEL_TEXT[settings["recovery_model"]],
        "DifferentialBaseLSN": header["base_lsn"],
        "DifferentialBaseGUID": _guid(header["base_guid"]),
        "BackupTypeDescription": TYPES[header["type"]][1],
        "BackupSetGUID": _guid(header["guid"]),
        "CompressedBackupSize": header.get("stored_bytes"),
        "Containment": 0,
        "LastValidRestoreTime": clock.parse(header["finished"]),
        "TimeZone": None,
        "CompressionAlgorithm": "MS_XPRESS" if header["compressed"] else None,
    }


def _header_flags(one: BackupSet, header: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "HasBulkLoggedData": False,
        "IsSnapshot": False,
        "IsReadOnly": settings["is_read_only"],
        "IsSingleUser": settings["user_access"] == "SINGLE_USER",
        "HasBackupChecksums": header["has_checksums"],
        "IsDamaged": header["is_damaged"] or not one.complete,
        "BeginsLogChain": header["begins_log_chain"],
        "HasIncompleteMetaData": False,
        "IsForceOffline": header["is_tail"],
        "IsCopyOnly": header["is_copy_only"],
    }


def filelistonly(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """RESTORE FILELISTONLY: one row per file of the database in the set."""
    found, options = _open(instance, session, reader, "RESTORE FILELISTONLY")
    try:
        one = media.choose(found, int(options.values.get("FILE", 1)))
    except SqlError as problem:
        raise with_companion(problem, error(3013, "RESTORE FILELISTONLY")) from None
    shape = columns(*FILES)
    sink.columns(shape)
    for file in one.header["files"]:
        row = _file_row(one, file)
        sink.row([row.get(c.name) for c in shape])
    sink.done(len(one.header["files"]))


def _file_row(one: BackupSet, file: dict[str, Any]) -> dict[str, Any]:
    is_log = file["kind"] == "LOG"
    return {
        "LogicalName": file["name"],
        "PhysicalName": file["physical"],
        "Type": "L" if is_log else "D",
        "FileGroupName": file["filegroup"],
        "Size": file["bytes"],
        "MaxSize": MAX_SIZE if file["max_size"] < 0 else file["max_size"] * 8192,
        "FileId": file["file_id"],
        "CreateLSN": 0,
        "DropLSN": 0,
        "UniqueId": _guid(file["file_guid"]),
        "ReadOnlyLSN": 0,
        "ReadWriteLSN": 0,
        "BackupSizeInBytes": 0 if is_log else one.header["content_bytes"],
        "SourceBlockSize": 4096,
        "FileGroupId": 0 if is_log else 1,
        "DifferentialBaseLSN": one.header["base_lsn"] or 0,
        "DifferentialBaseGUID": _guid(one.header["base_guid"]),
        "IsReadOnly": False,
        "IsPresent": True,
    }


def labelonly(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """RESTORE LABELONLY: the media header."""
    found, _ = _open(instance, session, reader, "RESTORE LABELONLY")
    label = found.label
    sink.columns(columns(*LABEL))
    sink.row(
        [
            label["name"],
            _guid(label["media_set_id"]),
            1,
            1,
            _guid(label["media_family_id"]),
            1,
            0,
            label["description"],
            "Microsoft SQL Server",
            VENDOR,
            clock.parse(label["date"]),
            1,
            label["compressed"],
        ]
    )
    sink.done(1)


def verifyonly(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """RESTORE VERIFYONLY: read everything, compare checksums when there are any; message 3262."""
    reader.expect("FROM")
    paths = backup_options.devices(instance, reader)
    options = backup_options.parse(reader)
    progress = Progress(instance, session, sink, options.stats)
    try:
        if not instance.logins.has_role(session.login, "dbcreator"):
            raise error(262, "CREATE DATABASE", "master")
        with media.opened(paths[0], "rb", exclusive=False) as file:
            found = media.scan(file, paths[0])
            one = media.choose(found, int(options.values.get("FILE", 1)))
            is_log = one.header["type"] == "L"
            restore_plan.check_set(instance, paths[0], one, options, is_log=is_log)
            total = max(1, one.header["stored_bytes"])
            size = 0
            verify = bool(one.header["has_checksums"])
            for block in media.read_set(file, one, paths[0], lambda n: progress.at(n / total), verify=verify):
                size += len(block)
        if size != one.header["content_bytes"]:
            raise error(3189)
    except SqlError as problem:
        raise with_companion(problem, error(3013, "VERIFY DATABASE")) from None
    progress.finish()
    sink.info(3262, text(3262, one.position))
    sink.done()
