"""The syntax tree of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook.sandbox.contract import Token
from runbook.sandbox.language.nodes import CommonTable, Node, Query, TableRef, Top, TypeName, Values, VariableTable


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
    op: str
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


# --- definitions -------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class ConstraintDef:
    """``kind``: PRIMARY KEY, UNIQUE, CHECK, FOREIGN KEY, DEFAULT, INDEX."""

    kind: str
    name: str = ""
    columns: list[tuple[str, bool]] = field(default_factory=list)
    clustered: bool | None = None
    expression: str = ""
    reference: tuple[str, ...] = ()
    reference_columns: list[str] = field(default_factory=list)
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    for_column: str = ""
    with_values: bool = False
    unique: bool = False
    includes: list[str] = field(default_factory=list)
    where: str = ""
    options: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class ColumnDef:
    name: str
    type: TypeName | None
    nullable: bool | None = None
    identity: tuple[int, int] | None = None
    computed: str = ""
    persisted: bool = False
    collation: str = ""
    rowguid: bool = False
    sparse: bool = False
    constraints: list[ConstraintDef] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class TableBody:
    columns: list[ColumnDef]
    constraints: list[ConstraintDef]


@dataclass(slots=True, eq=False)
class CreateTable(Statement):
    name: tuple[str, ...]
    body: TableBody


@dataclass(slots=True, eq=False)
class AlterTable(Statement):
    """``action``: add, alter column, drop, check, nocheck, enable trigger, disable trigger, rebuild, set."""

    name: tuple[str, ...]
    action: str
    body: TableBody | None = None
    column: ColumnDef | None = None
    names: list[tuple[str, str, bool]] = field(default_factory=list)
    with_check: bool | None = None


@dataclass(slots=True, eq=False)
class CreateIndex(Statement):
    table: tuple[str, ...]
    definition: ConstraintDef


@dataclass(slots=True, eq=False)
class AlterIndex(Statement):
    """``action``: REBUILD, REORGANIZE, DISABLE, SET."""

    name: str
    table: tuple[str, ...]
    action: str


@dataclass(slots=True, eq=False)
class DropIndex(Statement):
    items: list[tuple[str, tuple[str, ...]]]
    if_exists: bool


@dataclass(slots=True, eq=False)
class Parameter:
    name: str
    type: TypeName
    default: Node | None = None
    output: bool = False
    readonly: bool = False


@dataclass(slots=True, eq=False)
class CreateModule(Statement):
    """CREATE, ALTER or CREATE OR ALTER of a view, procedure, function or trigger.

    ``kind``: V, P, FN, IF, TF, TR. ``mode``: create, alter, both. ``definition`` is the batch as written, its verb
    turned to CREATE.
    """

    kind: str
    mode: str
    name: tuple[str, ...]
    definition: str
    parameters: list[Parameter] = field(default_factory=list)
    body: list[Statement] = field(default_factory=list)
    query: Query | None = None
    columns: list[str] = field(default_factory=list)
    returns: TypeName | None = None
    returns_table: str = ""
    table_body: TableBody | None = None
    parent: tuple[str, ...] = ()
    events: list[str] = field(default_factory=list)
    instead_of: bool = False
    scope: str = "OBJECT"
    options: list[str] = field(default_factory=list)
    check_option: bool = False


@dataclass(slots=True, eq=False)
class Drop(Statement):
    """``kind``: TABLE, VIEW, PROCEDURE, FUNCTION, TRIGGER, SCHEMA, SEQUENCE, SYNONYM, TYPE, USER, ROLE, STATISTICS."""

    kind: str
    names: list[tuple[str, ...]]
    if_exists: bool
    scope: str = "OBJECT"


@dataclass(slots=True, eq=False)
class CreateSchema(Statement):
    name: str
    owner: str
    body: list[Statement] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class TransferSchema(Statement):
    schema: str
    kind: str
    name: tuple[str, ...]


@dataclass(slots=True, eq=False)
class SequenceStatement(Statement):
    """CREATE or ALTER SEQUENCE; options by name, None for NO MINVALUE and the like."""

    name: tuple[str, ...]
    alter: bool
    type: TypeName | None
    options: dict[str, int | None]


@dataclass(slots=True, eq=False)
class CreateType(Statement):
    name: tuple[str, ...]
    base: TypeName | None
    nullable: bool
    table: TableBody | None


@dataclass(slots=True, eq=False)
class CreateSynonym(Statement):
    name: tuple[str, ...]
    target: tuple[str, ...]


@dataclass(slots=True, eq=False)
class CreateStatistics(Statement):
    name: str
    table: tuple[str, ...]
    columns: list[str]


@dataclass(slots=True, eq=False)
class PrincipalStatement(Statement):
    """CREATE/ALTER USER and ROLE. ``verb``: create or alter; ``kind``: USER, ROLE, APPLICATION ROLE."""

    verb: str
    kind: str
    name: str
    options: dict[str, str]


@dataclass(slots=True, eq=False)
class Permission(Statement):
    """GRANT, DENY or REVOKE inside a database."""

    verb: str
    permissions: list[tuple[str, list[str]]]
    scope: str
    securable: tuple[str, ...]
    grantees: list[str]
    grant_option: bool


@dataclass(slots=True, eq=False)
class TriggerSwitch(Statement):
    enable: bool
    names: list[tuple[str, ...]]
    parent: tuple[str, ...]
    scope: str


@dataclass(slots=True, eq=False)
class Authorization(Statement):
    scope: str
    name: tuple[str, ...]
    owner: str


@dataclass(slots=True, eq=False)
class ScopedConfiguration(Statement):
    name: str
    value: str
