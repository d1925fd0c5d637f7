"""The syntax tree of definitions: CREATE, ALTER, DROP, GRANT."""

from __future__ import annotations

from dataclasses import dataclass, field

from runbook.sandbox.language.nodes import Node, Query, TypeName
from runbook.sandbox.language.statements import Statement


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
