"""BACKUP DATABASE and BACKUP LOG: real files with everything that is committed in the database."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import apsw

from runbook.sandbox.contract import LanguageSession, Sink, SqlError
from runbook.sandbox.errors import error, text, with_companion
from runbook.sandbox.instance import access, backup_options, book, clock, headers, media
from runbook.sandbox.instance.backup_options import Options
from runbook.sandbox.instance.gate import Busy
from runbook.sandbox.instance.parse import Reader
from runbook.sandbox.instance.progress import Progress, pages_of
from runbook.sandbox.instance.records import DatabaseRecord, Redo

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

COPY_SHARE = 0.5
"""Share of the progress that reading the pages takes; the rest is writing the device."""


@dataclass
class Job:
    """One BACKUP in work."""

    instance: SandboxInstance
    session: LanguageSession
    sink: Sink
    record: DatabaseRecord
    path: str
    options: Options
    kind: str
    progress: Progress
    started: str = field(default_factory=clock.stamp)
    guid: str = field(default_factory=lambda: str(uuid.uuid4()).upper())

    @property
    def is_tail(self) -> bool:
        """Does this backup leave the database RESTORING?"""
        return self.kind == "L" and "NORECOVERY" in self.options

    @property
    def statement(self) -> str:
        """The words messages use for this statement."""
        if self.kind == "L":
            return "BACKUP LOG"
        return "BACKUP DATABASE WITH DIFFERENTIAL" if self.kind == "I" else "BACKUP DATABASE"


def backup_database(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """BACKUP DATABASE name TO DISK = ... WITH ..."""
    _run(instance, session, reader, sink, "BACKUP DATABASE")


def backup_log(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """BACKUP LOG name TO DISK = ... WITH ..."""
    _run(instance, session, reader, sink, "BACKUP LOG")


def _run(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink, words: str) -> None:
    name = reader.name()
    reader.expect("TO")
    paths = backup_options.devices(instance, reader)
    options = backup_options.parse(reader)
    try:
        record = _demand(instance, session, name, words)
        kind = "L" if words == "BACKUP LOG" else "I" if "DIFFERENTIAL" in options else "D"
        job = Job(
            instance, session, sink, record, paths[0], options, kind, Progress(instance, session, sink, options.stats)
        )
        if job.progress.request is not None:
            job.progress.request.concerns = record
        _check_chain(job)
        with _place(job), _serialised(job):
            _perform(job)
    except SqlError as problem:
        instance.errorlog.write(_failed(words, name), "Backup")
        raise with_companion(problem, error(3013, words)) from None
    except BaseException:
        instance.errorlog.write(_failed(words, name), "Backup")
        raise
    sink.done()


def _failed(words: str, name: str) -> str:
    return (
        f"Error: 3041, Severity: 16, State: 1. BACKUP failed to complete the command {words} {name}. "
        "Check the backup application log for detailed messages."
    )


def _demand(instance: SandboxInstance, session: LanguageSession, name: str, words: str) -> DatabaseRecord:
    record = instance.demand(name)
    if record.name == "tempdb":
        raise error(3147)
    if record.is_snapshot:
        raise error(3002)
    if not instance.may_back_up(session, record):
        raise error(262, words, name)
    if record.state == "EMERGENCY":
        raise error(3033)
    access.check(instance, session, record)
    return record


def _check_chain(job: Job) -> None:
    record = job.record
    if "COMPRESSION" in job.options and "Express" in job.instance.edition:
        raise error(1844, "BACKUP DATABASE WITH COMPRESSION", job.instance.edition)
    if job.kind == "I" and record.base_guid is None:
        raise error(3035, record.name)
    if job.kind != "L":
        return
    if record.name == "master":
        raise error(4212)
    if not record.is_logged:
        raise error(4208, "BACKUP LOG")
    if record.log_start is None:
        raise error(4214)
    if record.is_read_only:
        job.sink.info(4217, text(4217))


@contextmanager
def _place(job: Job) -> Iterator[None]:
    """Be in the database as a reader, or, for a tail-log backup, have it alone."""
    if not job.is_tail:
        with job.instance.using(job.session, job.record.name):
            yield
        return
    if job.instance.gate.context(job.session.spid) is job.record:
        raise error(3102, "BACKUP LOG", job.record.name)
    try:
        with job.instance.gate.alone(job.session, job.record, wait=False):
            access.check(job.instance, job.session, job.record)
            yield
    except Busy:
        raise error(3101) from None


@contextmanager
def _serialised(job: Job) -> Iterator[None]:
    """One backup at a time per database: the order of LSNs must be the order of the contents."""
    running = job.instance.backups_running
    gate = job.instance.gate
    with gate.changed:
        if job.kind != "L" and running.get(job.record, "L") != "L":
            raise error(3023)
        gate.wait(job.session, lambda: job.record not in running)
        running[job.record] = job.kind
    try:
        yield
    finally:
        with gate.changed:
            del running[job.record]
            gate.changed.notify_all()


def _perform(job: Job) -> None:
    try:
        _write_device(job)
    except OSError as problem:  # what was left to write when the file was closed
        raise error(3202, job.path, media.os_error(problem)) from None


def _write_device(job: Job) -> None:
    with media.opened(job.path, "x+b" if not Path(job.path).exists() else "r+b", exclusive=True) as file:
        keep = _keep_length(job, file)
        try:
            if job.is_tail:
                _fence(job)
            position, header = _write(job, file)
        except BaseException as problem:
            if job.is_tail:
                _unfence(job)
            _undo(job.path, file, keep)
            if isinstance(problem, OSError):
                raise error(3202, job.path, media.os_error(problem)) from None
            if isinstance(problem, apsw.FullError):
                raise error(3202, job.path, media.DISK_FULL) from None
            raise
    _record(job, header, position)
    _announce(job, header, position)


def _keep_length(job: Job, file: BinaryIO) -> int:
    """How much of the file stays when the backup fails; 0 removes the file. Overwriting begins here."""
    size = os.fstat(file.fileno()).st_size
    if "FORMAT" in job.options or size == 0:
        return 0
    found = media.scan(file, job.path)
    if "INIT" in job.options:
        return 0
    return found.sets[-1].blocks_end if found.sets else media.label_end(file)


def _undo(path: str, file: BinaryIO, keep: int) -> None:
    if keep:
        with suppress(OSError):
            file.flush()
        os.ftruncate(file.fileno(), keep)
    else:
        Path(path).unlink(missing_ok=True)


def _fence(job: Job) -> None:
    """RESTORING before the first byte is read: nothing can be committed behind the tail, even if the server dies."""
    record = job.record
    job.instance.book.write_settings(record)
    record.state = "RESTORING"
    record.redo = Redo(record.lsn, record.fork, ready=True, base_guid=record.base_guid)
    job.instance.book.save(record)


def _unfence(job: Job) -> None:
    job.record.state, job.record.redo = "ONLINE", None
    job.instance.book.save(job.record)


def _write(job: Job, file: BinaryIO) -> tuple[int, dict[str, Any]]:
    """Copy the pages, then write them to the device as a new backup set."""
    first_lsn = job.record.log_start if job.kind == "L" else job.record.lsn
    _, copy = job.instance.book.new_path(job.record)
    try:
        job.instance.storage.copy_file(job.record.path, copy, job.progress.part(0, COPY_SHARE), job.session.check)
        header = headers.compose(job, first_lsn or 0, Path(copy).stat().st_size)
        position = _open_set(job, file)
        writer = media.SetWriter(file, headers.opening(header), compress=header["compressed"])
        _stream(job, copy, writer)
        header["finished"] = clock.stamp()
        return position, writer.finish({**header, "position": position})
    finally:
        book.remove_file(copy)


def _open_set(job: Job, file: BinaryIO) -> int:
    """Position the file where the new set begins; returns the set's number."""
    size = os.fstat(file.fileno()).st_size
    if size and not {"INIT", "FORMAT"} & job.options.flags:
        found = media.scan(file, job.path)
        complete = [s for s in found.sets if s.complete]
        end = complete[-1].blocks_end if complete else media.label_end(file)
        file.truncate(end)
        file.seek(end)
        return len(complete) + 1
    media.write_label(file, headers.label(job))
    return 1


