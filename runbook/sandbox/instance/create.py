"""CREATE DATABASE: new, attached, snapshot."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from runbook.sandbox.contract import LanguageSession, Sink
from runbook.sandbox.errors import error, unsupported
from runbook.sandbox.instance import access, attach, book, media
from runbook.sandbox.instance.parse import Reader
from runbook.sandbox.instance.records import DatabaseRecord, DataFile

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

PAGES = {"KB": 1 / 8, "MB": 128, "GB": 131_072, "TB": 134_217_728}


@dataclass
class Request:
    """A parsed CREATE DATABASE."""

    name: str
    files: list[dict[str, Any]] = field(default_factory=list)
    collation: str | None = None
    attach: bool = False
    source: str | None = None
    options: dict[str, bool] = field(default_factory=dict)


def create_database(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """CREATE DATABASE."""
    if not instance.logins.has_role(session.login, "dbcreator"):
        raise error(262, "CREATE DATABASE", "master")
    request = _parse(reader)
    login = instance.logins.find(session.login)
    owner = "01" if login is None else login.sid
    if request.source is not None:
        _snapshot(instance, session, request)
    elif request.attach:
        for number, message in attach.attach(instance, request.name, [f["physical"] for f in request.files], owner):
            sink.info(number, message)
    else:
        _new(instance, session, request, owner)
    sink.done()


def _parse(reader: Reader) -> Request:
    request = Request(reader.name())
    if reader.accept("CONTAINMENT"):
        reader.expect_symbol("=")
        if reader.word() != "NONE":
            raise unsupported("CONTAINMENT = PARTIAL")
    if reader.accept("ON"):
        reader.accept("PRIMARY")
        _file_list(reader, request, "ROWS", "PRIMARY")
        while reader.accept("FILEGROUP"):
            group = reader.name()
            if reader.accept("CONTAINS"):
                raise unsupported("CREATE DATABASE with FILESTREAM or MEMORY_OPTIMIZED_DATA filegroups")
            reader.accept("DEFAULT")
            _file_list(reader, request, "ROWS", group)
    if reader.accept("LOG", "ON"):
        _file_list(reader, request, "LOG", None)
    if reader.accept("COLLATE"):
        request.collation = reader.name()
    _parse_tail(reader, request)
    reader.end()
    return request


def _parse_tail(reader: Reader, request: Request) -> None:
    if reader.accept("AS", "SNAPSHOT", "OF"):
        request.source = reader.name()
    elif reader.accept("FOR", "ATTACH") or reader.accept("FOR", "ATTACH_REBUILD_LOG"):
        request.attach = True
    while reader.accept("WITH") or reader.symbol(","):
        option = reader.word()
        if option not in ("TRUSTWORTHY", "DB_CHAINING"):
            raise unsupported(f"CREATE DATABASE WITH {option}")
        request.options[option] = reader.word() == "ON"


def _file_list(reader: Reader, request: Request, kind: str, group: str | None) -> None:
    while True:
        request.files.append({**file_spec(reader), "kind": kind, "filegroup": group})
        if not (reader.symbol(",")):
            return
        if reader.is_word("FILEGROUP"):
            return


def file_spec(reader: Reader) -> dict[str, Any]:
    """(NAME = ..., FILENAME = ..., SIZE = ..., MAXSIZE = ..., FILEGROWTH = ..., NEWNAME = ...)."""
    spec: dict[str, Any] = {}
    reader.expect_symbol("(")
    while True:
        key = reader.word()
        reader.expect_symbol("=")
        if key in ("NAME", "NEWNAME"):
            token = reader.peek()
            is_text = token is not None and token.kind == "string"
            spec[key.lower()] = reader.string() if is_text else reader.name()
        elif key == "FILENAME":
            spec["physical"] = reader.string()
        elif key == "SIZE":
            spec["size_pages"] = _size(reader)
        elif key == "MAXSIZE":
            spec["max_size"] = -1 if reader.accept("UNLIMITED") else _size(reader)
        elif key == "FILEGROWTH":
            spec["growth"] = _growth(reader)
        else:
            raise reader.syntax()
        if not reader.symbol(","):
            break
    reader.expect_symbol(")")
    return spec


def _size(reader: Reader) -> int:
    number = reader.integer()
    unit = reader.one_of("KB", "MB", "GB", "TB") or "MB"
    return int(number * PAGES[unit])


def _growth(reader: Reader) -> str:
    number = reader.integer()
    if reader.symbol("%"):
        return f"{number}%"
    return f"{number}{reader.one_of('KB', 'MB', 'GB', 'TB') or 'MB'}"


def default_files(instance: SandboxInstance, name: str) -> list[DataFile]:
    """Data and log file of a database that names none."""
    base = instance.data_directory / name.replace("/", "_")
    return [
        DataFile(1, name, f"{base}.mdf"),
        DataFile(2, f"{name}_log", f"{base}_log.ldf", "LOG", None),
    ]


def _files(instance: SandboxInstance, request: Request) -> list[DataFile]:
    if not request.files:
        return default_files(instance, request.name)
    specs = list(request.files)
    if not any(s["kind"] == "LOG" for s in specs):
        log = default_files(instance, request.name)[1]
        specs.append({"name": log.name, "physical": log.physical, "kind": "LOG", "filegroup": None})
    data = [s for s in specs if s["kind"] == "ROWS"]
    specs = [*data[:1], *(s for s in specs if s["kind"] == "LOG"), *data[1:]]  # the first log is file 2
    return [DataFile(number, **_complete(spec)) for number, spec in enumerate(specs, 1)]


def _complete(spec: dict[str, Any]) -> dict[str, Any]:
    if "physical" not in spec:
        raise unsupported("a file without FILENAME")
    return {"name": Path(spec["physical"]).stem, **spec}


def _new(instance: SandboxInstance, session: LanguageSession, request: Request, owner: str) -> None:
    record = DatabaseRecord(
        name=request.name,
        id=0,
        files=_files(instance, request),
        owner_sid=owner,
        version=instance.version.internal,
        compatibility_level=instance.version.compatibility,
        create_version=instance.version.internal,
        recovery_model=instance.demand("model").recovery_model,
        lsn=34_000_000_000_000_001,
    )
    record.collation = request.collation or record.collation
    record.options["BROKER"] = True
    record.options.update(request.options)
    instance.book.reserve(record)
    try:
        _check_targets(record)
        _fill(instance, session, record.physical)
        instance.build(record)
    except apsw.FullError:
        instance.book.forget(record)
        raise error(5123, media.DISK_FULL, record.physical, also=(error(1802, state=4),)) from None
    except BaseException:
        instance.book.forget(record)
        raise


def _fill(instance: SandboxInstance, session: LanguageSession, physical: str) -> None:
    request = instance.entry(session).request
    if request is not None and request.disk_full:
        raise error(5123, media.DISK_FULL, physical, also=(error(1802, state=4),))


def _check_targets(record: DatabaseRecord) -> None:
    for file in record.files:
        path = Path(file.physical)
        if not path.is_absolute() or not path.parent.is_dir():
            raise error(5133, file.physical, media.OS_ERRORS[errno.ENOENT], also=(error(1802),))
        if path.exists() or path.is_symlink():
            raise error(5170, file.physical, also=(error(1802, state=4),))
        if not os.access(path.parent, os.W_OK):
            raise error(5123, media.OS_ERRORS[errno.EACCES], file.physical, also=(error(1802, state=4),))


def _snapshot(instance: SandboxInstance, session: LanguageSession, request: Request) -> None:
    source = instance.demand(request.source or "")
    _check_source(instance, session, source)
    record = DatabaseRecord.from_doc(source.to_doc())
    record.name, record.id, record.source_id = request.name, 0, source.id
    record.files = _sparse_files(source, request)
    record.options["SOURCE_RECOVERY"], record.options["SOURCE_READ_ONLY"] = source.recovery_model, source.is_read_only
    record.is_read_only, record.recovery_model, record.user_access = True, "SIMPLE", "MULTI_USER"
    record.created = DatabaseRecord(source.name, 0, [], "", 0, 0).created
    record.generation, record.reverting, record.redo = 0, None, None
    instance.book.reserve(record)
    try:
        _check_targets(record)
        _copy_snapshot(instance, session, source, record)
    except BaseException:
        instance.book.forget(record)
        raise


def _check_source(instance: SandboxInstance, session: LanguageSession, source: DatabaseRecord) -> None:
    if source.is_snapshot:
        raise error(1821)
    if source.name.lower() in ("master", "model", "tempdb"):
        raise error(1816, source.name)
    if source.state != "ONLINE":
        raise error(1822)
    if not access.is_owner(instance, session, source):
        raise error(1817, source.name)


def _sparse_files(source: DatabaseRecord, request: Request) -> list[DataFile]:
    wanted = {f.name.lower(): f for f in source.files if f.kind == "ROWS"}
    given = {str(s.get("name", "")).lower(): s for s in request.files}
    for name, spec in given.items():
        if name not in wanted:
            raise error(5114, spec.get("name", ""))
    for name, file in wanted.items():
        if name not in given:
            raise error(5127, file.name)
    return [
        DataFile(f.file_id, f.name, str(given[key]["physical"]), "ROWS", f.filegroup, f.size_pages)
        for key, f in wanted.items()
    ]


def _copy_snapshot(
    instance: SandboxInstance, session: LanguageSession, source: DatabaseRecord, record: DatabaseRecord
) -> None:
    request = instance.entry(session).request
    if request is not None and request.disk_full:
        raise error(5128, record.physical, also=(error(1802, state=4),))
    generation, path = instance.book.new_path(record)
    try:
        with instance.using(session, source.name):
            instance.storage.copy_file(source.path, path, lambda _: None, session.check)
            record.lsn = source.advance()
            instance.book.save(source)
        instance.book.publish(record, generation)
        book.touch_others(record)
    except apsw.FullError:
        book.remove_file(path)
        raise error(5128, record.physical, also=(error(1802, state=4),)) from None
    except BaseException:
        book.remove_file(path)
        raise
