"""Database files, as the instance sees them. Every function opens the file for itself."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from runbook.sandbox.language.catalog.catalog import Catalog, initial_items
from runbook.sandbox.language.engine import collate

APPLICATION_ID = 0x52424B44
PAGES_A_STEP = 256

_TABLES = """
CREATE TABLE sys_meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE sys_items(kind TEXT, id INTEGER, body TEXT, PRIMARY KEY(kind, id)) WITHOUT ROWID;
CREATE TABLE sys_identity(id INTEGER PRIMARY KEY, value INTEGER);
CREATE TABLE sys_sequence(id INTEGER PRIMARY KEY, value INTEGER, used INTEGER);
CREATE TABLE sys_property(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
INSERT INTO sys_meta VALUES('token', lower(hex(randomblob(8)))), ('rowversion', '2000');
"""


def open_file(path: str) -> apsw.Connection:
    """A connection to a database file, with what its indexes need."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(30_000)
    keep_log(connection, "main")
    collate.register(connection)
    return connection


def keep_log(connection: apsw.Connection, name: str) -> None:
    """Never delete the write-ahead log by name: a file of that name may belong to a newer file by then."""
    flag = (1).to_bytes(4, "little")
    with memory(flag) as address:
        connection.file_control(name, apsw.SQLITE_FCNTL_PERSIST_WAL, address)


class memory:  # noqa: N801 - used like a function
    """The address of a buffer, as SQLite's file controls want it."""

    def __init__(self, data: bytes) -> None:
        self._buffer = ctypes.create_string_buffer(data)
        self._address = ctypes.addressof(self._buffer)

    def __enter__(self) -> int:
        return self._address

    def __exit__(self, *_: object) -> None:
        return None


def create_database(path: str) -> None:
    """A new, empty database file with its catalog inside. OSError or apsw errors when it cannot be written."""
    Path(path).unlink(missing_ok=True)
    connection = apsw.Connection(path)
    try:
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute("PRAGMA auto_vacuum=NONE")
        connection.execute("PRAGMA journal_mode=WAL")
        keep_log(connection, "main")
        with connection:
            connection.execute(_TABLES)
            connection.executemany(
                "INSERT INTO sys_items VALUES(?,?,?)", [(k, i, json.dumps(b)) for k, i, b in initial_items()]
            )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def get_property(path: str, name: str) -> str | None:
    """A property kept inside the file, or None."""
    connection = open_file(path)
    try:
        row = connection.execute("SELECT value FROM sys_property WHERE name=?", (name,)).fetchone()
        return None if row is None else str(row[0])
    finally:
        connection.close()


def set_property(path: str, name: str, value: str) -> None:
    """Keep a property inside the file."""
    connection = open_file(path)
    try:
        connection.execute("INSERT OR REPLACE INTO sys_property VALUES(?,?)", (name, value))
    finally:
        connection.close()


def settle(path: str) -> None:
    """Move everything committed from the write-ahead log into the main file."""
    connection = open_file(path)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()


def copy_file(
    source: str,
    target: str,
    progress: Callable[[float], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Copy the committed pages of a database in use into a new file. ``progress`` gets the part done (0..1), ``check``
    may raise to stop; the target is then removed."""
    Path(target).unlink(missing_ok=True)
    reader = open_file(source)
    try:
        writer = apsw.Connection(target)
        try:
            writer.execute("PRAGMA synchronous=OFF")
            _copy(reader, writer, progress, check)
        finally:
            writer.close()
        _sync(target)
    except BaseException:
        Path(target).unlink(missing_ok=True)
        raise
    finally:
        reader.close()


def _copy(
    reader: apsw.Connection, writer: apsw.Connection, progress: Callable[[float], None], check: Callable[[], None]
) -> None:
    # A read transaction holds one consistent state: without it a commit by somebody else would begin the copy anew.
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sys_meta").fetchall()
    with writer.backup("main", reader, "main") as copy:
        while not copy.done:
            check()
            copy.step(PAGES_A_STEP)
            if copy.page_count:
                progress(1 - copy.remaining / copy.page_count)
    reader.execute("COMMIT")


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_catalog(path: str) -> Catalog:
    """The catalog of a file that no session need have open."""
    connection = open_file(path)
    try:
        return read_catalog(connection, "main")
    finally:
        connection.close()


def value(connection: apsw.Connection, sql: str) -> Any:
    """First column of the first row."""
    row = connection.execute(sql).fetchone()
    return None if row is None else row[0]


def read_catalog(connection: apsw.Connection, name: str) -> Catalog:
    """The catalog of an attached file; one statement reads it, so that the token belongs to the items."""
    rows: list[Any] = connection.execute(
        f"SELECT '', 0, value FROM {name}.sys_meta WHERE key='token' "
        f"UNION ALL SELECT kind, id, body FROM {name}.sys_items"
    ).fetchall()
    return Catalog(str(rows[0][2]), rows[1:])


def users(path: str) -> list[tuple[str, bytes, str, list[str]]]:
    """Users of a database: name, sid, type and names of the roles they are in (nested roles resolved)."""
    catalog = load_catalog(path)
    principals = catalog.principals
    found = []
    for one in principals.values():
        if one.type == "R":
            continue
        inside, grown = {one.id}, True
        while grown:
            more = {p.id for p in principals.values() if set(p.members) & inside} - inside
            inside, grown = inside | more, bool(more)
        roles = [principals[i].name for i in sorted(inside) if principals[i].type == "R"]
        found.append((one.name, bytes.fromhex(one.sid), one.type, roles))
    return found


def checksum_tables(path: str) -> list[tuple[str, int, int]]:
    """(``schema.table``, rows, object id) of every user table."""
    connection = open_file(path)
    try:
        catalog = read_catalog(connection, "main")
        return [
            (catalog.full_name(t), int(value(connection, f"SELECT count(*) FROM {t.phys}")), t.id)
            for t in catalog.tables()
        ]
    finally:
        connection.close()


def integrity_errors(path: str) -> list[str]:
    """What is wrong with a file: SQLite's own check, then that the catalog and the tables belong together."""
    try:
        connection = open_file(path)
    except apsw.Error as error:
        return [str(error)]
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(100)") if row[0] != "ok"]
        return found + _catalog_errors(connection)
    except apsw.Error as error:
        return [str(error)]
    finally:
        connection.close()


def _catalog_errors(connection: apsw.Connection) -> list[str]:
    catalog = read_catalog(connection, "main")
    present = {r[0] for r in connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")}
    errors = []
    for table in catalog.tables():
        if table.phys not in present:
            errors.append(f"table {catalog.full_name(table)} has no pages")
            continue
        columns = {r[1] for r in connection.execute(f"PRAGMA table_info({table.phys})")}
        errors += [
            f"column {c.name} of {catalog.full_name(table)} is missing" for c in table.stored() if c.phys not in columns
        ]
    return errors


def corrupt_one_row(path: str) -> str:
    """Change one value of one row, always the same one: the fault that validation must notice. Returns the table."""
    connection = open_file(path)
    try:
        catalog = read_catalog(connection, "main")
        for table in sorted(catalog.tables(), key=lambda t: catalog.full_name(t).casefold()):
            changed = _change(connection, table)
            if changed:
                return catalog.full_name(table)
        return ""
    finally:
        connection.close()


def _change(connection: apsw.Connection, table: Any) -> bool:
    keys = {k for i in table.indexes if i.unique for k, _ in i.keys} | {
        c for f in table.foreign_keys for c in f.columns
    }
    for column in table.stored():
        if column.id in keys or column.identity or column.type.name == "timestamp":
            continue
        expression = _changed(column)
        if expression is None:
            continue
        where = f"rowid = (SELECT min(rowid) FROM {table.phys} WHERE {column.phys} IS NOT NULL)"
        connection.execute(f"UPDATE {table.phys} SET {column.phys} = {expression} WHERE {where}")
        if connection.changes():
            return True
    return False


def _changed(column: Any) -> str | None:
    name, phys = column.type.name, column.phys
    if name in ("varchar", "nvarchar", "text", "ntext", "char", "nchar"):
        return f"CASE WHEN substr({phys},1,1) = '~' THEN '!' ELSE '~' END || substr({phys},2)"
    if name == "bit":
        return f"1 - {phys}"
    if name in ("tinyint", "smallint", "int", "bigint", "money"):
        return f"CASE WHEN {phys} > 0 THEN {phys} - 1 ELSE {phys} + 1 END"
    return None
