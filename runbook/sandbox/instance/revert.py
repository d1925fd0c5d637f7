"""RESTORE DATABASE x FROM DATABASE_SNAPSHOT = 's'."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import LanguageSession, Sink
from runbook.sandbox.errors import error
from runbook.sandbox.instance import access, book, clock
from runbook.sandbox.instance.gate import Busy
from runbook.sandbox.instance.progress import Progress
from runbook.sandbox.instance.records import DatabaseRecord, guid

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

FROM_SNAPSHOT = ("compatibility_level", "collation", "options", "version", "owner_sid")


def revert(instance: SandboxInstance, session: LanguageSession, name: str, source: str, sink: Sink) -> None:
    """Put a database back to its only snapshot. Raises 3101, 3102, 3110, 3137, 3139."""
    record, snapshot = instance.find(name), instance.find(source)
    if name.lower() == "master":
        raise error(3139)
    if record is None or snapshot is None or snapshot.source_id != record.id or record.is_snapshot:
        raise error(3137)
    if len(instance.book.snapshots_of(record)) != 1:
        raise error(3137, state=4)
    if not access.is_owner(instance, session, record):
        raise error(3110, name)
    if record.state != "ONLINE" and record.reverting is None:
        raise error(3137, state=2)
    for one in (record, snapshot):
        if instance.gate.context(session.spid) is one:
            raise error(3102, "RESTORE", one.name)
    progress = Progress(instance, session, sink)
    if progress.request is not None:
        progress.request.concerns = record
    try:
        with (
            instance.gate.alone(session, record, wait=False),
            instance.gate.alone(session, snapshot, wait=False),
        ):
            _perform(instance, record, snapshot, progress, session)
    except Busy:
        raise error(3101) from None
    _note(instance, session.login, record)


def _perform(
    instance: SandboxInstance,
    record: DatabaseRecord,
    snapshot: DatabaseRecord,
    progress: Progress,
    session: LanguageSession,
) -> None:
    begin(instance, record, snapshot)
    generation, path = instance.book.new_path(record)
    try:
        instance.storage.copy_file(snapshot.path, path, progress.at, session.check)
    except BaseException:
        book.remove_file(path)
        raise
    finish(instance, record, snapshot, generation)


def begin(instance: SandboxInstance, record: DatabaseRecord, snapshot: DatabaseRecord) -> None:
    """Both databases are in restore from here on, until the revert is complete; a restart completes it."""
    with instance.store.transaction():
        record.state, record.reverting, record.redo = "RESTORING", snapshot.name, None
        snapshot.state = "RESTORING"
        instance.book.save(record)
        instance.book.save(snapshot)


def finish(instance: SandboxInstance, record: DatabaseRecord, snapshot: DatabaseRecord, generation: int) -> None:
    """The copied file becomes the content; the log chain is broken until the next full backup."""
    doc = snapshot.to_doc()
    for key in FROM_SNAPSHOT:
        setattr(record, key, doc[key])
    record.recovery_model = record.options.pop("SOURCE_RECOVERY", record.recovery_model)
    record.is_read_only = bool(record.options.pop("SOURCE_READ_ONLY", False))
    record.log_start, record.fork, record.first_fork = None, guid(), ""
    record.fork_lsn = record.advance()
    record.state, record.reverting = "ONLINE", None
    snapshot.state = "ONLINE"
    instance.book.replace_content(record, generation, [snapshot])
    instance.book.write_settings(record)


def resume(instance: SandboxInstance, record: DatabaseRecord) -> None:
    """After a restart: complete an interrupted revert."""
    snapshot = instance.find(record.reverting or "")
    if snapshot is None:
        return
    generation, path = instance.book.new_path(record)
    instance.storage.copy_file(snapshot.path, path, lambda _: None, lambda: None)
    finish(instance, record, snapshot, generation)
    _note(instance, "sa", record)


def _note(instance: SandboxInstance, user: str, record: DatabaseRecord) -> None:
    instance.errorlog.write(
        f"Reverting database '{record.name}' to the point in time of database snapshot with split point LSN "
        f"{record.fork_lsn}. This is an informational message only. No user action is required.",
        "Backup",
    )
    instance.store.append(
        "restorehistory",
        {
            "restore_date": clock.stamp(),
            "destination": record.name,
            "user": user,
            "backup_set_id": 0,
            "type": "D",
            "replace": False,
            "recovery": True,
            "restart": False,
        },
    )
