"""SELECT ... INTO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Plan
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.bind.queries import BoundQuery
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import fold
from runbook.sandbox.language.interpreter import plans, select
from runbook.sandbox.language.interpreter.ddl.build import TableBuilder, new_table
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, Home, SessionHome, split_new, taken
from runbook.sandbox.language.interpreter.dml.insert import finish
from runbook.sandbox.language.parser.base import unsupported

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder
    from runbook.sandbox.language.interpreter.batches import Runner


def run_select(runner: Runner, statement: s.SelectStatement) -> None:
    """A SELECT statement."""
    body = statement.query.body
    if isinstance(body, n.Select) and any(i.variable for i in body.items):
        select.assign(runner, statement, body)
    elif isinstance(body, n.Select) and body.into is not None:
        select_into(runner, statement, body)
    else:
        select.to_client(runner, statement)


def select_into(runner: Runner, statement: s.SelectStatement, body: n.Select) -> None:
    """A new table with the columns and rows of a query."""
    session, frame = runner.session, runner.frame
    assert body.into is not None
    query = n.Query(
        n.Select(
            body.items,
            body.distinct,
            body.top,
            None,
            body.source,
            body.where,
            body.group_by,
            body.grouping_sets,
            body.having,
        ),
        statement.query.ctes,
        statement.query.order_by,
        statement.query.offset,
        statement.query.fetch,
    )
    prepared = plans.prepare(frame, None, "into", lambda b, p: _bind(b, p, query, body))
    bound, identity = prepared.content
    temporary = body.into[-1].startswith("#")
    if temporary and (session.temp_table(body.into[-1]) is not None):
        raise taken(body.into[-1])
    database, schema, name = ("", "", body.into[-1]) if temporary else split_new(frame, body.into)
    databases = [] if temporary else [database]
    with (
        plans.using(session, prepared.plan),
        plans.databases(session, databases),
        session.transactions.writing(*databases),
        plans.sequences(session, prepared.plan),
    ):
        home: Home = SessionHome(frame) if temporary else DatabaseHome(frame, database)
        table = _table(home, schema, name, bound, identity)
        count = _fill(runner, home, table, bound, plans.parameters(prepared.plan, frame))
        if isinstance(home, DatabaseHome):
            home.save(table)
    if temporary:
        session.temp_tables[fold(name)] = StoredTable(name, table)
        if frame.kind in ("procedure", "trigger", "dynamic"):
            frame.temp_tables.append(fold(name))
    finish(runner, count)


def _bind(binder: FunctionBinder, _plan: Plan, query: n.Query, body: n.Select) -> tuple[BoundQuery, dict[int, Any]]:
    for item in body.items:
        if isinstance(item.expression, n.Call) and item.expression.builtin == "IDENTITY":
            raise unsupported("the IDENTITY function of SELECT INTO")
    bound = binder.subquery(query, None)
    bound.convert_items([t.INT if i.bound.type == t.NULL_TYPE else i.bound.type for i in bound.items])
    is_join = isinstance(body.source, n.Join)
    found = {i: True for i, item in enumerate(bound.items) if item.bound.identity and not is_join}
    return bound, found


def _table(home: Home, schema: str, name: str, bound: BoundQuery, identity: dict[int, Any]) -> m.Table:
    schema_id = 1
    if isinstance(home, DatabaseHome):
        schema_id = home.schema_id(schema)
        home.check_free(schema, name)
    table = new_table(home, schema_id, name)
    for i, item in enumerate(bound.items):
        if not item.name:
            raise SqlError(
                1038,
                "An object or column name is missing or empty. For SELECT INTO statements, verify each column has "
                'a name. For other statements, look for empty alias names. Aliases defined as "" or [] are not '
                "allowed. Change the alias to a valid name.",
                15,
                5,
            )
        if table.column(item.name) is not None:
            raise SqlError(
                2705,
                f"Column names in each table must be unique. Column name '{item.name}' in table '{name}' is "
                "specified more than once.",
                16,
                3,
            )
        kind = item.bound.type
        if kind.name == "sql_variant":
            raise unsupported("a sql_variant column")
        nullable = item.bound.nullable
        column = m.Column(i + 1, item.name, kind if kind.name != "timestamp" else t.varbinary(8), nullable, f"c{i + 1}")
        if i in identity and kind.name in t.INTEGERS:
            column.identity, column.nullable = [1, 1], False
        table.columns.append(column)
    table.next_column = len(table.columns) + 1
    TableBuilder(home, table).create()
    return table


def _fill(runner: Runner, home: Home, table: m.Table, bound: BoundQuery, params: dict[str, Any]) -> int:
    engine = runner.session.engine
    names = ", ".join(c.phys for c in table.columns)
    count = engine.change(f"INSERT INTO {home.dot}{table.phys}({names}) {bound.render()}", params)
    column = table.identity()
    if column is not None and isinstance(home, DatabaseHome):
        highest = engine.value(f"SELECT max({column.phys}) FROM {home.dot}{table.phys}")
        if highest is not None:
            engine.change(f"INSERT OR REPLACE INTO {home.dot}sys_identity VALUES(?,?)", (table.id, highest))
    return count
