"""The syntax tree of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Token
from runbook.sandbox.language.nodes import CommonTable, Node, Query, TableRef, Top, TypeName, Values, VariableTable

if TYPE_CHECKING:
    from runbook.sandbox.language.definitions import TableBody


@dataclass(slots=True, eq=False)
class Statement:
    """``start`` and ``end`` are its span in the batch text, ``line`` its first line."""

    start: int = field(default=0, init=False)
    end: int = field(default=0, init=False)
    line: int = field(default=1, init=False)
    max_recursion: int = field(default=100, init=False)
    plans: dict[Any, Any] = field(default_factory=dict, init=False)


# --- flow --------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Declaration:
    name: str
    type: TypeName | None
    table: TableBody | None = None
    cursor: bool = False
    initial: Node | None = None


@dataclass(slots=True, eq=False)
class Declare(Statement):
    variables: list[Declaration]


@dataclass(slots=True, eq=False)
class SetVariable(Statement):
    name: str
    value: Node


@dataclass(slots=True, eq=False)
class SetOption(Statement):
    names: list[str]
    value: str
    target: tuple[str, ...] = ()
    argument: Node | None = None


@dataclass(slots=True, eq=False)
class Block(Statement):
    body: list[Statement]


@dataclass(slots=True, eq=False)
class If(Statement):
    condition: Node
    then: Statement
    otherwise: Statement | None


@dataclass(slots=True, eq=False)
class While(Statement):
    condition: Node
    body: Statement


@dataclass(slots=True, eq=False)
class TryCatch(Statement):
    body: list[Statement]
    handler: list[Statement]


@dataclass(slots=True, eq=False)
class Simple(Statement):
    """BREAK, CONTINUE, and the like: ``word`` says which."""

    word: str


@dataclass(slots=True, eq=False)
class Label(Statement):
    name: str


@dataclass(slots=True, eq=False)
class Goto(Statement):
    name: str


@dataclass(slots=True, eq=False)
class Return(Statement):
    value: Node | None
    query: Query | None = None


@dataclass(slots=True, eq=False)
class Print(Statement):
    value: Node


@dataclass(slots=True, eq=False)
class RaiseError(Statement):
    args: list[Node]
    options: list[str]


@dataclass(slots=True, eq=False)
class Throw(Statement):
    args: list[Node]


@dataclass(slots=True, eq=False)
class WaitFor(Statement):
    """``kind``: DELAY or TIME."""

    kind: str
    value: Node


@dataclass(slots=True, eq=False)
class Use(Statement):
    database: str


@dataclass(slots=True, eq=False)
class Transaction(Statement):
    """``action``: begin, commit, rollback, save."""

    action: str
    name: str = ""
    variable: str = ""


@dataclass(slots=True, eq=False)
class Argument:
    name: str
    value: Node | None
    output: bool = False
    default: bool = False


@dataclass(slots=True, eq=False)
class Execute(Statement):
    """EXEC of a procedure (``procedure`` or ``variable``) or of a string (``text``)."""

    procedure: tuple[str, ...] = ()
    variable: str = ""
    text: Node | None = None
    args: list[Argument] = field(default_factory=list)
    result: str = ""
    at: str = ""


@dataclass(slots=True, eq=False)
class DeclareCursor(Statement):
    name: str
    options: list[str]
    query: Query


@dataclass(slots=True, eq=False)
class CursorAction(Statement):
    """``action``: OPEN, CLOSE, DEALLOCATE."""

    action: str
    name: str


@dataclass(slots=True, eq=False)
class SetCursor(Statement):
    name: str
    options: list[str]
    query: Query


@dataclass(slots=True, eq=False)
class Fetch(Statement):
    direction: str
    position: Node | None
    name: str
    into: list[str]


@dataclass(slots=True, eq=False)
class Admin(Statement):
    """Handed to the instance as it is."""

    tokens: Sequence[Token]


@dataclass(slots=True, eq=False)
class Nothing(Statement):
    """Accepted without effect on what the sandbox models; ``word`` names it."""

    word: str


# --- data --------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class SelectStatement(Statement):
    query: Query


@dataclass(slots=True, eq=False)
class Output:
    items: list[Any]
    into: Node | None = None
    columns: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Insert(Statement):
    target: TableRef | VariableTable
    columns: list[str]
    source: Query | Execute | Values | None
    output: list[Output] = field(default_factory=list)
    ctes: list[CommonTable] = field(default_factory=list)
    top: Top | None = None


@dataclass(slots=True, eq=False)
class Assignment:
    """``column op value``, with ``variable`` set for ``@v = expr`` and ``@v = column = expr``."""

    column: tuple[str, ...]
    op: str
    value: Node
    variable: str = ""


@dataclass(slots=True, eq=False)
class Update(Statement):
    target: TableRef | VariableTable
    assignments: list[Assignment]
    source: Node | None = None
    where: Node | None = None
    output: list[Output] = field(default_factory=list)
    ctes: list[CommonTable] = field(default_factory=list)
    top: Top | None = None


@dataclass(slots=True, eq=False)
class Delete(Statement):
    target: TableRef | VariableTable
    source: Node | None = None
    where: Node | None = None
    output: list[Output] = field(default_factory=list)
    ctes: list[CommonTable] = field(default_factory=list)
    top: Top | None = None


@dataclass(slots=True, eq=False)
class MergeClause:
    """``kind``: matched, target (NOT MATCHED BY TARGET), source (NOT MATCHED BY SOURCE)."""

    kind: str
    condition: Node | None
    action: str
    assignments: list[Assignment] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    values: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Merge(Statement):
    target: TableRef | VariableTable
    source: Node
    on: Node
    clauses: list[MergeClause]
    output: list[Output] = field(default_factory=list)
    ctes: list[CommonTable] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Truncate(Statement):
    table: tuple[str, ...]
