"""The syntax tree of queries and expressions. Statements stand in ``statements``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runbook.sandbox.contract import SqlType


class Node:
    """Base of everything the parser builds."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Literal(Node):
    """``kind``: int, decimal, float, money, string, nstring, binary, null."""

    kind: str
    value: Any


@dataclass(slots=True, eq=False)
class Name(Node):
    """A column, or a bare word such as a date part."""

    parts: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Star(Node):
    qualifier: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Variable(Node):
    """``@name`` or ``@@name``, lower case."""

    name: str


@dataclass(slots=True, eq=False)
class Unary(Node):
    op: str
    operand: Node


@dataclass(slots=True, eq=False)
class Binary(Node):
    """Arithmetic: + - * / % & | ^."""

    op: str
    left: Node
    right: Node


@dataclass(slots=True, eq=False)
class Compare(Node):
    op: str
    left: Node
    right: Node


@dataclass(slots=True, eq=False)
class Quantified(Node):
    """``left op ANY|ALL (query)``."""

    op: str
    left: Node
    quantifier: str
    query: Query


@dataclass(slots=True, eq=False)
class Logic(Node):
    """AND or OR."""

    op: str
    left: Node
    right: Node


@dataclass(slots=True, eq=False)
class Not(Node):
    operand: Node


@dataclass(slots=True, eq=False)
class IsNull(Node):
    operand: Node
    negated: bool


@dataclass(slots=True, eq=False)
class Distinct(Node):
    """``IS [NOT] DISTINCT FROM``."""

    left: Node
    right: Node
    negated: bool


@dataclass(slots=True, eq=False)
class Between(Node):
    operand: Node
    low: Node
    high: Node
    negated: bool


@dataclass(slots=True, eq=False)
class InList(Node):
    operand: Node
    items: list[Node]
    negated: bool


@dataclass(slots=True, eq=False)
class InQuery(Node):
    operand: Node
    query: Query
    negated: bool


@dataclass(slots=True, eq=False)
class Like(Node):
    operand: Node
    pattern: Node
    escape: Node | None
    negated: bool


@dataclass(slots=True, eq=False)
class Exists(Node):
    query: Query


@dataclass(slots=True, eq=False)
class Case(Node):
    operand: Node | None
    whens: list[tuple[Node, Node]]
    default: Node | None


@dataclass(slots=True, eq=False)
class Cast(Node):
    operand: Node
    type: TypeName
    style: Node | None = None
    attempt: bool = False


@dataclass(slots=True, eq=False)
class Collate(Node):
    operand: Node
    collation: str


@dataclass(slots=True, eq=False)
class Subquery(Node):
    query: Query


@dataclass(slots=True, eq=False)
class NextValue(Node):
    name: tuple[str, ...]
    over: Window | None = None


@dataclass(slots=True, eq=False)
class AtTimeZone(Node):
    operand: Node
    zone: Node


@dataclass(slots=True, eq=False)
class Window(Node):
    partition: list[Node] = field(default_factory=list)
    order: list[OrderItem] = field(default_factory=list)
    frame: str = ""


@dataclass(slots=True, eq=False)
class Call(Node):
    """A function call; ``name`` holds all parts, the last in upper case for built-in functions."""

    name: tuple[str, ...]
    args: list[Node]
    distinct: bool = False
    star: bool = False
    over: Window | None = None
    within: list[OrderItem] | None = None
    type_arg: TypeName | None = None

    @property
    def builtin(self) -> str:
        """Upper-case name of a one-part call, else empty."""
        return self.name[0].upper() if len(self.name) == 1 else ""


@dataclass(slots=True, eq=False)
class OrderItem(Node):
    expression: Node
    descending: bool = False


@dataclass(slots=True, eq=False)
class TypeName(Node):
    """A type as written; ``type`` is set for built-in types, else ``parts`` name a user-defined one. ``sized``: whether
    a length was given (CAST without one means 30, a column 1)."""

    parts: tuple[str, ...]
    type: SqlType | None
    sized: bool = True


# --- queries -----------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class SelectItem(Node):
    expression: Node
    alias: str | None = None
    variable: str | None = None
    op: str = "="


@dataclass(slots=True, eq=False)
class Top(Node):
    count: Node
    percent: bool = False
    ties: bool = False


@dataclass(slots=True, eq=False)
class Select(Node):
    items: list[SelectItem]
    distinct: bool = False
    top: Top | None = None
    into: tuple[str, ...] | None = None
    source: Node | None = None
    where: Node | None = None
    group_by: list[Node] = field(default_factory=list)
    grouping_sets: list[list[int]] | None = None
    having: Node | None = None


@dataclass(slots=True, eq=False)
class SetOperation(Node):
    """``op``: UNION, UNION ALL, EXCEPT, INTERSECT."""

    op: str
    left: Node
    right: Node


@dataclass(slots=True, eq=False)
class Values(Node):
    rows: list[list[Node]]


@dataclass(slots=True, eq=False)
class CommonTable(Node):
    name: str
    columns: list[str]
    query: Query
    kept: bool = False
    """Whether its rows are made once and keep their order."""


@dataclass(slots=True, eq=False)
class Query(Node):
    """A query expression with what may follow it."""

    body: Node
    ctes: list[CommonTable] = field(default_factory=list)
    order_by: list[OrderItem] = field(default_factory=list)
    offset: Node | None = None
    fetch: Node | None = None
    for_xml: ForXml | None = None
    max_recursion: int = 100


@dataclass(slots=True, eq=False)
class ForXml(Node):
    """``FOR XML PATH('')`` with its options; other forms are refused."""

    element: str
    root: str | None
    typed: bool


@dataclass(slots=True, eq=False)
class TableRef(Node):
    parts: tuple[str, ...]
    alias: str | None = None
    hints: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class VariableTable(Node):
    name: str
    alias: str | None = None


@dataclass(slots=True, eq=False)
class Derived(Node):
    query: Query
    alias: str
    columns: list[str]


@dataclass(slots=True, eq=False)
class FunctionTable(Node):
    call: Call
    alias: str | None
    columns: list[str]
    schema: list[Any] | None = None


@dataclass(slots=True, eq=False)
class Join(Node):
    """``kind``: INNER, LEFT, RIGHT, FULL, CROSS, CROSS APPLY, OUTER APPLY."""

    kind: str
    left: Node
    right: Node
    on: Node | None = None
