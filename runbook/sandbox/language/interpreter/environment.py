"""Names seen from a running frame: variables, tables, views, functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import Column, SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.bind.environment import Inline, Relation, Rows, StoredTable, View
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog import views
from runbook.sandbox.language.catalog.catalog import Catalog
from runbook.sandbox.language.interpreter.frame import StalePlan
from runbook.sandbox.language.lexer import parse_name
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.types import SYSNAME, UNKNOWN_HERE, builtin_type

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.frame import Frame
    from runbook.sandbox.language.session import LanguageSession

SYNONYM_DEPTH = 8


def unknown_object(parts: tuple[str, ...]) -> SqlError:
    """Error 208; for a system object the error that says the sandbox does not have it."""
    if len(parts) > 1 and parts[-2].lower() in ("sys", "information_schema"):
        return unsupported(f"the system view {parts[-2].lower()}.{parts[-1]}")
    if len(parts) > 2 and parts[-3].lower() == "msdb":
        return unsupported(f"the table msdb.dbo.{parts[-1]}")
    return SqlError(208, f"Invalid object name '{'.'.join(parts)}'.")


class SessionEnvironment:
    """Implements ``bind.environment.Environment``."""

    def __init__(
        self,
        frame: Frame,
        database: str = "",
        schema: str = "",
        substitutions: dict[str, Bound] | None = None,
    ) -> None:
        self.frame = frame
        self.session = frame.session
        self.database = database or frame.session.database
        self.schema = schema or frame.schema
        self.is_inside = substitutions is not None
        self._substitutions = substitutions or {}

    # -- variables and types

    def variable(self, name: str) -> SqlType:
        """Type of a variable; error 137."""
        if self.is_inside:
            raise SqlError(137, f'Must declare the scalar variable "{name}".', 15, 2)
        return self.frame.type_of(name)

    def substitution(self, name: str) -> Bound | None:
        """What stands for a parameter of an inline function."""
        return self._substitutions.get(name)

    def table_variable(self, name: str) -> StoredTable:
        """Table variable; error 1087."""
        found = None if self.is_inside else self.frame.tables.get(name)
        if found is None and not self.is_inside and self.frame.hoist(name):
            found = self.frame.tables.get(name)
        if found is None:
            raise SqlError(1087, f'Must declare the table variable "{name}".', 15, 2)
        return found

    def type_of(self, name: n.TypeName, plan: Plan | None = None) -> SqlType:
        """A type by name; alias types give their base, and ``plan`` depends on their database."""
        if name.type is not None:
            check_type(name.type)
            return name.type
        found = self.user_type(name.parts, plan)
        if found is not None and found.base is not None:
            return found.base
        raise (
            SqlError(243 if found is None else 2724, f"Type {'.'.join(name.parts)} is not a defined system type.")
            if name.parts[-1].lower() not in UNKNOWN_HERE
            else unsupported(f"the type {name.parts[-1].lower()}")
        )

    def user_type(self, parts: tuple[str, ...], plan: Plan | None = None) -> m.UserType | None:
        """A user-defined type by name."""
        _, _, catalog = self.open(self.database, plan or Plan())
        schema = parts[-2] if len(parts) > 1 else self.schema
        return catalog.user_type(schema, parts[-1]) or (
            catalog.user_type("dbo", parts[-1]) if len(parts) == 1 else None
        )

    # -- objects

    def open(self, name: str, plan: Plan) -> tuple[str, str, Catalog]:
        """Official name, schema prefix and catalog of a database, noted in the plan."""
        official, prefix, catalog = self.session.open(name)
        if plan.databases.get(official, (prefix, ""))[0] != prefix:
            raise StalePlan
        plan.databases[official] = (prefix, catalog.token)
        return official, prefix, catalog

    def split(self, parts: tuple[str, ...]) -> tuple[str, str, str]:
        """Database, schema (may be empty) and name."""
        if len(parts) == 4:
            server = self.session.server_name()
            if parts[0].casefold() != server.casefold():
                raise SqlError(
                    7202,
                    f"Could not find server '{parts[0]}' in sys.servers. Verify that the correct server name was "
                    "specified.",
                    11,
                    2,
                )
            parts = parts[1:]
        filled = ("",) * (3 - len(parts)) + parts
        return filled[0] or self.database, filled[1], filled[2]

    def relation(self, parts: tuple[str, ...], plan: Plan) -> Relation:
        """Table, view or catalog view by name; error 208."""
        name = parts[-1]
        if name.startswith("#"):
            return self.temp_table(name, plan)
        database, schema, name = self.split(parts)
        found = self.lookup(database, schema, name, plan)
        if found is None:
            raise unknown_object(parts)
        return found

    def temp_table(self, name: str, plan: Plan) -> StoredTable:
        """A temporary table of the session; error 208."""
        found = self.session.temp_table(name)
        if found is None:
            raise unknown_object((name,))
        plan.before.append(lambda frame: frame.session.expect_temp_table(name, found))
        return found

    def lookup(self, database: str, schema: str, name: str, plan: Plan, depth: int = 0) -> Relation | None:
        """A relation by the parts of its name, or None."""
        system = views.find(self.session, database, schema, name)
        if system is not None:
            return system
        official, prefix, catalog = self.open(database, plan)
        for tried in (schema,) if schema else dict.fromkeys((self.schema, "dbo")):
            item = catalog.find(tried, name)
            if item is not None:
                return self._relation(official, prefix, catalog, item, plan, depth)
        return None

    def _relation(
        self, database: str, prefix: str, catalog: Catalog, item: object, plan: Plan, depth: int
    ) -> Relation | None:
        if isinstance(item, m.Table):
            return StoredTable(item.name, item, f"{prefix}.", database, catalog, catalog.schema_name(item.schema))
        if isinstance(item, m.Module) and item.kind == "V":
            return View(item, database, catalog, catalog.schema_name(item.schema))
        if isinstance(item, m.Synonym):
            if depth > SYNONYM_DEPTH:
                raise unsupported("a chain of synonyms")
            return self.lookup(
                *self.inside(database, catalog.schema_name(item.schema), {}).split(tuple(parse_name(item.target))),
                plan,
                depth + 1,
            )
        return None

    def inside(self, database: str, schema: str, substitutions: dict[str, Bound]) -> SessionEnvironment:
        """The environment of a view or function."""
        return SessionEnvironment(self.frame, database, schema, substitutions)

    def user_function(self, parts: tuple[str, ...], plan: Plan) -> Inline | None:
        """A user-defined function by name."""
        database, schema, name = self.split(parts)
        official, _, catalog = self.open(database, plan)
        for tried in (schema,) if schema else dict.fromkeys((self.schema, "dbo")):
            item = catalog.find(tried, name)
            if isinstance(item, m.Synonym):
                return self.inside(official, tried, {}).user_function(tuple(parse_name(item.target)), plan)
            if isinstance(item, m.Module) and item.kind in ("FN", "IF", "TF"):
                return Inline(item, official, catalog, catalog.schema_name(item.schema))
        return None

    def sequence(self, parts: tuple[str, ...], plan: Plan) -> tuple[str, m.Sequence]:
        """A sequence by name; error 208."""
        database, schema, name = self.split(parts)
        official, _, catalog = self.open(database, plan)
        for tried in (schema,) if schema else dict.fromkeys((self.schema, "dbo")):
            item = catalog.find(tried, name)
            if isinstance(item, m.Sequence):
                return official, item
        raise unknown_object(parts)

    def filled(self, inline: Inline, columns: list[Column], args: list[Bound], plan: Plan) -> Rows:
        """The rows of a multi-statement function, made when the statement begins."""
        sql = f"f_{plan.alias()}_{inline.module.id}_{views.shape(columns)}"
        texts = ", ".join(a.sql for a in args) or "1"

        def load(session: LanguageSession) -> None:
            params = {name: getter(session.frame) for name, getter in plan.params.items()}
            values = session.engine.rows(f"SELECT {texts}", params)[0] if args else ()
            views.fill(session, sql, columns, session.call_table(inline.database, inline.module, tuple(values)))

        return Rows(inline.module.name, columns, f"temp.{sql}", load)

    def table_function(self, parts: tuple[str, ...], count: int, plan: Plan) -> Rows | None:
        """A system function whose rows are made beforehand."""
        database, schema, name = self.split(parts)
        del plan
        return views.function(self.session, database, schema, name, count)


def check_type(kind: SqlType) -> None:
    """Errors for lengths and precisions that cannot be."""
    name, length = kind.name, kind.length
    if length is not None and length != -1:
        limit = 4000 if name in ("nchar", "nvarchar") else 8000
        if length < 1:
            raise SqlError(1001, f"Line 1: Length or precision specification {length} is invalid.", 15)
        if length > limit:
            raise SqlError(
                131,
                f"The size ({length}) given to the type '{name}' exceeds the maximum allowed for any data type (8000).",
                15,
                2,
            )
    if kind.precision is not None and not 1 <= kind.precision <= 38:
        raise SqlError(
            2750,
            "Column or parameter #1: Specified column precision "
            f"{kind.precision} is greater than the maximum precision of 38.",
        )
    if kind.precision is not None and not 0 <= (kind.scale or 0) <= kind.precision:
        raise SqlError(192, "The scale must be less than or equal to the precision.", 15)
    if kind.precision is None and kind.scale is not None and not 0 <= kind.scale <= 7:
        raise SqlError(1002, f"Line 1: Specified scale {kind.scale} is invalid.", 15)


__all__ = ["SYSNAME", "SessionEnvironment", "builtin_type", "check_type", "unknown_object"]
