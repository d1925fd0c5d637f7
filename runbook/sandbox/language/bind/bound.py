"""Bound expressions and the plan they belong to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.engine.collate import CI_AS

NO_CONST = object()
"""Marks an expression whose value is not known before the statement runs."""


@dataclass(slots=True)
class Bound:
    """SQLite text of one value. ``strength`` of the collation: 0 by default, 1 from a column, 2 by COLLATE."""

    sql: str
    type: SqlType
    nullable: bool = True
    coll: str = CI_AS
    strength: int = 0
    const: Any = NO_CONST
    is_column: bool = False
    is_condition: bool = False
    is_heavy: bool = False
    identity: bool = False

    @property
    def is_const(self) -> bool:
        """Whether the value is known."""
        return self.const is not NO_CONST

    @property
    def is_null(self) -> bool:
        """Whether it is known to be NULL."""
        return self.const is None

    @property
    def is_bare_null(self) -> bool:
        """Whether it is the word NULL, which has no type of its own."""
        return self.const is None and self.type == t.NULL_TYPE

    def typed(self, kind: SqlType) -> Bound:
        """The same value under another type."""
        return replace(self, type=kind)


Getter = Callable[[Any], Any]
"""Gives a parameter's physical value when the statement runs; its argument is the running frame."""


@dataclass
class Plan:
    """What a statement needs besides its text. ``databases``: names it reads, with the schema name of the file and the
    token of the catalog they stood for; ``loads``: views to fill first."""

    params: dict[str, Getter] = field(default_factory=dict)
    databases: dict[str, tuple[str, str]] = field(default_factory=dict)
    loads: list[Any] = field(default_factory=list)
    ctes: list[str] = field(default_factory=list)
    recursive: bool = False
    sequences: list[tuple[str, int]] = field(default_factory=list)
    aliases: int = 0
    sets_variables: bool = False
    before: list[Callable[[Any], None]] = field(default_factory=list)
    """Called with the running frame before the statement, in order."""
    volatile: bool = False
    locks: set[str] = field(default_factory=set)
    """Databases whose write lock the statement takes because of its hints."""

    @property
    def is_plain(self) -> bool:
        """Whether the statement touches nothing but the session."""
        return not (self.databases or self.loads or self.sequences or self.locks)

    def alias(self) -> str:
        """A table alias that no other part of the statement has."""
        self.aliases += 1
        return f"a{self.aliases}"

    def param(self, key: str, getter: Getter) -> str:
        """Text of a parameter; one key gives one parameter."""
        name = f"p_{key}"
        self.params.setdefault(name, getter)
        return ":" + name


def quote(text: str) -> str:
    """A SQLite string literal."""
    if "\0" in text:
        return f"CAST(x'{text.encode('utf-8', 'surrogatepass').hex()}' AS TEXT)"
    return "'" + text.replace("'", "''") + "'"


def literal_sql(value: Any) -> str:
    """A physical value as SQLite text."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, float):
        return repr(value) if not math.isnan(value) and abs(value) != float("inf") else "9e999"
    return f"({value})" if value < 0 else str(value)


def constant(value: Any, kind: SqlType) -> Bound:
    """A known physical value."""
    return Bound(literal_sql(value), kind, value is None, const=value)


def condition(sql: str, *, heavy: bool = False) -> Bound:
    """A predicate."""
    return Bound(sql, t.BIT, nullable=True, is_condition=True, is_heavy=heavy)


def value_of(bound: Bound) -> Bound:
    """The bound, which must be a value and not a predicate."""
    if bound.is_condition:
        raise SqlError(102, "Incorrect syntax near a condition used as a value.", 15)
    return bound


def merge_collation(*parts: Bound) -> tuple[str, int]:
    """Collation and strength of an expression over these; error 468 when two columns disagree."""
    coll, strength = CI_AS, -1
    for part in parts:
        if part.type.name not in t.STRINGS:
            continue
        if part.strength > strength:
            coll, strength = part.coll, part.strength
        elif part.strength == strength and strength > 0 and part.coll != coll:
            raise SqlError(
                468,
                f'Cannot resolve the collation conflict between "{part.coll}" and "{coll}" in the operation.',
                16,
                9,
            )
    return coll, max(strength, 0)
