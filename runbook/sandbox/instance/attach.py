"""Attaching and detaching database files."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.errors import error
from runbook.sandbox.instance import book, drop, media, storage
from runbook.sandbox.instance.gate import Busy
from runbook.sandbox.instance.records import NOT_RESTORED, DatabaseRecord, DataFile, guid

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance


def attach(instance: SandboxInstance, name: str, physical: list[str], owner: str) -> list[tuple[int, str]]:
    """CREATE DATABASE ... FOR ATTACH; returns the messages of the upgrade, numbered."""
    if instance.find(name) is not None:
        raise error(1801, name, state=3)
    if not physical:
        raise error(1813, name, state=2)
    primary = Path(physical[0])
    other = instance.book.owner_of_file(str(primary))
    if other is not None:
        raise error(1834, str(primary), other.name)
    if not primary.exists():
        raise error(5120, str(primary), media.OS_ERRORS[errno.ENOENT])
    if primary.is_symlink():
        raise error(5120, str(primary), media.OS_ERRORS[errno.EAGAIN])
    settings = storage.read_settings(instance.storage, str(primary))
    if settings is None:
        raise error(5171, str(primary))
    if settings["version"] > instance.version.internal:
        newer = error(948, name, settings["version"], instance.version.internal)
        newer.severity = 16
        raise error(1813, name, state=2, also=(newer,))
    record = _attached(name, physical, settings, owner)
    instance.book.reserve(record)
    try:
        return _publish_attached(instance, record, primary)
    except BaseException:
        instance.book.forget(record)
        raise


def _attached(name: str, physical: list[str], settings: dict[str, Any], owner: str) -> DatabaseRecord:
    settings = {k: v for k, v in settings.items() if k != "name"}
    kept = [DataFile(**f) for f in settings.pop("files")]
    given = {Path(p).name: p for p in physical[1:]}
    folder = Path(physical[0]).parent
    for file in kept:
        own = Path(file.physical).name
        file.physical = given.get(own, str(folder / own))
    primary = next(f for f in kept if f.kind == "ROWS")
    primary.physical = physical[0]
    options = {**settings.pop("options")}
    options.update(dict.fromkeys(NOT_RESTORED, False))
    return DatabaseRecord(name=name, id=0, files=kept, owner_sid=owner, options=options, **settings)


def _publish_attached(instance: SandboxInstance, record: DatabaseRecord, primary: Path) -> list[tuple[int, str]]:
    generation, path = instance.book.new_path(record)
    for suffix in ("-wal", ""):
        if Path(f"{primary}{suffix}").exists():
            Path(f"{primary}{suffix}").rename(f"{path}{suffix}")
    record.fork = guid()
    try:
        instance.book.publish(record, generation)
    except BaseException:
        Path(path).rename(primary)
        raise
    book.touch_others(record)
    messages = instance.convert(record)
    instance.book.write_settings(record)
    return messages


def detach(instance: SandboxInstance, session: LanguageSession, name: str) -> None:
    """sp_detach_db: the files stay, as files of their own. Raises 3703, 3709."""
    record = instance.find(name)
    if record is None:
        raise error(15010, name)
    drop.check(instance, session, record, "detach")
    try:
        with instance.gate.alone(session, record, wait=False):
            if record.state == "ONLINE":
                instance.book.write_settings(record)
            instance.storage.copy_file(record.path, f"{record.path}.out", lambda _: None, session.check)
            instance.book.forget(record)
            Path(f"{record.path}.out").replace(record.physical)
            book.remove_file(record.path)
    except Busy:
        raise error(3703, "database", name) from None
