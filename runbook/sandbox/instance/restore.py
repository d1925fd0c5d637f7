"""RESTORE DATABASE and RESTORE LOG from files, and the final recovery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from runbook.sandbox.contract import LanguageSession, Sink, SqlError
from runbook.sandbox.errors import error, text, with_companion
from runbook.sandbox.instance import access, backup_options, book, clock, media, restore_plan, revert
from runbook.sandbox.instance.backup_options import Options
from runbook.sandbox.instance.gate import Busy
from runbook.sandbox.instance.media import BackupSet
from runbook.sandbox.instance.parse import Reader
from runbook.sandbox.instance.progress import Progress, pages_of
from runbook.sandbox.instance.records import NOT_RESTORED, DatabaseRecord, DataFile, Redo, guid

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

RECOVERY_OPTIONS = {"ENABLE_BROKER", "NEW_BROKER", "ERROR_BROKER_CONVERSATIONS", "RESTRICTED_USER"}


@dataclass
class Job:
    """One RESTORE in work."""

    instance: SandboxInstance
    session: LanguageSession
    sink: Sink
    name: str
    path: str
    options: Options
    is_log: bool
    progress: Progress

    @property
    def statement(self) -> str:
        """The words messages use for this statement."""
        return "RESTORE LOG" if self.is_log else "RESTORE DATABASE"

    def concerns(self, record: DatabaseRecord) -> None:
        """Tell faults and monitors which database this is about."""
        if self.progress.request is not None:
            self.progress.request.concerns = record


def restore_database(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """RESTORE DATABASE name [FROM DISK = ... | FROM DATABASE_SNAPSHOT = ...] [WITH ...]."""
    _run(instance, session, reader, sink, is_log=False)


def restore_log(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """RESTORE LOG name [FROM DISK = ...] [WITH ...]."""
    _run(instance, session, reader, sink, is_log=True)


def _run(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink, *, is_log: bool) -> None:
    words = "RESTORE LOG" if is_log else "RESTORE DATABASE"
    name = reader.name()
    try:
        if reader.accept("FROM", "DATABASE_SNAPSHOT"):
            reader.expect_symbol("=")
            source = reader.string() if (t := reader.peek()) is not None and t.kind == "string" else reader.name()
            if not reader.done:
                raise error(4355)
            revert.revert(instance, session, name, source, sink)
        elif reader.accept("FROM"):
            paths = backup_options.devices(instance, reader)
            options = backup_options.parse(reader)
            progress = Progress(instance, session, sink, options.stats)
            _from_file(Job(instance, session, sink, name, paths[0], options, is_log, progress))
        else:
            options = backup_options.parse(reader)
            progress = Progress(instance, session, sink, options.stats)
            _recover_only(Job(instance, session, sink, name, "", options, is_log, progress))
    except SqlError as problem:
        raise with_companion(problem, error(3013, words)) from None
    sink.done()


# --- without a file ----------------------------------------------------------------------------------------


def _recover_only(job: Job) -> None:
    record = job.instance.find(job.name)
    if record is None:
        raise error(3118, job.name)
    if not access.is_privileged(job.instance, job.session, record):
        raise error(3110, job.name)
    job.concerns(record)
    if record.state != "RESTORING":
        raise error(3153)
    if "NORECOVERY" in job.options:
        return
    if record.reverting is not None or record.redo is None or not record.redo.ready:
        raise error(4333)
    with _alone(job, record):
        recover(job, record)
    job.sink.info(3014, job.progress.summary(job.statement, 0))


@contextmanager
def _alone(job: Job, record: DatabaseRecord) -> Iterator[None]:
    if job.instance.gate.context(job.session.spid) is record:
        raise error(3102, "RESTORE", record.name)
    try:
        with job.instance.gate.alone(job.session, record, wait=False):
            yield
    except Busy:
        raise error(3101) from None


# --- from a file -------------------------------------------------------------------------------------------


def _from_file(job: Job) -> None:
    if job.name.lower() in ("master", "model", "msdb", "tempdb"):
        raise error(3147) if job.name.lower() == "tempdb" else error(3108)
    with media.opened(job.path, "rb", exclusive=False) as file:
        found = media.choose(media.scan(file, job.path), int(job.options.values.get("FILE", 1)))
        restore_plan.check_set(job.instance, job.path, found, job.options, is_log=job.is_log)
        if found.header["type"] == "D":
            _restore_full(job, file, found)
        else:
            _roll_forward(job, file, found)


def _restore_full(job: Job, file: BinaryIO, found: BackupSet) -> None:
    record = job.instance.find(job.name)
    restore_plan.check_target(job.instance, job.session, job.name, record, found, job.options)
    files = restore_plan.place_files(job.instance, record, found, job.options)
    restore_plan.check_space(job.instance, job.session, files, found)
    is_new = record is None
    if record is None:
        record = _new_record(job, found, files)
    job.concerns(record)
    with _alone(job, record):
        if not is_new:
            restore_plan.check_target(job.instance, job.session, job.name, record, found, job.options)
        try:
            _begin(job, record, files, is_new=is_new)
        except BaseException:
            if is_new:
                job.instance.book.forget(record)
            raise
        _apply(job, record, file, found)
        _finish(job, record, found)


def _new_record(job: Job, found: BackupSet, files: list[DataFile]) -> DatabaseRecord:
    login = job.instance.logins.find(job.session.login)
    settings = found.header["settings"]
    record = DatabaseRecord(
        name=job.name,
        id=0,
        files=files,
        owner_sid="01" if login is None else login.sid,
        version=settings["version"],
        compatibility_level=settings["compatibility_level"],
        state="RESTORING",
    )
    job.instance.book.reserve(record)
    return record


def _begin(job: Job, record: DatabaseRecord, files: list[DataFile], *, is_new: bool) -> None:
    """From here on the former content is lost: a restore over a database is not atomic."""
    lost = [] if is_new else [record.path, *(f.physical for f in record.files)]
    record.state, record.redo, record.files, record.reverting = "RESTORING", None, files, None
    record.generation = 0
    job.instance.book.give_up(record, lost)


def _roll_forward(job: Job, file: BinaryIO, found: BackupSet) -> None:
    record = job.instance.find(job.name)
    if record is None:
        raise error(3118, job.name)
    if not access.is_privileged(job.instance, job.session, record):
        raise error(3110, job.name)
    if record.is_snapshot:
        raise error(3002)
    job.concerns(record)
    with _alone(job, record):
        restore_plan.check_chain(record, found)
        _apply(job, record, file, found)
        _finish(job, record, found)


def _apply(job: Job, record: DatabaseRecord, file: BinaryIO, found: BackupSet) -> None:
    """Bring the content of the set into a new file and make it the database's content in one durable write."""
    generation, path = job.instance.book.new_path(record)
    try:
        _extract(job, record, file, found, path)
        _take_settings(record, found)
        job.instance.book.publish(record, generation)
    except OSError as problem:
        book.remove_file(path)
        raise error(3634, media.os_error(problem), "RestoreContainer::Write", record.physical) from None
    except BaseException:
        book.remove_file(path)
        raise
    book.touch_others(record)


