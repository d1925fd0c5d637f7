"""All databases of an instance: by name, on disk, and what start-up has to put right after a kill."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.errors import error, text
from runbook.sandbox.instance import revert
from runbook.sandbox.instance import storage as files
from runbook.sandbox.instance.logins import SA_SID
from runbook.sandbox.instance.records import SYSTEM, DatabaseRecord, DataFile

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

FIRST_USER_ID = 5
SYSTEM_FILES = {
    "master": ("master", "master.mdf", "mastlog", "mastlog.ldf"),
    "tempdb": ("tempdev", "tempdb.mdf", "templog", "templog.ldf"),
    "model": ("modeldev", "model.mdf", "modellog", "modellog.ldf"),
    "msdb": ("MSDBData", "MSDBData.mdf", "MSDBLog", "MSDBLog.ldf"),
}
SETTINGS = (
    "name",
    "version",
    "compatibility_level",
    "created",
    "family",
    "broker_guid",
    "collation",
    "user_access",
    "is_read_only",
    "recovery_model",
    "options",
    "fork",
    "lsn",
    "log_start",
    "base_lsn",
    "base_guid",
    "database_backup_lsn",
    "create_version",
    "last_good_check",
)
"""What travels inside a database file and in a backup header."""


class Book:
    """The catalog of databases. Records live in memory and are written to the store with every change."""

    def __init__(self, instance: SandboxInstance) -> None:
        self._instance = instance
        self._lock = threading.RLock()
        self._records: dict[str, DatabaseRecord] = {}
        for doc in instance.store.items("database").values():
            record = DatabaseRecord.from_doc(doc)
            self._records[record.name.lower()] = record

    def all(self) -> list[DatabaseRecord]:
        """All databases, by id."""
        with self._lock:
            return sorted(self._records.values(), key=lambda r: r.id)

    def find(self, name: str) -> DatabaseRecord | None:
        """The database of that name in any state."""
        with self._lock:
            return self._records.get(name.lower())

    def by_id(self, database_id: int | None) -> DatabaseRecord | None:
        """The database of that id."""
        return next((r for r in self.all() if r.id == database_id), None)

    def snapshots_of(self, record: DatabaseRecord) -> list[DatabaseRecord]:
        """The snapshots whose source is this database."""
        return [r for r in self.all() if r.source_id == record.id]

    def free_id(self) -> int:
        """The lowest unused database id (ids of dropped databases are used again)."""
        used = {r.id for r in self.all()}
        return next(i for i in range(FIRST_USER_ID, 32_767) if i not in used)

    def reserve(self, record: DatabaseRecord) -> None:
        """Take name and id. Raises 1801 when the name is taken."""
        with self._lock:
            if record.name.lower() in self._records:
                raise error(1801, record.name, state=3)
            record.id = record.id or self.free_id()
            self._records[record.name.lower()] = record

    def save(self, record: DatabaseRecord) -> None:
        """Make the record durable."""
        self._instance.store.put("database", str(record.id), record.to_doc())

    def rename(self, record: DatabaseRecord, name: str) -> None:
        """Give the database another name. Raises 1801."""
        with self._lock:
            other = self._records.get(name.lower())
            if other is not None and other is not record:
                raise error(1801, name, state=3)
            old, record.name = record.name, name
            self.save(record)
            del self._records[old.lower()]
            self._records[name.lower()] = record

    def forget(self, record: DatabaseRecord) -> None:
        """Remove the record, durably; the files stay."""
        self._instance.store.remove("database", str(record.id))
        self._drop(record)

    def _drop(self, record: DatabaseRecord) -> None:
        with self._lock:
            if self._records.get(record.name.lower()) is record:
                del self._records[record.name.lower()]

    def reload(self) -> None:
        """After a write that failed: what is remembered becomes again what is durable."""
        docs = self._instance.store.items("database")
        with self._lock:
            for record in self.all():
                doc = docs.get(str(record.id))
                if doc is not None:
                    record.__dict__.update(DatabaseRecord.from_doc(doc).__dict__)
            self._records = {r.name.lower(): r for r in self._records.values()}

    def destroy(self, record: DatabaseRecord) -> None:
        """Remove record and files. What a kill leaves of the files, the next start removes."""
        paths = [record.path, *(f.physical for f in record.files)]
        with self._instance.store.transaction():
            for path in paths:
                self._instance.store.put("trash", path, {})
            self._instance.store.remove("database", str(record.id))
        self._drop(record)
        self.empty_trash()

    def give_up(self, record: DatabaseRecord, paths: list[str]) -> None:
        """Save a record whose former content is lost from now on, and delete that content."""
        with self._instance.store.transaction():
            self.save(record)
            for path in paths:
                self._instance.store.put("trash", path, {})
        self.empty_trash()

    def empty_trash(self) -> None:
        """Delete the files that were given up."""
        for path in self._instance.store.items("trash"):
            if not any(path == r.path for r in self.all()):
                remove_file(path)
            self._instance.store.remove("trash", path)

    def new_path(self, record: DatabaseRecord) -> tuple[int, str]:
        """A generation number never used before, and the file name that goes with it."""
        generation = self._instance.store.next("generation")
        shown = Path(record.physical)
        return generation, str(shown.with_name(f".{shown.name}.{generation}"))

    def publish(self, record: DatabaseRecord, generation: int) -> None:
        """Make a finished file the database's content: one durable write decides, the rest is tidying."""
        old = record.path
        record.generation = generation
        self.save(record)
        link(record)
        if old != record.path:
            remove_file(old)

    def replace_content(self, record: DatabaseRecord, generation: int, others: Sequence[DatabaseRecord]) -> None:
        """As :meth:`publish`, together with the records of other databases."""
        old = record.path
        record.generation = generation
        with self._instance.store.transaction():
            for one in (record, *others):
                self.save(one)
        link(record)
        remove_file(old)

    def owner_of_file(self, physical: str) -> DatabaseRecord | None:
        """The database that has this file."""
        wanted = os.path.normpath(physical)
        return next((r for r in self.all() if any(os.path.normpath(f.physical) == wanted for f in r.files)), None)

    def write_settings(self, record: DatabaseRecord) -> None:
        """Put into the file what an attach elsewhere needs."""
        doc = record.to_doc()
        settings = {key: doc[key] for key in SETTINGS}
        settings["files"] = doc["files"]
        files.write_settings(self._instance.storage, record.path, settings)


