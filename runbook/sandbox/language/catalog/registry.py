"""The registry of system views, and what they are built from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Column
from runbook.sandbox.language.catalog.catalog import Catalog
from runbook.sandbox.language.lexer import lex
from runbook.sandbox.language.parser.batch import BatchParser
from runbook.sandbox.language.values import wire

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


def physical(rows: Iterable[Sequence[Any]], columns: Sequence[Column]) -> list[tuple[Any, ...]]:
    """Rows of the contract's Python objects as physical values."""
    into = [wire.from_wire(column.type) for column in columns]
    return [
        tuple([None if value is None else change(value) for change, value in zip(into, row, strict=True)])
        for row in rows
    ]


def all_names() -> list[tuple[str, str]]:
    """Schema and name of every view of this part."""
    return [(n.split(".", 1)[0], n.split(".", 1)[1]) for n in sorted(VIEWS) if not n.startswith("dbo.")]
