"""Table variables, and what a scope leaves behind."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.interpreter.ddl.constraints import ConstraintBuilder
from runbook.sandbox.language.interpreter.ddl.home import SessionHome
from runbook.sandbox.language.interpreter.ddl.tables import build

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.frame import Frame


def declare(frame: Frame, name: str, body: d.TableBody) -> None:
    """``DECLARE @t TABLE (...)``."""
    if id(body) in frame.seen:
        return
    frame.seen.add(id(body))
    if name in frame.tables or name in frame.types:
        frame.declare(name, t.INT)
    with frame.session.transactions.writing():
        table = build(SessionHome(frame), 1, name, body)
    frame.tables[name] = StoredTable(name, table)


def declare_typed(frame: Frame, name: str, alias: m.UserType) -> None:
    """``DECLARE @t dbo.SomeTableType``."""
    if id(alias) in frame.seen and name in frame.tables:
        return
    frame.seen.add(id(alias))
    _, _, catalog = frame.session.open(frame.session.database)
    frame.tables[name] = copy_shape(frame, catalog.table(alias.table_id), name)


def copy_shape(frame: Frame, model: m.Table, name: str) -> StoredTable:
    """An empty table variable with the columns and keys of a table type."""
    home = SessionHome(frame)
    table = m.from_dict(m.Table, m.to_dict(model))
    assert isinstance(table, m.Table)
    table.id = home.new_id()
    table.phys, table.name, table.type_id = f"tt_{-table.id}", name, 0
    with frame.session.transactions.writing():
        builder = ConstraintBuilder(home, table)
        builder.create()
        for index in table.indexes:
            builder.make_index(index)
    return StoredTable(name, table)


def drop_local(frame: Frame) -> None:
    """Table variables and temporary tables of a scope that ends."""
    session = frame.session
    names = [t.sql for t in frame.tables.values() if not t.read_only]
    for key in frame.temp_tables:
        found = session.temp_tables.pop(key, None)
        if found is not None:
            names.append(found.sql)
    frame.tables.clear()
    frame.temp_tables.clear()
    if session.engine.in_transaction and session.transactions.is_writing:
        pass
    for name in names:
        with contextlib.suppress(SqlError):
            session.engine.execute(f"DROP TABLE IF EXISTS {name}")
