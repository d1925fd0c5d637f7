"""From column and constraint definitions to models and SQLite tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.bind.predicates import group_suffix
from runbook.sandbox.language.bind.scope import Scope, Source
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import now
from runbook.sandbox.language.engine import collate
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, Home, SessionHome, bracketed
from runbook.sandbox.language.interpreter.environment import SessionEnvironment, check_type
from runbook.sandbox.language.interpreter.plans import binder_for
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.fragments import parse_expression
from runbook.sandbox.language.values import convert

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder

NOT_KEYS = frozenset({"text", "ntext", "image", "xml"})


class TableBuilder:
    """Adds columns and constraints to a table model, and makes them in SQLite."""

    def __init__(self, home: Home, table: m.Table) -> None:
        self.home = home
        self.table = table
        self.environment = SessionEnvironment(home.frame)

    # -- columns

    def add_column(self, definition: d.ColumnDef) -> m.Column:
        """A column in the model; constraints come later."""
        table = self.table
        if table.column(definition.name) is not None:
            raise SqlError(
                2705,
                f"Column names in each table must be unique. Column name '{definition.name}' in table "
                f"'{table.name}' is specified more than once.",
                16,
                3,
            )
        column = m.Column(table.next_column, definition.name, t.INT, True, f"c{table.next_column}")
        table.next_column += 1
        if definition.computed:
            self._computed(column, definition)
        else:
            self._typed(column, definition)
        table.columns.append(column)
        return column

    def _typed(self, column: m.Column, definition: d.ColumnDef) -> None:
        assert definition.type is not None
        name = definition.type
        kind = self.environment.type_of(name)
        if kind.name == "sql_variant":
            raise unsupported("a sql_variant column")
        if name.type is None:
            alias = self.environment.user_type(name.parts)
            assert alias is not None
            column.user_type, column.type_name = alias.id, alias.name
            column.nullable = alias.nullable
        elif name.parts[-1].lower() == "sysname":
            column.type_name, column.nullable = "sysname", False
        column.type = kind
        if definition.nullable is not None:
            column.nullable = definition.nullable
        if kind.name == "timestamp":
            column.nullable = bool(definition.nullable)
        if definition.collation:
            collate.collation_of(definition.collation)
            column.collation = definition.collation
        column.rowguid, column.sparse = definition.rowguid, definition.sparse
        self._identity(column, definition)

    def _identity(self, column: m.Column, definition: d.ColumnDef) -> None:
        if definition.identity is None:
            return
        kind = column.type
        whole = kind.name in t.INTEGERS - {"bit"} or (kind.name in t.DECIMALS and not kind.scale)
        if not whole:
            raise SqlError(
                2749,
                f"Identity column '{column.name}' must be of data type int, bigint, smallint, tinyint, or decimal "
                "or numeric with a scale of 0, unencrypted, and constrained to be nonnullable.",
            )
        if self.table.identity() is not None:
            raise SqlError(
                2744,
                f"Multiple identity columns specified for table '{self.table.name}'. Only one identity column "
                "per table is allowed.",
            )
        column.identity = list(definition.identity)
        column.nullable = False

    def _computed(self, column: m.Column, definition: d.ColumnDef) -> None:
        bound = self.bind(definition.computed)
        column.computed = bracketed(definition.computed)
        column.type, column.persisted = bound.type, definition.persisted
        column.nullable = bound.nullable if definition.nullable is None else definition.nullable

    def bind(self, text: str) -> Bound:
        """Bind an expression over the columns of the table; errors show what is wrong with it."""
        plan = Plan()
        binder = binder_for(self.home.frame, plan)
        return binder.value(parse_expression(text), self.scope(binder))

    def scope(self, binder: FunctionBinder, alias: str = "") -> Scope:
        """A scope with the columns of the table under SQLite's own names."""
        stored = StoredTable(self.table.name, self.table, self.home.dot)
        columns = binder.table_columns(stored, alias or self.table.phys)
        return Scope(sources=[Source(self.table.name, columns, (), alias or self.table.phys, stored)])

    # -- SQLite

    def create(self) -> None:
        """Make the table."""
        columns = ", ".join(column_sql(c) for c in self.table.stored())
        if not columns:
            raise SqlError(1759, f"Computed columns only in table '{self.table.name}'.")
        self.home.engine.execute(f"CREATE TABLE {self.home.dot}{self.table.phys}({columns}) STRICT")

    def make_index(self, index: m.Index) -> None:
        """Make an index; error 1505 or 2627 when the rows there are not unique."""
        if index.disabled:
            return
        table, home = self.table, self.home
        name = m.index_name(table, index)
        parts = [self.key_sql(table.by_id(k), descending=bool(d)) for k, d in index.keys]
        where = f" WHERE {self._filter(index.where)}" if index.where else ""
        if not _is_stable("".join(parts) + where):
            if index.unique:
                raise unsupported("a unique index over this expression")
            return
        engine = home.engine
        try:
            unique = "UNIQUE " if index.unique else ""
            engine.execute(f"CREATE {unique}INDEX {home.dot}{name} ON {table.phys}({', '.join(parts)}){where}")
            self._nulls(index, name, where)
        except SqlError as error:
            if error.number == 2627:
                raise self._not_unique(index) from None
            raise

    def _nulls(self, index: m.Index, name: str, where: str) -> None:
        """NULLs are equal in a unique index of SQL Server, but not in one of SQLite."""
        columns = [self.table.by_id(k) for k, _ in index.keys]
        loose = [c for c in columns if c.nullable]
        if not index.unique or not loose:
            return
        parts = []
        for column in columns:
            sentinel = "'null'" if t.affinity(column.type) == "BLOB" else "x'00'"
            parts.append(f"ifnull({self.column_text(column)},{sentinel}){collation_suffix(column)}")
        test = " OR ".join(f"{self.column_text(c)} IS NULL" for c in loose)
        test = f" WHERE ({test})" + (f" AND {where[7:]}" if where else "")
        self.home.engine.execute(
            f"CREATE UNIQUE INDEX {self.home.dot}{name}n ON {self.table.phys}({', '.join(parts)}){test}"
        )

    def drop_index(self, index: m.Index) -> None:
        """Drop what :meth:`make_index` made."""
        name = m.index_name(self.table, index)
        for ending in ("", "n"):
            self.home.engine.execute(f"DROP INDEX IF EXISTS {self.home.dot}{name}{ending}")

    def column_text(self, column: m.Column) -> str:
        """SQLite text of a column inside its own table."""
        if not column.computed:
            return column.phys
        binder = binder_for(self.home.frame, Plan())
        source = self.scope(binder).sources[0]
        found = source.find(column.name)
        assert found is not None
        return found.sql.replace(f"{self.table.phys}.", "")

    def key_sql(self, column: m.Column, *, descending: bool) -> str:
        """A key column of an index."""
        return f"{self.column_text(column)}{collation_suffix(column)}{' DESC' if descending else ''}"

    def _filter(self, text: str) -> str:
        binder = binder_for(self.home.frame, Plan())
        scope = self.scope(binder)
        return binder.condition(parse_expression(text), scope).sql.replace(f"{self.table.phys}.", "")

    def _not_unique(self, index: m.Index) -> SqlError:
        label = self.table.name
        if isinstance(self.home, DatabaseHome):
            label = self.home.catalog.schema_name(self.table.schema) + "." + self.table.name
        value = self._duplicate(index)
        first = SqlError(
            1505,
            f"The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object "
            f"name '{label}' and "
            f"the index name '{index.name}'. The duplicate key value is {value}.",
        )
        if index.kind:
            return SqlError(1505, first.message, also=[SqlError(1750, COULD_NOT, 16, 1)])
        return first

    def _duplicate(self, index: m.Index) -> str:
        columns = [self.table.by_id(k) for k, _ in index.keys]
        texts = [f"{self.column_text(c)}{collation_suffix(c)}" for c in columns]
        row = self.home.engine.rows(
            f"SELECT {', '.join(texts)} FROM {self.home.dot}{self.table.phys} GROUP BY {', '.join(texts)} "
            "HAVING count(*) > 1 LIMIT 1"
        )
        return key_text(row[0] if row else (), columns)


