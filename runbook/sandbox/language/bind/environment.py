"""What the binder asks of the session around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from runbook.sandbox.contract import Column, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import Catalog


@dataclass
class StoredTable:
    """A table that SQLite keeps. ``prefix`` is the attached file's name with a dot, or empty for session tables."""

    name: str
    table: m.Table
    prefix: str = ""
    database: str = ""
    catalog: Catalog | None = None
    schema: str = "dbo"
    read_only: bool = False
    pseudo: bool = False

    @property
    def sql(self) -> str:
        """SQLite's name of it."""
        return f"{self.prefix}{self.table.phys}"

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from every other table, those of databases that had the name before included."""
        return self.database, self.prefix, self.table.id


@dataclass
class View:
    """A view; its query is bound in the database and schema it lives in."""

    module: m.Module
    database: str
    catalog: Catalog
    schema: str = "dbo"


@dataclass
class Rows:
    """Rows made by Python: catalog views and the views of the instance. ``load`` fills ``sql`` before the statement."""

    name: str
    columns: list[Column]
    sql: str
    load: Callable[[Any], None]
    arguments: int = 0


@dataclass
class Inline:
    """An inline or multi-statement table function."""

    module: m.Module
    database: str
    catalog: Catalog
    schema: str = "dbo"


Relation = StoredTable | View | Rows


@dataclass
class CteRelation:
    """A common table expression within reach of a query."""

    name: str
    sql: str
    columns: list[tuple[str, Bound]] = field(default_factory=list)
    level: str = ""


class Environment(Protocol):
    """Names outside the query."""

    database: str
    schema: str

    def relation(self, parts: tuple[str, ...], plan: Plan) -> Relation:
        """Table, view or catalog view by name; error 208."""

    def table_variable(self, name: str) -> StoredTable:
        """Table variable; error 1087."""

    def variable(self, name: str) -> SqlType:
        """Type of a variable; error 137."""

    def substitution(self, name: str) -> Bound | None:
        """What stands for a parameter while an inline function is expanded."""

    def type_of(self, name: n.TypeName, plan: Plan | None = None) -> SqlType:
        """A type by name; errors 243, 2715."""

    def user_function(self, parts: tuple[str, ...], plan: Plan) -> Inline | None:
        """A user-defined function by name, or None."""

    def inside(self, database: str, schema: str, substitutions: dict[str, Bound]) -> Environment:
        """The environment of a view or inline function that lives elsewhere."""

    def sequence(self, parts: tuple[str, ...], plan: Plan) -> tuple[str, m.Sequence]:
        """Database and model of a sequence; error 208."""

    def filled(self, inline: Inline, columns: list[Column], args: list[Bound], plan: Plan) -> Rows:
        """The rows of a multi-statement function, made when the statement begins."""

    def table_function(self, parts: tuple[str, ...], count: int, plan: Plan) -> Rows | None:
        """A table-valued function of the system, its rows made beforehand."""
