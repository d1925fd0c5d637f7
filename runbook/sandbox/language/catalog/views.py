"""System views: which exist, and how their rows come into reach of SQLite."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Column, SqlError
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.environment import Rows
from runbook.sandbox.language.catalog import (
    view_constraints,
    view_empty,
    view_indexes,
    view_modules,
    view_objects,
    view_schema,
    view_security,
    view_system,
)
from runbook.sandbox.language.catalog.registry import FUNCTIONS, VIEWS, Context, ViewSpec, physical

PARTS = (
    view_constraints,
    view_empty,
    view_indexes,
    view_modules,
    view_objects,
    view_schema,
    view_security,
    view_system,
)
"""Modules that register views when they are imported."""

if TYPE_CHECKING:
    from runbook.sandbox.language.session import LanguageSession


LEGACY = frozenset(
    [
        "sysobjects",
        "syscolumns",
        "sysindexes",
        "sysusers",
        "systypes",
        "sysdatabases",
        "sysprocesses",
        "syslogins",
        "sysfiles",
    ]
)


def find(session: LanguageSession, database: str, schema: str, name: str) -> Rows | None:
    """The system view of that name, or None."""
    folded, where = name.lower(), schema.lower()
    if where in ("", "dbo") and folded in LEGACY:
        where = "sys"
    if where in ("sys", "information_schema"):
        spec = VIEWS.get(f"{where}.{folded}")
        if spec is not None:
            return _of_database(session, database, f"{where}.{folded}", spec)
        return _of_instance(session, f"{where}.{folded}")
    if database.lower() in ("msdb", "master") and where in ("", "dbo"):
        if database.lower() == "master" and folded == "spt_values":
            return _of_database(session, database, "dbo.spt_values", VIEWS["dbo.spt_values"])
        return _of_instance(session, f"{database.lower()}.dbo.{folded}")
    return None


def function(session: LanguageSession, database: str, schema: str, name: str, count: int) -> Rows | None:
    """A table-valued system function."""
    del count
    folded, where = name.lower(), schema.lower()
    spec = FUNCTIONS.get(folded)
    if spec is not None and where in ("", "sys", "dbo"):
        return _of_database(session, database, f"function.{folded}", spec)
    if where in ("sys", ""):
        return _of_instance(session, f"sys.{folded}")
    return None


def _table_name(database: str, name: str) -> str:
    text = f"{database}_{name}"
    return "v_" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in text.lower())


def _of_database(session: LanguageSession, database: str, name: str, spec: ViewSpec) -> Rows:
    if session.instance.find(database) is None:
        raise SqlError(911, f"Database '{database}' does not exist. Make sure that the name is entered correctly.")
    sql = _table_name(database, name)

    def load(current: LanguageSession) -> None:
        official, prefix, catalog = current.open(database)
        stamp = (prefix, catalog.token)
        if spec.is_static and current.view_stamps.get(sql) == stamp:
            return
        rows = spec.build(Context(current, official, f"{prefix}.", catalog))
        fill(current, sql, spec.columns, rows)
        if spec.is_static and not current.engine.in_transaction:
            current.view_stamps[sql] = stamp

    return Rows(name, list(spec.columns), f"temp.{sql}", load)


def _of_instance(session: LanguageSession, name: str) -> Rows | None:
    found = session.instance.columns(name)
    if found is None:
        return None
    columns = list(found)
    sql = _table_name("instance", name)

    def load(current: LanguageSession) -> None:
        again = current.instance.rows(name, current)
        rows = [] if again is None else again[1]
        if current.view_rows.get(sql) == rows:
            return
        current.view_rows.pop(sql, None)
        fill(current, sql, columns, physical(rows, columns))
        if not current.engine.in_transaction:  # a rollback would take them away again
            current.view_rows[sql] = rows

    return Rows(name, columns, f"temp.{sql}", load)


def fill(session: LanguageSession, sql: str, columns: Sequence[Column], rows: list[tuple[Any, ...]]) -> None:
    """Put rows into a temporary table of the session."""
    engine = session.engine
    engine.execute(f"CREATE TABLE IF NOT EXISTS temp.{sql}({_definition(columns)})")
    engine.execute(f"DELETE FROM temp.{sql}")
    if rows:
        marks = ",".join("?" * len(columns))
        engine.change_many(f"INSERT INTO temp.{sql} VALUES({marks})", rows)


def shape(columns: Sequence[Column]) -> str:
    """A word for the columns of such a table, to tell by name tables that differ in them."""
    return hashlib.blake2s(_definition(columns).encode(), digest_size=8).hexdigest()


def _definition(columns: Sequence[Column]) -> str:
    return ", ".join(f"c{i} {_affinity(c)}" for i, c in enumerate(columns, 1))


def _affinity(column: Column) -> str:
    found = t.affinity(column.type)
    return "BLOB" if found == "ANY" else found
