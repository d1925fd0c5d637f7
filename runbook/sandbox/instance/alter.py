"""ALTER DATABASE and ALTER AUTHORIZATION ON DATABASE."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook.sandbox.contract import LanguageSession, Sink, SqlError
from runbook.sandbox.errors import error, text, unsupported, with_companion
from runbook.sandbox.instance import access, create, sessions
from runbook.sandbox.instance.gate import Busy
from runbook.sandbox.instance.options import Option, parse_option
from runbook.sandbox.instance.parse import Reader
from runbook.sandbox.instance.records import DatabaseRecord, DataFile

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance


@dataclass
class Termination:
    """WITH clause: ``kind`` is wait (none given), no_wait or rollback; ``after`` seconds of grace for rollback."""

    kind: str = "wait"
    after: float = 0.0


def alter_database(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """ALTER DATABASE name SET ... | MODIFY NAME = ... | COLLATE ... | ADD FILE ... | MODIFY FILE ..."""
    name = session.database if reader.accept("CURRENT") else reader.name()
    try:
        record = _target(instance, session, name)
        request = instance.entry(session).request
        if request is not None:
            request.concerns = record
        _clause(instance, session, record, reader, sink)
    except SqlError as problem:
        if problem.number in (15048, 102, 50999):
            raise
        raise with_companion(problem, error(5069)) from None
    sink.done()


def _target(instance: SandboxInstance, session: LanguageSession, name: str) -> DatabaseRecord:
    record = instance.find(name)
    if record is None or not access.is_privileged(instance, session, record):
        raise error(5011, name)
    return record


def _clause(
    instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord, reader: Reader, sink: Sink
) -> None:
    if reader.accept("SET"):
        _set(instance, session, record, reader, sink)
    elif reader.accept("MODIFY", "NAME"):
        reader.expect_symbol("=")
        new = reader.name()
        reader.end()
        _rename(instance, session, record, new, sink)
    elif reader.accept("COLLATE"):
        collation = reader.name()
        reader.end()
        with _alone(instance, session, record, 5030):
            record.collation = collation
            instance.book.save(record)
    elif reader.accept("ADD"):
        _add_file(instance, record, reader)
    elif reader.accept("MODIFY", "FILE"):
        _modify_file(instance, record, reader)
    else:
        raise unsupported("this clause of ALTER DATABASE")


# --- SET ---------------------------------------------------------------------------------------------------


def _set(
    instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord, reader: Reader, sink: Sink
) -> None:
    changes = [parse_option(reader, instance.version)]
    while reader.symbol(","):
        changes.append(parse_option(reader, instance.version))
    termination = _termination(reader)
    reader.end()
    _check_state(instance, session, record, [o for o, _ in changes])
    for option, value in changes:
        if option.needs_alone:
            _set_alone(instance, session, record, option, value, termination, sink)
        else:
            option.apply(instance, record, value)
            instance.book.save(record)
            _log(instance, session, record, option, value)


def _termination(reader: Reader) -> Termination:
    if not reader.accept("WITH"):
        return Termination()
    if reader.accept("NO_WAIT"):
        return Termination("no_wait")
    reader.expect("ROLLBACK")
    if reader.accept("IMMEDIATE"):
        return Termination("rollback")
    reader.expect("AFTER")
    seconds = reader.integer()
    reader.accept("SECONDS")
    return Termination("rollback", seconds)


def _check_state(
    instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord, options: list[Option]
) -> None:
    if record.is_snapshot:
        raise error(5093)
    names = {o.name for o in options}
    if record.state == "RESTORING":
        raise error(5052, "ALTER DATABASE", "RESTORING")
    if record.state == "OFFLINE" and not names <= {"ONLINE", "OFFLINE", "EMERGENCY"}:
        raise error(942, record.name)
    if record.state in ("RECOVERY_PENDING", "SUSPECT") and not names & {"ONLINE", "OFFLINE", "EMERGENCY"}:
        raise error(945, record.name)
    if record.is_system and (names & {"OFFLINE", "READ_ONLY", "EMERGENCY"} or record.name == "tempdb"):
        raise error(5058, sorted(names)[0], record.name)
    if record.user_access == "SINGLE_USER" and instance.gate.users(record) - {session.spid}:
        raise error(5064, record.name)


def _set_alone(
    instance: SandboxInstance,
    session: LanguageSession,
    record: DatabaseRecord,
    option: Option,
    value: object,
    termination: Termination,
    sink: Sink,
) -> None:
    deadline = time.monotonic() + termination.after

    def evict(spids: set[int]) -> None:
        session.wait(max(0.0, deadline - time.monotonic()))
        sink.info(5060, text(5060, 0))
        with instance.gate.changed:
            inside = instance.registry.some(spids & instance.gate.users(record))
        sessions.kill(inside)

    tolerate: Callable[[int], bool] = lambda _: False  # noqa: E731
    if option.name == "RESTRICTED_USER":
        tolerate = lambda spid: access.may_restrict(instance, spid, record)  # noqa: E731
    try:
        with instance.gate.alone(
            session,
            record,
            wait=termination.kind != "no_wait",
            evict=evict if termination.kind == "rollback" else None,
            tolerate=tolerate,
        ):
            if termination.kind == "rollback":
                sink.info(5060, text(5060, 100))
            option.apply(instance, record, value)
            instance.book.save(record)
            _log(instance, session, record, option, value)
    except Busy:
        raise error(5061 if option.name in ("OFFLINE", "EMERGENCY") else 5070, record.name, state=2) from None


def _log(
    instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord, option: Option, value: object
) -> None:
    shown = "ON" if value is True else "OFF" if value is False else value
    instance.errorlog.write(
        f"Setting database option {option.name} to {shown} for database '{record.name}'.", f"spid{session.spid}"
    )


# --- the rest ----------------------------------------------------------------------------------------------


def _alone(instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord, number: int) -> _Alone:
    return _Alone(instance, session, record, number)


class _Alone:
    """Have a database alone at once, or raise the given error."""

    def __init__(
        self, instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord, number: int
    ) -> None:
        self._scope = instance.gate.alone(session, record, wait=False)
        self._number = number

    def __enter__(self) -> None:
        try:
            self._scope.__enter__()
        except Busy:
            raise error(self._number) from None

    def __exit__(self, *problem: object) -> None:
        self._scope.__exit__(*problem)  # type: ignore[arg-type]


def _rename(instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord, new: str, sink: Sink) -> None:
    if record.is_system:
        raise error(5058, "NAME", record.name)
    if instance.book.snapshots_of(record):
        raise error(5094)
    if record.state == "RESTORING":
        raise error(5052, "ALTER DATABASE", "RESTORING")
    with _alone(instance, session, record, 5030):
        old = record.name
        instance.book.rename(record, new)
        if instance.gate.context(session.spid) is record:
            session.database = new
        if record.state == "ONLINE":
            instance.book.write_settings(record)
        sink.info(15326, f"The database name '{new}' has been set.")
        instance.errorlog.write(f"Database name changed from '{old}' to '{new}'.", f"spid{session.spid}")


def _add_file(instance: SandboxInstance, record: DatabaseRecord, reader: Reader) -> None:
    if reader.accept("FILEGROUP"):
        reader.name()
        if not reader.done:
            raise unsupported("ADD FILEGROUP ... CONTAINS")
        return
    kind = "LOG" if reader.accept("LOG") else "ROWS"
    reader.expect("FILE")
    spec = create.file_spec(reader)
    group = reader.name() if reader.accept("TO", "FILEGROUP") else "PRIMARY"
    reader.end()
    if any(f.name.lower() == str(spec.get("name", "")).lower() for f in record.files):
        raise error(1834, spec.get("physical", ""), record.name)
    number = max(f.file_id for f in record.files) + 1
    file = DataFile(number, kind=kind, filegroup=group if kind == "ROWS" else None, **spec)
    if Path(file.physical).exists():
        raise error(5170, file.physical)
    Path(file.physical).write_bytes(b"sandbox " + kind.encode())
    record.files.append(file)
    instance.book.save(record)


def _modify_file(instance: SandboxInstance, record: DatabaseRecord, reader: Reader) -> None:
    spec = create.file_spec(reader)
    reader.end()
    name = str(spec.pop("name", ""))
    file = next((f for f in record.files if f.name.lower() == name.lower()), None)
    if file is None:
        raise SqlError(5041, f"MODIFY FILE failed. File '{name}' does not exist.", 16)
    if "physical" in spec:
        raise unsupported("MODIFY FILE with FILENAME")
    file.name = str(spec.pop("newname", file.name))
    for key, value in spec.items():
        setattr(file, key, value)
    instance.book.save(record)


def alter_authorization(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """ALTER AUTHORIZATION ON DATABASE::name TO login."""
    reader.expect("DATABASE")
    reader.expect_symbol("::")
    name = reader.name()
    reader.expect("TO")
    owner = reader.name()
    reader.end()
    record = instance.find(name)
    if record is None or not access.is_owner(instance, session, record):
        raise error(15151, "find", "database", name)
    login = instance.logins.find(owner)
    if login is None:
        raise error(15151, "find", "principal", owner)
    if record.is_read_only:
        raise error(3906, record.name)
    access.check(instance, session, record)
    record.owner_sid = login.sid
    instance.book.save(record)
    sink.done()
