"""sys.master_files and what else tells about files and volumes."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.instance.progress import pages_of
from runbook.sandbox.instance.records import STATES, DatabaseRecord, DataFile

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Rows = list[dict[str, Any]]

MASTER_FILES = (
    "database_id int",
    "file_id int",
    "file_guid uniqueidentifier",
    "type tinyint",
    "type_desc nvarchar(60)",
    "data_space_id int",
    "name sysname",
    "physical_name nvarchar(260)",
    "state tinyint",
    "state_desc nvarchar(60)",
    "size int",
    "max_size int",
    "growth int",
    "is_media_read_only bit",
    "is_read_only bit",
    "is_sparse bit",
    "is_percent_growth bit",
    "is_name_reserved bit",
    "create_lsn numeric(25,0)",
    "drop_lsn numeric(25,0)",
    "differential_base_lsn numeric(25,0)",
    "differential_base_guid uniqueidentifier",
)
UNITS = {"KB": 1 / 8, "MB": 128, "GB": 131_072, "TB": 134_217_728}


def _growth(text: str) -> tuple[int, bool]:
    if text.endswith("%"):
        return int(text[:-1]), True
    return int(int(text[:-2]) * UNITS[text[-2:]]), False


def _size_of(record: DatabaseRecord, file: DataFile) -> int:
    """Bytes of a file on disk; the primary file is the real one."""
    try:
        return os.stat(record.path if file is record.primary else file.physical).st_size  # noqa: PTH116 - asked for often
    except OSError:
        return 0


def _size_pages(record: DatabaseRecord, file: DataFile) -> int:
    if file is not record.primary:
        return file.size_pages
    return max(file.size_pages, pages_of(_size_of(record, file)))


def file_row(record: DatabaseRecord, file: DataFile) -> dict[str, Any]:
    """A row of sys.master_files (sys.database_files has the same columns without the database)."""
    growth, is_percent = _growth(file.growth)
    is_log = file.kind == "LOG"
    return {
        "database_id": record.id,
        "file_id": file.file_id,
        "file_guid": uuid.UUID(file.file_guid),
        "type": int(is_log),
        "type_desc": file.kind,
        "data_space_id": 0 if is_log else 1,
        "name": file.name,
        "physical_name": file.physical,
        "state": STATES[record.state],
        "state_desc": record.state,
        "size": _size_pages(record, file),
        "max_size": file.max_size,
        "growth": growth,
        "is_media_read_only": False,
        "is_read_only": False,
        "is_sparse": record.is_snapshot,
        "is_percent_growth": is_percent,
        "is_name_reserved": False,
        "differential_base_lsn": record.base_lsn,
        "differential_base_guid": None if record.base_guid is None else uuid.UUID(record.base_guid),
    }


def master_files(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.master_files."""
    return [file_row(r, f) for r in instance.databases() for f in r.files]


