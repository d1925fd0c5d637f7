"""Constraints: keys, checks, foreign keys, defaults."""

from __future__ import annotations

from typing import Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Plan
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import constraints, fold, now
from runbook.sandbox.language.interpreter.ddl.build import COULD_NOT, NOT_KEYS, TableBuilder
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, SessionHome, bracketed, find_object, taken
from runbook.sandbox.language.interpreter.plans import binder_for
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.fragments import parse_expression

_SHORT = {"PRIMARY KEY": "PK", "UNIQUE": "UQ", "CHECK": "CK", "FOREIGN KEY": "FK", "DEFAULT": "DF"}


class ConstraintBuilder(TableBuilder):
    """Adds constraints to a table model."""

    def add(self, definition: d.ConstraintDef, *, trusted: bool = True, make: bool = True) -> Any:
        """One constraint; ``make`` false leaves the index to the caller."""
        kind = definition.kind
        if kind in ("PRIMARY KEY", "UNIQUE", "INDEX"):
            return self._key(definition, make=make)
        if kind == "CHECK":
            return self._check(definition, trusted=trusted)
        if kind == "DEFAULT":
            return self._default(definition)
        return self._foreign_key(definition, trusted=trusted)

    def _name(self, definition: d.ConstraintDef, number: int, hint: str = "") -> tuple[str, bool]:
        if definition.name:
            self.home.constraint_free(self.table.schema, definition.name)
            if any(fold(c) == fold(definition.name) for c in self._names()):
                raise taken(definition.name)
            return definition.name, False
        base = self.table.name[:9] if not hint else f"{self.table.name[:9]}__{hint[:5]}"
        return f"{_SHORT[definition.kind]}__{base}__{number & 0xFFFFFFFF:08X}", True

    def _names(self) -> list[str]:
        return [c.name for c in constraints(self.table)]

    def _column(self, name: str) -> m.Column:
        found = self.table.column(name)
        if found is None:
            raise SqlError(
                1911,
                f"Column name '{name}' does not exist in the target table or view.",
                also=[SqlError(1750, COULD_NOT)],
            )
        return found

    # -- keys and indexes

    def _key(self, definition: d.ConstraintDef, *, make: bool) -> m.Index:
        primary = definition.kind == "PRIMARY KEY"
        keys = []
        for name, descending in definition.columns:
            column = self._column(name)
            if column.type.name in NOT_KEYS or (column.type.length == t.MAX):
                raise SqlError(
                    1919,
                    f"Column '{name}' in table '{self.table.name}' is of a type that is invalid for use as a key "
                    "column in an index.",
                )
            keys.append([column.id, int(descending)])
        if primary:
            self._primary(definition)
        clustered = self._clustered(definition)
        number, system = 0, False
        if definition.kind == "INDEX":
            name = definition.name
            if any(fold(i.name) == fold(name) for i in self.table.indexes):
                raise SqlError(
                    1913,
                    f"The operation failed because an index or statistics with name '{name}' already exists on "
                    f"table '{self.table.name}'.",
                )
        else:
            number = self.home.new_id()
            name, system = self._name(definition, number)
        index = m.Index(
            1 if clustered else self._next_index(),
            name,
            definition.unique,
            clustered,
            keys,
            [self._column(c).id for c in definition.includes],
            bracketed(definition.where) if definition.where else "",
            {"PRIMARY KEY": "PK", "UNIQUE": "UQ", "INDEX": ""}[definition.kind],
            number,
            fill_factor=int(definition.options.get("FILL_FACTOR", "0") or 0),
            padded=definition.options.get("PAD_INDEX") == "ON",
            ignore_duplicates=definition.options.get("IGNORE_DUP_KEY") == "ON",
            system_named=system,
            created=now(),
        )
        if index.ignore_duplicates:
            raise unsupported("IGNORE_DUP_KEY = ON")
        self.table.indexes.append(index)
        if make:
            self.make_index(index)
        return index

    def _primary(self, definition: d.ConstraintDef) -> None:
        if self.table.primary_key() is not None:
            raise SqlError(
                1779,
                f"Table '{self.table.name}' already has a primary key defined on it.",
                also=[SqlError(1750, COULD_NOT)],
            )
        for name, _ in definition.columns:
            if self._column(name).nullable:
                raise SqlError(
                    8111,
                    f"Cannot define PRIMARY KEY constraint on nullable column in table '{self.table.name}'.",
                    also=[SqlError(1750, COULD_NOT)],
                )

    def _clustered(self, definition: d.ConstraintDef) -> bool:
        taken = any(i.clustered for i in self.table.indexes)
        wanted = definition.clustered
        if wanted is None:
            return definition.kind == "PRIMARY KEY" and not taken
        if wanted and taken:
            other = next(i.name for i in self.table.indexes if i.clustered)
            raise SqlError(
                1902,
                f"Cannot create more than one clustered index on table '{self.table.name}'. Drop the existing "
                f"clustered index '{other}' before creating another.",
                16,
                3,
            )
        return wanted

    def _next_index(self) -> int:
        return max([1, *(i.id for i in self.table.indexes)]) + 1

    # -- checks and defaults

    def _check(self, definition: d.ConstraintDef, *, trusted: bool) -> m.Check:
        column = self.table.column(definition.for_column) if definition.for_column else None
        number = self.home.new_id()
        name, system = self._name(definition, number, column.name if column else "")
        binder = binder_for(self.home.frame, Plan())
        test = binder.condition(parse_expression(definition.expression), self.scope(binder)).sql
        check = m.Check(
            number,
            name,
            bracketed(definition.expression),
            column.id if column else 0,
            not_trusted=not trusted,
            system_named=system,
            created=now(),
        )
        if trusted:
            self.verify_check(check, test)
        self.table.checks.append(check)
        return check

    def verify_check(self, check: m.Check, test: str | None = None) -> None:
        """Error 547 when rows break the constraint."""
        if test is None:
            binder = binder_for(self.home.frame, Plan())
            test = binder.condition(parse_expression(check.text), self.scope(binder)).sql
        bad = self.home.engine.value(f"SELECT 1 FROM {self.home.dot}{self.table.phys} WHERE NOT {test} LIMIT 1")
        if bad is not None:
            raise self._conflict("CHECK", check.name)

    def _conflict(self, kind: str, name: str, table: str = "", column: str = "") -> SqlError:
        database = getattr(self.home, "database", "tempdb") or "tempdb"
        label = table or self._label()
        where = f", column '{column}'" if column else ""
        return SqlError(
            547,
            f'The ALTER TABLE statement conflicted with the {kind} constraint "{name}". The conflict occurred '
            f"in database "
            f'"{database}", table "{label}"{where}.',
        )

    def _label(self) -> str:
        if isinstance(self.home, DatabaseHome):
            return f"{self.home.catalog.schema_name(self.table.schema)}.{self.table.name}"
        return f"dbo.{self.table.name}"

    def _default(self, definition: d.ConstraintDef) -> m.Default:
        column = self.table.column(definition.for_column)
        if column is None:
            raise SqlError(
                1752,
                f"Column '{definition.for_column}' in table '{self.table.name}' is invalid for creating a default "
                "constraint.",
                also=[SqlError(1750, COULD_NOT)],
            )
        if column.default is not None:
            raise SqlError(1781, "Column already has a DEFAULT bound to it.", also=[SqlError(1750, COULD_NOT)])
        if column.identity or column.computed or column.type.name == "timestamp":
            raise SqlError(
                1754,
                "Defaults cannot be created on columns with an IDENTITY attribute.",
                also=[SqlError(1750, COULD_NOT)],
            )
        number = self.home.new_id()
        name, system = self._name(definition, number, column.name)
        bound = binder_for(self.home.frame, Plan()).value(parse_expression(definition.expression), Scope())
        convert(bound, column.type)
        column.default = m.Default(number, name, bracketed(definition.expression), system)
        return column.default

    # -- foreign keys

    def _foreign_key(self, definition: d.ConstraintDef, *, trusted: bool) -> m.ForeignKey | None:
        if isinstance(self.home, SessionHome):
            self.home.session.state.error = 0
            return None
        columns = [self._fk_column(name) for name, _ in definition.columns]
        parent = self._parent(definition)
        index = self._parent_index(parent, definition, len(columns))
        number = self.home.new_id()
        name, system = self._name(definition, number, columns[0].name)
        wanted = definition.reference_columns
        parents = [self._parent_column(parent, c) for c in wanted] or [parent.by_id(k) for k, _ in index.keys]
        for child, other in zip(columns, parents, strict=True):
            if _shape(child) != _shape(other):
                raise SqlError(
                    1778,
                    f"Column '{parent.name}.{other.name}' is not the same data type as referencing column "
                    f"'{self.table.name}.{child.name}' in foreign key '{name}'.",
                    also=[SqlError(1750, COULD_NOT)],
                )
        key = m.ForeignKey(
            number,
            name,
            [c.id for c in columns],
            parent.id,
            [c.id for c in parents],
            definition.on_delete,
            definition.on_update,
            not_trusted=not trusted,
            system_named=system,
            index=index.id,
            created=now(),
        )
        self._no_cycle(key, parent)
        if trusted:
            self.verify_foreign_key(key, parent)
        self.table.foreign_keys.append(key)
        return key

    def _fk_column(self, name: str) -> m.Column:
        found = self.table.column(name)
        if found is None:
            raise SqlError(
                1769,
                f"Foreign key references invalid column '{name}' in referencing table '{self.table.name}'.",
                also=[SqlError(1750, COULD_NOT)],
            )
        return found

    def _parent(self, definition: d.ConstraintDef) -> m.Table:
        assert isinstance(self.home, DatabaseHome)
        parts = definition.reference
        if len(parts) == 1 and fold(parts[0]) == fold(self.table.name):
            return self.table
        if len(parts) > 2 and parts[0] and fold(parts[-3]) != fold(self.home.database):
            raise SqlError(
                1763, f"Cross-database foreign key references are not supported. Foreign key '{'.'.join(parts)}'."
            )
        full = (self.home.database, *(("",) if len(parts) == 1 else parts[-2:-1]), parts[-1])
        found = find_object(self.home.frame, full, m.Table)
        if found is None and fold(parts[-1]) == fold(self.table.name):
            return self.table
        if found is None:
            raise SqlError(
                1767,
                f"Foreign key '{definition.name}' references invalid table '{'.'.join(parts)}'.",
                also=[SqlError(1750, COULD_NOT)],
            )
        return self.table if found[1].id == self.table.id else found[1]

    def _parent_column(self, parent: m.Table, name: str) -> m.Column:
        found = parent.column(name)
        if found is None:
            raise SqlError(
                1770,
                f"Foreign key references invalid column '{name}' in referenced table '{parent.name}'.",
                also=[SqlError(1750, COULD_NOT)],
            )
        return found

    def _parent_index(self, parent: m.Table, definition: d.ConstraintDef, count: int) -> m.Index:
        if not definition.reference_columns:
            primary = parent.primary_key()
            if primary is None:
                raise SqlError(
                    1773,
                    f"Foreign key '{definition.name}' has implicit reference to object '{parent.name}' which does "
                    "not have a primary key defined on it.",
                    also=[SqlError(1750, COULD_NOT)],
                )
            if len(primary.keys) != count:
                raise SqlError(
                    8139,
                    f"Number of referencing columns in foreign key differs from number of referenced columns, "
                    f"table '{self.table.name}'.",
                )
            return primary
        if len(definition.reference_columns) != count:
            raise SqlError(
                8139,
                f"Number of referencing columns in foreign key differs from number of referenced columns, table "
                f"'{self.table.name}'.",
            )
        wanted = {self._parent_column(parent, c).id for c in definition.reference_columns}
        for index in parent.indexes:
            if index.unique and not index.where and {k for k, _ in index.keys} == wanted:
                return index
        raise SqlError(
            1776,
            f"There are no primary or candidate keys in the referenced table '{parent.name}' that match the "
            f"referencing column list in the foreign key '{definition.name}'.",
            also=[SqlError(1750, COULD_NOT)],
        )

    def _no_cycle(self, key: m.ForeignKey, parent: m.Table) -> None:
        cascades = key.on_delete != "NO ACTION" or key.on_update != "NO ACTION"
        if cascades and parent is self.table:
            raise SqlError(
                1785,
                f"Introducing FOREIGN KEY constraint '{key.name}' on table '{self.table.name}' may cause cycles or "
                "multiple cascade paths. Specify ON DELETE NO ACTION or ON UPDATE NO ACTION, or modify other FOREIGN "
                "KEY constraints.",
                also=[SqlError(1750, COULD_NOT)],
            )

    def verify_foreign_key(self, key: m.ForeignKey, parent: m.Table) -> None:
        """Error 547 when rows have no parent."""
        child, dot = self.table, self.home.dot
        pairs = list(zip(key.columns, key.table_columns, strict=True))
        present = " AND ".join(f"c.{child.by_id(a).phys} IS NOT NULL" for a, _ in pairs)
        match = " AND ".join(f"p.{parent.by_id(b).phys} = c.{child.by_id(a).phys}" for a, b in pairs)
        bad = self.home.engine.value(
            f"SELECT 1 FROM {dot}{child.phys} c WHERE {present} AND NOT EXISTS"
            f"(SELECT 1 FROM {dot}{parent.phys} p WHERE {match}) LIMIT 1"
        )
        if bad is not None:
            assert isinstance(self.home, DatabaseHome)
            schema = self.home.catalog.schema_name(parent.schema)
            column = parent.by_id(key.table_columns[0]).name if len(pairs) == 1 else ""
            raise self._conflict("FOREIGN KEY", key.name, f"{schema}.{parent.name}", column)


def _shape(column: m.Column) -> tuple[Any, ...]:
    kind = column.type
    if kind.name in t.STRINGS or kind.name in t.BINARIES:
        return (kind.name,)
    return ("decimal" if kind.name in t.DECIMALS else kind.name, kind.precision, kind.scale)