def _stream(job: Job, copy: str, writer: media.SetWriter) -> None:
    total = max(1, Path(copy).stat().st_size)
    part = job.progress.part(COPY_SHARE, 1)
    done = 0
    with Path(copy).open("rb") as source:
        while block := source.read(media.BLOCK):
            writer.block(block)
            done += len(block)
            part(done / total)
            if job.progress.request is not None and job.progress.request.disk_full and done * 2 >= total:
                raise OSError(errno.ENOSPC, "No space left on device")


def _record(job: Job, header: dict[str, Any], position: int) -> None:
    """The database's place in the chain and the history in msdb, in one durable write."""
    record, copy_only = job.record, header["is_copy_only"]
    with job.instance.gate.changed, job.instance.store.transaction():
        record.lsn = max(record.lsn, header["last_lsn"])
        if job.kind == "D" and not copy_only:
            record.base_lsn, record.base_guid = header["first_lsn"], job.guid
            record.database_backup_lsn = header["first_lsn"]
            if record.is_logged and record.log_start is None:
                record.log_start = header["first_lsn"]
        if job.kind == "L" and not copy_only:
            record.log_start = header["last_lsn"]
        if job.is_tail:
            record.redo = Redo(record.lsn, record.fork, ready=True, base_guid=record.base_guid)
        job.instance.book.save(record)
        job.instance.store.append("backupset", {**header, "path": job.path, "position": position})


def _announce(job: Job, header: dict[str, Any], position: int) -> None:
    job.progress.finish()
    pages = pages_of(header["content_bytes"])
    record, sink = job.record, job.sink
    log = next(f for f in record.files if f.kind == "LOG")
    if job.kind == "L":
        sink.info(4035, text(4035, pages, record.name, log.name, position))
    else:
        sink.info(4035, text(4035, pages, record.name, record.primary.name, position))
        sink.info(4035, text(4035, 2, record.name, log.name, position))
        pages += 2
    sink.info(3014, job.progress.summary(job.statement, pages))
    what = {"D": "Database backed up.", "L": "Log was backed up.", "I": "Database differential changes were backed up."}
    job.instance.errorlog.write(
        f"{what[job.kind]} Database: {record.name}, creation date(time): {record.created}, pages dumped: {pages}, "
        f"first LSN: {header['first_lsn']}, last LSN: {header['last_lsn']}, number of dump devices: 1, "
        f"device information: (FILE={position}, TYPE=DISK: {{'{job.path}'}}). "
        "This is an informational message only. No user action is required.",
        "Backup",
    )
