"""What RESTORE checks before it touches anything."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.errors import error
from runbook.sandbox.instance import access, media
from runbook.sandbox.instance.backup_options import Options
from runbook.sandbox.instance.media import BackupSet
from runbook.sandbox.instance.records import DatabaseRecord, DataFile

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

MADE_BY = {"D": "BACKUP DATABASE", "I": "BACKUP DATABASE WITH DIFFERENTIAL", "L": "BACKUP LOG"}
FIRST_TEXT_BY_DATABASE_VERSION = 16
"""Major version from which error 3169 names database versions instead of product versions."""


def check_set(instance: SandboxInstance, path: str, found: BackupSet, options: Options, *, is_log: bool) -> None:
    """Is this set usable here? Raises 3135, 3169, 3187."""
    header = found.header
    if (header["type"] == "L") != is_log:
        raise error(3135, path, MADE_BY[header["type"]])
    check_version(instance, header["settings"]["version"], header["product"])
    if "CHECKSUM" in options and not header["has_checksums"]:
        raise error(3187)


def check_version(instance: SandboxInstance, version: int, product: list[int]) -> None:
    """Nothing newer than the server can be restored: 3169."""
    if version <= instance.version.internal:
        return
    if instance.version.major >= FIRST_TEXT_BY_DATABASE_VERSION:
        problem = error(3169, version, instance.version.internal)
        problem.message = (
            f"The database was backed up on a server running database version {version}. That version is incompatible "
            f"with this server, which supports version {instance.version.internal}. Either restore the database on a "
            "server that supports the backup, or use a backup that is compatible with this server."
        )
        raise problem
    theirs = f"{product[0]}.{product[1]:02d}.{product[2]:04d}"
    own = f"{instance.version.major}.00.{instance.version.build:04d}"
    raise error(3169, theirs, own)


def check_target(
    instance: SandboxInstance,
    session: LanguageSession,
    name: str,
    record: DatabaseRecord | None,
    found: BackupSet,
    options: Options,
) -> None:
    """May a full backup go into this database? Raises 3002, 3110, 3154, 3159, 3709."""
    if record is None:
        if not instance.logins.has_role(session.login, "dbcreator"):
            raise error(262, "CREATE DATABASE", "master", also=(error(3110, name),))
        return
    if not access.is_privileged(instance, session, record):
        raise error(3110, name)
    if record.is_snapshot:
        raise error(3002)
    for snapshot in instance.book.snapshots_of(record):
        raise error(3709, "restore", snapshot.name)
    if "REPLACE" in options or (record.state == "RESTORING" and record.redo is None):
        return
    if record.family != found.header["settings"]["family"]:
        raise error(3154, name)
    if record.is_logged and record.state != "RESTORING":
        raise error(3159, name)


def place_files(
    instance: SandboxInstance, record: DatabaseRecord | None, found: BackupSet, options: Options
) -> list[DataFile]:
    """Where each file goes. Raises 3234, 3176, and 5133, 1834, 3142 or 3634 followed by 3156 and 3119."""
    header = found.header
    files = [DataFile(**{k: v for k, v in f.items() if k != "bytes"}) for f in header["files"]]
    known = {f.name.lower() for f in files}
    for moved in options.values.get("MOVES", []):
        if moved.lower() not in known:
            raise error(3234, moved, header["database"])
    for file in files:
        file.physical = options.moves.get(file.name.lower(), file.physical)
    _check_distinct(files)
    for file in files:
        _check_place(instance, record, file, options)
    return files


def _check_distinct(files: list[DataFile]) -> None:
    claimed: dict[str, DataFile] = {}
    for file in files:
        path = os.path.normpath(file.physical)
        if path in claimed:
            other = claimed[path]
            raise error(3176, file.physical, file.name, file.file_id, other.name, other.file_id, also=(error(3119),))
        claimed[path] = file


def _check_place(instance: SandboxInstance, record: DatabaseRecord | None, file: DataFile, options: Options) -> None:
    path = Path(file.physical)
    failed = (error(3156, file.name, file.physical), error(3119))
    if not path.is_absolute() or not path.parent.is_dir():
        raise error(5133, file.physical, media.OS_ERRORS[errno.ENOENT], also=failed)
    owner = instance.book.owner_of_file(file.physical)
    if owner is not None and owner is not record:
        raise error(1834, file.physical, owner.name, also=failed)
    if owner is not None or not (path.exists() or path.is_symlink()):
        return
    if _in_use_elsewhere(path):
        busy = media.OS_ERRORS[errno.EAGAIN]
        raise error(3634, busy, "RestoreContainer::ValidateTargetForCreation", file.physical, also=failed)
    if "REPLACE" not in options:
        raise error(3142, file.name, file.physical, also=(error(3119),))


def _in_use_elsewhere(path: Path) -> bool:
    """Files of another sandbox server are links into that server's generations; it holds them open."""
    if path.is_symlink():
        return path.exists()
    return any(path.parent.glob(f".{path.stem.removesuffix('_log')}.*.[0-9]*"))


def check_space(instance: SandboxInstance, session: LanguageSession, files: list[DataFile], found: BackupSet) -> None:
    """Does the content fit on the volume? Raises 3257 and 3119."""
    folder = Path(files[0].physical).parent
    free = shutil.disk_usage(folder).free
    needed = int(found.header["content_bytes"])
    request = instance.entry(session).request
    if request is not None and request.disk_full:
        free = min(free, max(0, needed - 1))
    if needed > free:
        raise error(3257, str(folder), needed, free, also=(error(3119),))


def check_chain(record: DatabaseRecord, found: BackupSet) -> None:
    """Does this log or differential backup continue what was restored? Raises 3117, 3136, 3154, 4305, 4326, 4330."""
    header, redo = found.header, record.redo
    if record.state != "RESTORING" or redo is None or not redo.ready or record.reverting is not None:
        raise error(3117)
    if record.family != header["settings"]["family"]:
        raise error(3154, record.name)
    if header["type"] == "I":
        if header["base_guid"] != redo.base_guid or header["last_lsn"] <= redo.lsn:
            raise error(3136)
        return
    if header["last_lsn"] <= redo.lsn:
        raise error(4326, header["last_lsn"], redo.lsn)
    if header["first_lsn"] > redo.lsn:
        raise error(4305, header["first_lsn"], redo.lsn)
    if redo.fork not in (header["first_fork"], header["last_fork"]):
        raise error(4330)
