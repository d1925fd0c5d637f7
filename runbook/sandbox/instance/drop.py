"""DROP DATABASE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runbook.sandbox.contract import LanguageSession, Sink
from runbook.sandbox.errors import error
from runbook.sandbox.instance import access
from runbook.sandbox.instance.gate import Busy
from runbook.sandbox.instance.parse import Reader
from runbook.sandbox.instance.records import DatabaseRecord

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance


def drop_database(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """DROP DATABASE [IF EXISTS] name [, ...]."""
    missing_ok = reader.accept("IF", "EXISTS")
    names = [reader.name()]
    while reader.symbol(","):
        names.append(reader.name())
    reader.end()
    for name in names:
        _drop_one(instance, session, name, missing_ok=missing_ok)
    sink.done()


def check(instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord, verb: str) -> None:
    """May this database be dropped or detached (``verb``)? Raises 3701, 3706, 3708, 3709."""
    if record.is_system:
        raise error(3708, verb, record.name)
    if verb == "detach" and record.is_snapshot:
        raise error(3706, verb)
    for snapshot in instance.book.snapshots_of(record):
        raise error(3709, verb, snapshot.name)
    if not access.is_privileged(instance, session, record):
        raise error(3701, "database", record.name)


def _drop_one(instance: SandboxInstance, session: LanguageSession, name: str, *, missing_ok: bool) -> None:
    record = instance.find(name)
    if record is None:
        if missing_ok:
            return
        raise error(3701, "database", name)
    check(instance, session, record, "drop")
    if session.spid in instance.gate.users(record):
        raise error(3702, record.name, state=3)
    try:
        with instance.gate.alone(session, record, wait=False):
            drop_now(instance, record)
    except Busy:
        raise error(3702, record.name, state=4) from None


def drop_now(instance: SandboxInstance, record: DatabaseRecord) -> None:
    """Remove a database nobody uses. Files of an OFFLINE database stay behind, as on SQL Server."""
    keep_files = record.state == "OFFLINE" and Path(record.path).exists()
    if keep_files:
        instance.book.forget(record)
        Path(record.path).replace(record.physical)
    else:
        instance.book.destroy(record)