def _extract(job: Job, record: DatabaseRecord, file: BinaryIO, found: BackupSet, path: str) -> None:
    total = max(1, int(found.header["stored_bytes"]))
    written = 0
    with Path(path).open("wb") as target:
        blocks = media.read_set(
            file,
            found,
            job.path,
            lambda done: job.progress.at(min(1.0, done / total)),
            verify=bool(found.header["has_checksums"]),
        )
        for block in blocks:
            target.write(block)
            written += len(block)
        target.flush()
    if written != found.header["content_bytes"]:
        raise error(3183, 1, written // 8192, record.name)


def _take_settings(record: DatabaseRecord, found: BackupSet) -> None:
    header = found.header
    settings: dict[str, Any] = dict(header["settings"])
    settings.pop("name")
    options = {**settings.pop("options"), **dict.fromkeys(NOT_RESTORED, False)}
    created = settings.pop("created")
    for key, value in settings.items():
        setattr(record, key, value)
    record.created = record.created or created
    record.options = options
    record.lsn = header["last_lsn"]
    base_guid = record.redo.base_guid if record.redo is not None else None
    if header["type"] == "D":
        base_guid = None if header["is_copy_only"] else header["guid"]
        if not header["is_copy_only"]:
            record.base_lsn, record.base_guid = header["first_lsn"], header["guid"]
            record.database_backup_lsn = header["first_lsn"]
            record.log_start = record.log_start or header["first_lsn"]
    record.log_start = None if record.log_start is None or not record.is_logged else header["last_lsn"]
    record.fork = header["last_fork"]
    record.redo = Redo(header["last_lsn"], header["last_fork"], ready=True, base_guid=base_guid)


def _finish(job: Job, record: DatabaseRecord, found: BackupSet) -> None:
    job.progress.finish()
    pages = pages_of(found.header["content_bytes"])
    for file in record.files:
        count = pages if file is record.primary else 0
        job.sink.info(4035, text(4035, count, record.name, file.name, found.position))
    if "NORECOVERY" not in job.options:
        recover(job, record)
    job.sink.info(3014, job.progress.summary(job.statement, pages))
    _history(job, found)
    what = "Log was restored." if job.is_log else "Database was restored:"
    job.instance.errorlog.write(
        f"{what} Database: {record.name}, creation date(time): {found.header['settings']['created']}, first LSN: "
        f"{found.header['first_lsn']}, last LSN: {found.header['last_lsn']}, number of dump devices: 1, device "
        f"information: (FILE={found.position}, TYPE=DISK: {{'{job.path}'}}). Informational message. No user action "
        "required.",
        "Backup",
    )


def recover(job: Job, record: DatabaseRecord) -> None:
    """Bring the database ONLINE: convert it and begin a new recovery fork."""
    for number, message in job.instance.convert(record):
        job.sink.info(number, message)
        job.instance.errorlog.write(message, f"spid{job.session.spid}")
    record.first_fork, record.fork, record.fork_lsn = record.fork, guid(), record.lsn
    record.options["BROKER"] = bool({"ENABLE_BROKER", "NEW_BROKER"} & job.options.flags)
    if "NEW_BROKER" in job.options:
        record.broker_guid = guid()
    if "RESTRICTED_USER" in job.options:
        record.user_access = "RESTRICTED_USER"
    job.instance.book.write_settings(record)
    record.state, record.redo = "ONLINE", None
    job.instance.book.save(record)


def _history(job: Job, found: BackupSet) -> None:
    known = next((i for i, d in job.instance.store.rows("backupset") if d["guid"] == found.header["guid"]), None)
    with job.instance.store.transaction():
        if known is None:
            known = job.instance.store.append(
                "backupset", {**found.header, "path": job.path, "position": found.position}
            )
        job.instance.store.append(
            "restorehistory",
            {
                "restore_date": clock.stamp(),
                "destination": job.name,
                "user": job.session.login,
                "backup_set_id": known,
                "type": found.header["type"],
                "replace": "REPLACE" in job.options,
                "recovery": "NORECOVERY" not in job.options,
                "restart": "RESTART" in job.options,
            },
        )
