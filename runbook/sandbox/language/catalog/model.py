"""Models of the objects of a database. Names as written, ids as SQL Server numbers them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from runbook.sandbox.contract import SqlType

SCHEMAS = {"dbo": 1, "guest": 2, "INFORMATION_SCHEMA": 3, "sys": 4}
FIXED_ROLES = {
    "db_owner": 16384,
    "db_accessadmin": 16385,
    "db_securityadmin": 16386,
    "db_ddladmin": 16387,
    "db_backupoperator": 16389,
    "db_datareader": 16390,
    "db_datawriter": 16391,
    "db_denydatareader": 16392,
    "db_denydatawriter": 16393,
}


@dataclass
class Default:
    id: int
    name: str
    text: str
    system_named: bool = False


@dataclass
class Column:
    id: int
    name: str
    type: SqlType
    nullable: bool
    phys: str
    user_type: int = 0
    type_name: str = ""
    collation: str = ""
    identity: list[int] | None = None
    default: Default | None = None
    computed: str = ""
    persisted: bool = False
    rowguid: bool = False
    sparse: bool = False


@dataclass
class Index:
    id: int
    name: str
    unique: bool
    clustered: bool
    keys: list[list[int]]
    includes: list[int] = field(default_factory=list)
    where: str = ""
    kind: str = ""
    object_id: int = 0
    disabled: bool = False
    fill_factor: int = 0
    padded: bool = False
    ignore_duplicates: bool = False
    system_named: bool = False
    created: int = 0


@dataclass
class Check:
    id: int
    name: str
    text: str
    column: int = 0
    disabled: bool = False
    not_trusted: bool = False
    system_named: bool = False
    created: int = 0


@dataclass
class ForeignKey:
    id: int
    name: str
    columns: list[int]
    table: int
    table_columns: list[int]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    disabled: bool = False
    not_trusted: bool = False
    system_named: bool = False
    index: int = 1
    created: int = 0


@dataclass
class Table:
    """A table, or with ``type_id`` the body of a table type. ``phys``: its SQLite name."""

    id: int
    schema: int
    name: str
    phys: str
    columns: list[Column]
    next_column: int = 1
    indexes: list[Index] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    created: int = 0
    modified: int = 0
    type_id: int = 0
    owner: int = 0

    def column(self, name: str) -> Column | None:
        """The column of that name, case-insensitive."""
        folded = name.casefold()
        return next((c for c in self.columns if c.name.casefold() == folded), None)

    def by_id(self, column_id: int) -> Column:
        """The column with that id."""
        return next(c for c in self.columns if c.id == column_id)

    def identity(self) -> Column | None:
        """The identity column, if there is one."""
        return next((c for c in self.columns if c.identity), None)

    def rowversion(self) -> Column | None:
        """The rowversion column, if there is one."""
        return next((c for c in self.columns if c.type.name == "timestamp"), None)

    def primary_key(self) -> Index | None:
        """The index of the primary key."""
        return next((i for i in self.indexes if i.kind == "PK"), None)

    def stored(self) -> list[Column]:
        """Columns that SQLite keeps: all but the computed ones."""
        return [c for c in self.columns if not c.computed]


@dataclass
class Module:
    """View (V), procedure (P), function (FN, IF, TF) or trigger (TR)."""

    id: int
    schema: int
    name: str
    kind: str
    text: str
    created: int = 0
    modified: int = 0
    quoted: bool = True
    ansi_nulls: bool = True
    parent: int = 0
    events: list[str] = field(default_factory=list)
    instead_of: bool = False
    disabled: bool = False
    options: list[str] = field(default_factory=list)
    columns: list[list[Any]] = field(default_factory=list)
    owner: int = 0
    order: str = ""


@dataclass
class Sequence:
    id: int
    schema: int
    name: str
    type: SqlType
    start: int
    increment: int
    minimum: int
    maximum: int
    cycle: bool = False
    cached: bool = True
    cache_size: int | None = None
    created: int = 0
    modified: int = 0
    owner: int = 0


@dataclass
class Synonym:
    id: int
    schema: int
    name: str
    target: str
    created: int = 0
    modified: int = 0
    owner: int = 0


@dataclass
class UserType:
    """An alias type, or a table type whose body is the table ``table_id``."""

    id: int
    schema: int
    name: str
    base: SqlType | None
    nullable: bool = True
    table_id: int = 0


@dataclass
class Schema:
    id: int
    name: str
    owner: int = 1


@dataclass
class Principal:
    """``type``: S (SQL user), R (role), U (Windows user)."""

    id: int
    name: str
    type: str
    sid: str = ""
    default_schema: str = ""
    owner: int = 1
    fixed: bool = False
    members: list[int] = field(default_factory=list)
    without_login: bool = False
    created: int = 0


@dataclass
class Permission:
    class_: int
    major: int
    minor: int
    grantee: int
    name: str
    state: str
    grantor: int = 1


@dataclass
class Property:
    """An extended property."""

    class_: int
    major: int
    minor: int
    name: str
    value: str


@dataclass
class Statistic:
    id: int
    table: int
    name: str
    columns: list[int]


def index_name(table: Table, index: Index) -> str:
    """SQLite's name of an index; it has to be unique in the file."""
    return f"i_{table.phys}_{index.id}"


CLASSES: dict[str, type[Any]] = {
    c.__name__: c
    for c in (Table, Module, Sequence, Synonym, UserType, Schema, Principal, Permission, Property, Statistic)
}
_NESTED: dict[tuple[str, str], type[Any]] = {
    ("Table", "columns"): Column,
    ("Table", "indexes"): Index,
    ("Table", "checks"): Check,
    ("Table", "foreign_keys"): ForeignKey,
    ("Column", "default"): Default,
    ("Column", "type"): SqlType,
    ("Sequence", "type"): SqlType,
    ("UserType", "base"): SqlType,
}

type_or_none = dict[str, Any] | None


def to_dict(item: Any) -> dict[str, Any]:
    """A model as JSON-ready data."""
    return asdict(item)


def from_dict(cls: type[Any], data: dict[str, Any]) -> Any:
    """A model from :func:`to_dict`'s data; fields of newer versions are ignored."""
    known = cls.__dataclass_fields__
    return cls(
        **{name: _loaded(_NESTED.get((cls.__name__, name)), value) for name, value in data.items() if name in known}
    )


def _loaded(nested: type[Any] | None, value: Any) -> Any:
    if nested is None or value is None:
        return value
    return [from_dict(nested, v) for v in value] if isinstance(value, list) else from_dict(nested, value)
