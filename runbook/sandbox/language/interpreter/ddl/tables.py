"""CREATE and ALTER TABLE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.language import definitions as d
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import fold
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.ddl.build import new_table
from runbook.sandbox.language.interpreter.ddl.constraints import ConstraintBuilder
from runbook.sandbox.language.interpreter.ddl.home import (
    DatabaseHome,
    Home,
    SessionHome,
    split_new,
    taken,
)
from runbook.sandbox.language.parser.base import unsupported

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.interpreter.frame import Frame


def create(runner: Runner, statement: d.CreateTable) -> None:
    """CREATE TABLE."""
    frame = runner.frame
    if statement.name[-1].startswith("#"):
        create_temporary(frame, statement.name[-1], statement.body)
    else:
        database, schema, name = split_new(frame, statement.name)
        with plans.databases(frame.session, [database]), frame.session.transactions.writing(database):
            home = DatabaseHome(frame, database)
            schema_id = home.schema_id(schema)
            home.check_free(schema, name)
            table = build(home, schema_id, name, statement.body)
            home.save(table)
    runner.session.state.settle()
    runner.sink.done()


def build(home: Home, schema_id: int, name: str, body: d.TableBody) -> m.Table:
    """A table with everything in its definition."""
    table = new_table(home, schema_id, name)
    fill(ConstraintBuilder(home, table), body)
    return table


def fill(builder: ConstraintBuilder, body: d.TableBody) -> None:
    """Columns first (keys make theirs NOT NULL), then the table, then constraints."""
    keys = [c for d in body.columns for c in d.constraints] + body.constraints
    plain = [d for d in body.columns if not d.computed]
    for definition in body.columns:
        if not definition.computed:
            column = builder.add_column(definition)
            if definition.nullable is None and in_primary(column.name, keys):
                column.nullable = False
    for definition in body.columns:
        if definition.computed:
            builder.add_column(definition)
    _reorder(builder.table, [d.name for d in body.columns], plain)
    builder.create()
    for constraint in sorted(keys, key=order):
        builder.add(constraint)


def _reorder(table: m.Table, names: list[str], plain: list[d.ColumnDef]) -> None:
    """Computed columns were added last, so that they can name columns behind them; ids follow the written order."""
    if len(plain) == len(names):
        return
    by_name = {fold(c.name): c for c in table.columns}
    table.columns = [by_name[fold(n)] for n in names]
    for i, column in enumerate(table.columns, 1):
        column.id = i


def in_primary(name: str, constraints: list[d.ConstraintDef]) -> bool:
    return any(
        c.kind == "PRIMARY KEY" and any(fold(column) == fold(name) for column, _ in c.columns) for c in constraints
    )


def order(constraint: d.ConstraintDef) -> int:
    return {"DEFAULT": 0, "PRIMARY KEY": 1, "UNIQUE": 2, "INDEX": 3, "CHECK": 4}.get(constraint.kind, 5)


def create_temporary(frame: Frame, name: str, body: d.TableBody) -> None:
    """``CREATE TABLE #t``."""
    session = frame.session
    if name.startswith("##"):
        raise unsupported("a global temporary table")
    existing = session.temp_table(name)
    if existing is not None:
        raise taken(name)
    with session.transactions.writing():
        table = build(SessionHome(frame), 1, name, body)
    session.temp_tables[fold(name)] = StoredTable(name, table)
    if frame.kind in ("procedure", "trigger", "dynamic"):
        frame.temp_tables.append(fold(name))