def link(record: DatabaseRecord) -> None:
    """Let the path that clients know lead to the current file."""
    shown, target = Path(record.physical), Path(record.path)
    if shown.is_symlink() and shown.readlink() == Path(target.name):
        return
    fresh = shown.with_name(f".{shown.name}.link")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.name)
    fresh.replace(shown)


def remove_file(path: str) -> None:
    """Delete a database file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(path + suffix).unlink(missing_ok=True)


def remove_all_files(record: DatabaseRecord) -> None:
    """Delete every file of a database."""
    remove_file(record.path)
    for file in record.files:
        Path(file.physical).unlink(missing_ok=True)


def touch_others(record: DatabaseRecord) -> None:
    """Create the files that hold nothing in the sandbox (log, secondary files), so that they exist."""
    for file in record.files:
        if file is not record.primary and not Path(file.physical).exists():
            Path(file.physical).write_bytes(b"sandbox " + file.kind.encode())


def start_up(instance: SandboxInstance) -> None:
    """Create system databases, recover, convert and tidy; called once before the first login."""
    _move_house(instance)
    instance.book.empty_trash()
    master = instance.book.find("master")
    instance.upgrade.look(instance.version.internal if master is None else master.version)
    for name, database_id in SYSTEM.items():
        _ensure_system(instance, name, database_id)
    for record in instance.book.all():
        _recover(instance, record)
    for record in instance.book.all():
        if record.reverting is not None:
            revert.resume(instance, record)
    _tidy(instance)
    instance.errorlog.write("Recovery is complete. This is an informational message only. No user action is required.")


def _move_house(instance: SandboxInstance) -> None:
    """The whole directory may have been copied or moved while nothing ran: its files are where it is now."""
    here = str(instance.directory)
    before = instance.store.get("place", "directory")
    if before is not None and before != here:
        for record in instance.book.all():
            for file in record.files:
                if file.physical.startswith(before + os.sep):
                    file.physical = here + file.physical[len(before) :]
            instance.book.save(record)
        for path in instance.store.items("trash"):
            instance.store.remove("trash", path)
            if path.startswith(before + os.sep):
                instance.store.put("trash", here + path[len(before) :], {})
    instance.store.put("place", "directory", here)


def _ensure_system(instance: SandboxInstance, name: str, database_id: int) -> None:
    record = instance.book.find(name)
    if record is not None and name != "tempdb":
        return
    if record is not None:
        remove_all_files(record)
        instance.book.forget(record)
    logical, data, log, log_file = SYSTEM_FILES[name]
    directory = instance.data_directory
    record = DatabaseRecord(
        name=name,
        id=database_id,
        files=[
            DataFile(1, logical, str(directory / data)),
            DataFile(2, log, str(directory / log_file), "LOG", None),
        ],
        owner_sid=SA_SID,
        version=instance.version.internal,
        compatibility_level=instance.version.compatibility,
        recovery_model="FULL" if name == "model" else "SIMPLE",
        create_version=instance.version.internal,
    )
    record.options["TRUSTWORTHY"] = name == "msdb"
    record.options["DB_CHAINING"] = name != "model"
    record.options["BROKER"] = name in ("msdb", "tempdb")
    instance.book.reserve(record)
    instance.build(record)


def _recover(instance: SandboxInstance, record: DatabaseRecord) -> None:
    before = record.state
    if record.state == "RECOVERY_PENDING" and Path(record.path).exists():
        record.state = "ONLINE"
    if record.state in ("ONLINE", "EMERGENCY") and not Path(record.path).exists():
        record.state = "RECOVERY_PENDING"
        instance.errorlog.write(text(945, record.name), "spid5s")
    elif record.state == "ONLINE":
        _convert_at_start(instance, record)
    elif record.state == "RECOVERING":
        record.state = "RESTORING"
    if Path(record.path).exists():
        link(record)
        touch_others(record)
    if record.state != before:
        instance.book.save(record)
    instance.errorlog.write(f"Starting up database '{record.name}'.", "spid5s")


def _convert_at_start(instance: SandboxInstance, record: DatabaseRecord) -> None:
    """An engine upgrade in place converts what is open and writeable; an older engine opens nothing newer.

    A database snapshot is read-only and does not survive either.
    """
    if record.version > instance.version.internal:
        record.state = "RECOVERY_PENDING"
        problem = error(948, record.name, record.version, instance.version.internal)
        instance.errorlog.write(problem.message, "spid5s")
        if record.is_system:
            raise SqlError(
                3417,
                "Cannot recover the master database. SQL Server is unable to run. Restore master from a full "
                "backup, repair it, or rebuild it.",
                21,
                also=(problem,),
            )
    elif record.version < instance.version.internal and record.is_read_only:
        instance.errorlog.write(text(3415, record.name), "spid5s")
        record.state = "RECOVERY_PENDING"
    elif record.version < instance.version.internal:
        for _, message in instance.convert(record):
            instance.errorlog.write(message, "spid5s")


def _tidy(instance: SandboxInstance) -> None:
    """Remove what an interrupted operation left: files of generations that were never published, dead links."""
    current = {r.path for r in instance.book.all()}
    shown = {f.physical for r in instance.book.all() for f in r.files}
    for path in instance.data_directory.iterdir():
        found = re.fullmatch(r"(\..+\.\d+)(-wal|-shm|-journal)?", path.name)
        if (found and str(path.with_name(found[1])) not in current) or (
            path.is_symlink() and not path.exists() and str(path) not in shown
        ):
            path.unlink(missing_ok=True)
