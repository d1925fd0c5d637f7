"""System views: which exist, and how their rows come into reach of SQLite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Column, SqlError
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.environment import Rows
from runbook.sandbox.language.catalog.catalog import Catalog
from runbook.sandbox.language.lexer import lex
from runbook.sandbox.language.values import convert

if TYPE_CHECKING:
    from runbook.sandbox.language.session import LanguageSession


@dataclass(frozen=True)
class Context:
    """What a view is built from. ``prefix`` is the attached name with a dot."""

    session: LanguageSession
    database: str
    prefix: str
    catalog: Catalog
    args: tuple[Any, ...] = ()


Build = Callable[[Context], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class ViewSpec:
    """Columns and rows of a view. ``is_static``: the rows change only with the catalog."""

    columns: tuple[Column, ...]
    build: Build
    is_static: bool = True


VIEWS: dict[str, ViewSpec] = {}
FUNCTIONS: dict[str, ViewSpec] = {}


@lru_cache(maxsize=2048)
def parse_columns(text: str) -> tuple[Column, ...]:
    """``name type, name type, ...``."""
    from runbook.sandbox.language.parser.batch import BatchParser

    parser = BatchParser(lex(text))
    found = []
    while not parser.ended:
        name = parser.any_name()
        kind = parser.type_name().type
        assert kind is not None, text
        found.append(Column(name, kind, nullable=not parser.take("NOT", "NULL")))
        parser.take(",")
    return tuple(found)


def view(name: str, columns: str, *, is_static: bool = True) -> Callable[[Build], Build]:
    """Register a view."""

    def decorate(build: Build) -> Build:
        VIEWS[name] = ViewSpec(parse_columns(columns), build, is_static)
        return build

    return decorate


def empty(name: str, columns: str) -> None:
    """Register a view without rows."""
    VIEWS[name] = ViewSpec(parse_columns(columns), lambda _context: [])


def rowset(name: str, columns: str) -> Callable[[Build], Build]:
    """Register a table-valued function; its rows are selected by equality of the first columns with the arguments."""

    def decorate(build: Build) -> Build:
        FUNCTIONS[name] = ViewSpec(parse_columns(columns), build, False)
        return build

    return decorate


LEGACY = frozenset(
    "sysobjects syscolumns sysindexes sysusers systypes sysdatabases sysprocesses syslogins sysfiles".split()
)


def _loaded() -> None:
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

    del view_constraints, view_empty, view_indexes, view_modules, view_objects, view_schema, view_security, view_system


def find(session: LanguageSession, database: str, schema: str, name: str) -> Rows | None:
    """The system view of that name, or None."""
    _loaded()
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
    _loaded()
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
        if spec.is_static and current.view_stamps.get(sql) == catalog.token:
            return
        rows = spec.build(Context(current, official, f"{prefix}.", catalog))
        fill(current, sql, spec.columns, rows)
        if spec.is_static and not current.engine.in_transaction:
            current.view_stamps[sql] = catalog.token

    return Rows(name, list(spec.columns), f"temp.{sql}", load)


def _of_instance(session: LanguageSession, name: str) -> Rows | None:
    found = session.instance.rows(name, session)
    if found is None:
        return None
    columns = list(found[0])
    sql = _table_name("instance", name)

    def load(current: LanguageSession) -> None:
        again = current.instance.rows(name, current)
        rows = [] if again is None else again[1]
        fill(current, sql, columns, [physical(row, columns) for row in rows])

    return Rows(name, columns, f"temp.{sql}", load)


def physical(row: Sequence[Any], columns: Sequence[Column]) -> tuple[Any, ...]:
    """A row of the contract's Python objects as physical values."""
    return tuple(convert.physical_value(v, c.type) for v, c in zip(row, columns, strict=True))


def fill(session: LanguageSession, sql: str, columns: Sequence[Column], rows: list[tuple[Any, ...]]) -> None:
    """Put rows into a temporary table of the session."""
    engine = session.engine
    definition = ", ".join(f"c{i} {_affinity(c)}" for i, c in enumerate(columns, 1))
    engine.execute(f"CREATE TABLE IF NOT EXISTS temp.{sql}({definition})")
    engine.execute(f"DELETE FROM temp.{sql}")
    if rows:
        marks = ",".join("?" * len(columns))
        engine.change_many(f"INSERT INTO temp.{sql} VALUES({marks})", rows)


def _affinity(column: Column) -> str:
    found = t.affinity(column.type)
    return "BLOB" if found == "ANY" else found


def all_names() -> list[tuple[str, str]]:
    """Schema and name of every view of this part."""
    _loaded()
    return [(n.split(".", 1)[0], n.split(".", 1)[1]) for n in sorted(VIEWS) if not n.startswith("dbo.")]