def database_files(instance: SandboxInstance, session: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.database_files of the session's database."""
    record = instance.find(session.database)
    return [] if record is None else [file_row(record, f) for f in record.files]


def _chosen(instance: SandboxInstance, args: Sequence[Any]) -> list[tuple[DatabaseRecord, DataFile]]:
    """Files named by (database_id, file_id); what is missing or NULL means all."""
    wanted, number = (*args, None, None)[:2]
    return [
        (r, f)
        for r in instance.databases()
        for f in r.files
        if (wanted is None or r.id == int(wanted)) and (number is None or f.file_id == int(number))
    ]


FILE_STATS = (
    "database_id smallint",
    "file_id smallint",
    "sample_ms bigint",
    "num_of_reads bigint",
    "num_of_bytes_read bigint",
    "io_stall_read_ms bigint",
    "num_of_writes bigint",
    "num_of_bytes_written bigint",
    "io_stall_write_ms bigint",
    "io_stall bigint",
    "size_on_disk_bytes bigint",
    "file_handle varbinary(8)",
)


def file_stats(instance: SandboxInstance, _: LanguageSession, args: Sequence[Any]) -> Rows:
    """sys.dm_io_virtual_file_stats: the size on disk is real, the counters are not kept."""
    counters = dict.fromkeys(
        (name.split()[0] for name in FILE_STATS if name.split()[0].startswith(("num_", "io_", "sample"))), 0
    )
    return [
        {
            **counters,
            "database_id": r.id,
            "file_id": f.file_id,
            "size_on_disk_bytes": _size_of(r, f),
            "file_handle": bytes(8),
        }
        for r, f in _chosen(instance, args)
    ]


VOLUMES = (
    "database_id int",
    "file_id int",
    "volume_mount_point nvarchar(256)",
    "volume_id nvarchar(256)",
    "logical_volume_name nvarchar(256)",
    "file_system_type nvarchar(256)",
    "total_bytes bigint",
    "available_bytes bigint",
    "supports_compression tinyint",
    "supports_alternate_streams tinyint",
    "supports_sparse_files tinyint",
    "is_read_only tinyint",
    "is_compressed tinyint",
)


def volumes(instance: SandboxInstance, _: LanguageSession, args: Sequence[Any]) -> Rows:
    """sys.dm_os_volume_stats: the real space of the volumes the files are on."""
    found = []
    for record, file in _chosen(instance, args):
        folder = Path(file.physical).parent
        if not folder.is_dir():
            continue
        usage = shutil.disk_usage(folder)
        found.append(
            {
                "database_id": record.id,
                "file_id": file.file_id,
                "volume_mount_point": _mount_point(folder),
                "volume_id": str(folder.stat().st_dev),
                "logical_volume_name": "",
                "file_system_type": "EXT4",
                "total_bytes": usage.total,
                "available_bytes": usage.free,
                **dict.fromkeys(("supports_compression", "supports_alternate_streams", "is_read_only"), 0),
                "supports_sparse_files": 1,
                "is_compressed": 0,
            }
        )
    return found


def _mount_point(folder: Path) -> str:
    device = folder.stat().st_dev
    while folder.parent != folder and folder.parent.stat().st_dev == device:
        folder = folder.parent
    return str(folder)


LEGACY_STATS = (
    "DbId smallint",
    "FileId smallint",
    "TimeStamp bigint",
    "NumberReads bigint",
    "BytesRead bigint",
    "IoStallReadMS bigint",
    "NumberWrites bigint",
    "BytesWritten bigint",
    "IoStallWriteMS bigint",
    "IoStallMS bigint",
    "BytesOnDisk bigint",
    "FileHandle varbinary(8)",
)


def legacy_stats(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Rows:
    """fn_virtualfilestats: the same under its older names."""
    old = [spec.split()[0] for spec in LEGACY_STATS]
    new = [spec.split()[0] for spec in FILE_STATS]
    return [{o: row[n] for o, n in zip(old, new, strict=True)} for row in file_stats(instance, session, args)]


LOG_STATS = ("database_id int", "recovery_model nvarchar(60)", "log_min_lsn nvarchar(24)", "log_end_lsn nvarchar(24)")


def log_stats(instance: SandboxInstance, _: LanguageSession, args: Sequence[Any]) -> Rows:
    """sys.dm_db_log_stats: the end of the log moves with every committed change, and with a restart of the server."""
    wanted = args[0] if args else None
    _forget_replaced({record.path for record in instance.databases()})
    online = [record for record in instance.databases() if record.state == "ONLINE"]
    versions = [(record, _data_version(record)) for record in online if wanted is None or record.id == int(wanted)]
    return [
        {
            "database_id": record.id,
            "recovery_model": record.recovery_model,
            "log_min_lsn": None if record.log_start is None else _as_lsn(record.log_start, 0, 1),
            "log_end_lsn": _as_lsn(record.lsn, version, os.getpid() + record.generation),
        }
        for record, version in versions
        if version is not None
    ]


def _as_lsn(lsn: int, change: int, process: int) -> str:
    return f"{lsn & 0xFFFFFFFF:08x}:{change & 0xFFFFFFFF:08x}:{process & 0xFFFF:04x}"


_watching: dict[str, apsw.Connection] = {}
_watching_lock = threading.Lock()


def _forget_replaced(paths: set[str]) -> None:
    """Close what watched files that were dropped or replaced since."""
    with _watching_lock:
        for path in set(_watching) - paths:
            _watching.pop(path).close()


def _data_version(record: DatabaseRecord) -> int | None:
    """SQLite's count of commits by others, as a connection that stays open sees it; None for a database that another
    session is creating or dropping in this moment."""
    with _watching_lock:
        if record.path not in _watching:
            try:
                _watching[record.path] = apsw.Connection(record.path, flags=apsw.SQLITE_OPEN_READONLY)
            except apsw.CantOpenError:
                if Path(record.path).exists():
                    raise
                return None
        found = _watching[record.path].execute("PRAGMA data_version").get
    return int(str(found))


VIEWS: dict[str, tuple[Sequence[str], Callable[..., Rows]]] = {
    "sys.master_files": (MASTER_FILES, master_files),
    "sys.database_files": (MASTER_FILES[1:], database_files),
    "sys.dm_io_virtual_file_stats": (FILE_STATS, file_stats),
    "sys.fn_virtualfilestats": (LEGACY_STATS, legacy_stats),
    "sys.dm_os_volume_stats": (VOLUMES, volumes),
    "sys.dm_db_log_stats": (LOG_STATS, log_stats),
}
