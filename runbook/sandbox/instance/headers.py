"""What a backup set says about itself."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook.sandbox.instance import clock
from runbook.sandbox.instance.book import SETTINGS

if TYPE_CHECKING:
    from runbook.sandbox.instance.backup import Job

TYPES = {"D": (1, "Database"), "L": (2, "Transaction Log"), "I": (5, "Database Differential")}
LOG_STEP = 1_000


def label(job: Job) -> dict[str, Any]:
    """The media header of a new file."""
    return {
        "name": job.options.text("MEDIANAME"),
        "description": job.options.text("MEDIADESCRIPTION"),
        "media_set_id": str(uuid.uuid4()).upper(),
        "media_family_id": str(uuid.uuid4()).upper(),
        "date": clock.stamp(),
        "compressed": _compressed(job),
    }


def _compressed(job: Job) -> bool:
    default = job.instance.configuration.in_use("backup compression default") == 1
    return "COMPRESSION" in job.options or (default and "NO_COMPRESSION" not in job.options)


def _flags(job: Job, *, checksums: bool) -> int:
    record = job.record
    value = 4 if record.is_read_only else 0
    value |= 8 if record.user_access == "SINGLE_USER" else 0
    value |= 16 if checksums else 0
    value |= 64 | 256 if job.is_tail else 0
    return value


def compose(job: Job, first_lsn: int, size: int) -> dict[str, Any]:
    """The header of a set whose content has been copied; LSNs are taken here, after the copy.

    They are durable before the set is written: a set that a killed server completed but did not record must not share
    its LSNs with a later one.
    """
    record, version = job.record, job.instance.version
    doc = record.to_doc()
    last_lsn = record.advance(LOG_STEP)
    job.instance.book.save(record)
    checksums = "CHECKSUM" in job.options or (
        "NO_CHECKSUM" not in job.options and job.instance.configuration.in_use("backup checksum default") == 1
    )
    header: dict[str, Any] = {
        "settings": {key: doc[key] for key in SETTINGS},
        "files": [{**f, "bytes": _file_bytes(f, record.path)} for f in doc["files"]],
        "type": job.kind,
        "guid": job.guid,
        "name": job.options.text("NAME"),
        "description": job.options.text("DESCRIPTION"),
        "started": job.started,
        "user": job.session.login,
        "server": job.instance.name,
        "product": [version.major, 0, version.build, version.revision],
        "database": record.name,
        "first_lsn": first_lsn,
        "last_lsn": last_lsn,
        "checkpoint_lsn": record.lsn - LOG_STEP if job.kind != "L" else record.database_backup_lsn,
        "database_backup_lsn": record.database_backup_lsn,
        "first_fork": record.first_fork or record.fork,
        "last_fork": record.fork,
        "fork_lsn": record.fork_lsn,
        "base_lsn": record.base_lsn if job.kind == "I" else None,
        "base_guid": record.base_guid if job.kind == "I" else None,
        "begins_log_chain": job.kind == "L" and first_lsn == record.database_backup_lsn,
        "is_copy_only": "COPY_ONLY" in job.options and job.kind != "I",
        "is_tail": job.is_tail,
        "has_checksums": checksums,
        "is_damaged": False,
        "flags": _flags(job, checksums=checksums),
        "compressed": _compressed(job),
        "content_bytes": size,
        "finished": None,
    }
    return header


def _file_bytes(file: dict[str, Any], path: str) -> int:
    if file["kind"] == "LOG":
        return int(file["size_pages"]) * 8192
    return max(Path(path).stat().st_size, 8192) if file["file_id"] == 1 else 8192


def opening(header: dict[str, Any]) -> dict[str, Any]:
    """The begin record of a set: enough to say what an incomplete set was."""
    return {**header, "name": "*** INCOMPLETE ***"}