def collation_suffix(column: m.Column) -> str:
    """COLLATE of a key column."""
    coll = collate.collation_of(column.collation) if column.collation else collate.CI_AS
    if column.type.name in t.STRINGS:
        return f" COLLATE {coll}"
    return " COLLATE DTO" if column.type.name == "datetimeoffset" else ""


def _is_stable(sql: str) -> bool:
    """Whether a text means the same in another process: functions by number do not."""
    return re.search(r"\b_[cndvs]\(", sql) is None and "_live(" not in sql


COULD_NOT = "Could not create constraint or index. See previous errors."


def key_text(values: object, columns: list[m.Column]) -> str:
    """``(1, abc)`` in messages about duplicate keys."""
    texts = []
    for value, column in zip(values, columns, strict=False):  # type: ignore[call-overload]
        texts.append(
            "<NULL>"
            if value is None
            else str(convert.cast_value(value, column.type, t.NVARCHAR_MAX)).rstrip(" ")
            if column.type.name not in t.BINARIES
            else "0x" + bytes(value).hex()
        )
    return f"({', '.join(texts)})"


def column_sql(column: m.Column) -> str:
    """A column of CREATE TABLE or ADD COLUMN in SQLite."""
    text = f"{column.phys} {t.affinity(column.type)}"
    if column.type.name in t.STRINGS:
        coll = collate.collation_of(column.collation) if column.collation else collate.CI_AS
        return f"{text} COLLATE {coll}"
    return f"{text} COLLATE DTO" if column.type.name == "datetimeoffset" else text


def new_table(home: Home, schema_id: int, name: str) -> m.Table:
    """An empty table model."""
    number = home.new_id()
    phys = f"t_{number}" if number > 0 else f"tt_{-number}"
    moment = now()
    return m.Table(number, schema_id, name, phys, [], created=moment, modified=moment)


def alias_type(kind: SqlType) -> SqlType:
    """Check and return a type."""
    check_type(kind)
    return kind


__all__ = ["SessionHome", "TableBuilder", "column_sql", "group_suffix", "key_text", "new_table"]
