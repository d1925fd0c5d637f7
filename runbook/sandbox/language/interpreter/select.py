"""SELECT: to the client, into variables, into a new table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Column, Sink, SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.bind.conversion import cast, convert
from runbook.sandbox.language.bind.queries import BoundQuery
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import wire

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.interpreter.frame import Frame

CHECK_EVERY = 1000


def out_columns(query: BoundQuery) -> list[Column]:
    """Result columns; sql_variant has no form on the wire here."""
    columns = []
    for item in query.items:
        kind = item.bound.type
        if kind.name == "sql_variant":
            raise unsupported("a sql_variant result column (cast it)")
        columns.append(
            Column(item.name, t.INT if kind == t.NULL_TYPE else kind, item.bound.nullable, item.bound.identity)
        )
    return columns


def bind_query(query: n.Query) -> Callable[[FunctionBinder, Plan], tuple[list[Column], str]]:
    """How a whole query becomes columns and text."""

    def bind(binder: FunctionBinder, _plan: Plan) -> tuple[list[Column], str]:
        bound = binder.subquery(query, None)
        columns = out_columns(bound)
        bound.convert_items([t.INT if i.bound.type == t.NULL_TYPE else i.bound.type for i in bound.items])
        return columns, bound.render()

    return bind


def to_client(runner: Runner, statement: s.SelectStatement) -> None:
    session, sink = runner.session, runner.sink
    prepared = plans.prepare(runner.frame, statement.plans, "query", bind_query(statement.query))
    columns, sql = prepared.content
    if session.transactions.is_writing or not session.options.implicit_transactions or not prepared.plan.databases:
        pass
    else:
        session.transactions.implicit()
    with plans.using(session, prepared.plan), plans.sequences(session, prepared.plan):
        count = stream(runner.frame, sql, plans.parameters(prepared.plan, runner.frame), columns, sink)
    session.state.settle(count)
    sink.done(None if session.options.nocount else count)


def stream(frame: Frame, sql: str, params: dict[str, Any], columns: Sequence[Column], sink: Sink) -> int:
    """Send all rows of a query; gives their number."""
    session = frame.session
    engine = session.engine
    convert_row = row_converter(columns)
    count = 0
    with engine.errors():
        cursor = engine.connection.execute(sql, params)
        first = cursor.fetchone()
        sink.columns(columns)
        if first is not None:
            sink.row(convert_row(first) if convert_row else first)
            count = 1
            send = sink.row
            for row in cursor:
                send(convert_row(row) if convert_row else row)
                count += 1
                if count % CHECK_EVERY == 0:
                    session.check()
    return count


def row_converter(columns: Sequence[Column]) -> Callable[[Sequence[Any]], Sequence[Any]] | None:
    """A function from a row of SQLite to one of the contract, None where nothing changes."""
    functions = [wire.to_wire(c.type) for c in columns]
    changed = [(i, f) for i, f in enumerate(functions) if f is not None]
    if not changed:
        return None

    def convert_row(row: Sequence[Any]) -> Sequence[Any]:
        values = list(row)
        for i, function in changed:
            value = values[i]
            if value is not None:
                values[i] = function(value)
        return values

    return convert_row


def rows_of(frame: Frame, query: n.Query, plans_of: dict[Any, Any] | None) -> tuple[list[Column], Iterator[Any]]:
    """Columns and physical rows of a query, read at once."""
    prepared = plans.prepare(frame, plans_of, "rows", bind_query(query))
    columns, sql = prepared.content
    session = frame.session
    with plans.using(session, prepared.plan), plans.sequences(session, prepared.plan):
        rows = session.engine.rows(sql, plans.parameters(prepared.plan, frame))
    return columns, iter(rows)


# --- into variables ----------------------------------------------------------------------------------------


def assign(runner: Runner, statement: s.SelectStatement, body: n.Select) -> None:
    frame, session = runner.frame, runner.session
    if any(i.variable is None for i in body.items):
        raise SqlError(
            141,
            "A SELECT statement that assigns a value to a variable must not be combined with data-retrieval "
            "operations.",
            15,
        )
    names = [i.variable or "" for i in body.items]
    prepared = plans.prepare(
        frame, statement.plans, "assign", lambda b, p: _bind_assign(b, p, statement.query, body, names)
    )
    sql = prepared.content
    count = 0
    with plans.using(session, prepared.plan), plans.sequences(session, prepared.plan):
        engine = session.engine
        with engine.errors():
            for row in engine.connection.execute(sql, plans.parameters(prepared.plan, frame)):
                for name, value in zip(names, row, strict=True):
                    frame.variables[name] = value
                count += 1
    session.state.settle(count)


def _bind_assign(binder: FunctionBinder, _plan: Plan, query: n.Query, body: n.Select, names: list[str]) -> str:
    binder.live = set(names)
    items = []
    for item in body.items:
        expression = item.expression
        if item.op != "=":
            assert item.variable is not None
            expression = n.Binary(item.op[0], n.Variable(item.variable), expression)
        items.append(n.SelectItem(expression, item.variable))
    if query.order_by and any(mentions(i.expression, binder.live) for i in items):
        query, items, body = _sorted_first(query, body, items)
    select = n.Select(
        items, body.distinct, body.top, None, body.source, body.where, body.group_by, body.grouping_sets, body.having
    )
    bound = binder.subquery(n.Query(select, query.ctes, query.order_by, query.offset, query.fetch), None)
    for output, name in zip(bound.items, names, strict=True):
        output.bound = convert_variable(output.bound, binder.env.variable(name))
    return bound.render()


def mentions(node: Any, variables: set[str]) -> bool:
    """Whether one of these variables stands in an expression."""
    return any(isinstance(x, n.Variable) and x.name in variables for x in walk(node))


def _sorted_first(
    query: n.Query, body: n.Select, items: list[n.SelectItem]
) -> tuple[n.Query, list[n.SelectItem], n.Select]:
    """A variable that adds up over sorted rows: sort the columns first, then compute row by row."""
    if body.group_by or body.distinct or any(isinstance(x, n.Query) for i in items for x in walk(i.expression)):
        raise unsupported("adding up a variable over grouped or sorted rows with subqueries")
    columns: dict[tuple[str, ...], str] = {}
    for item in items:
        for parts in _columns(item.expression):
            columns.setdefault(parts, f"k{len(columns) + 1}")
    inner = [n.SelectItem(n.Name(parts), alias) for parts, alias in columns.items()] or [
        n.SelectItem(n.Literal("int", 1), "k1")
    ]
    select = n.Select(inner, False, body.top, None, body.source, body.where)
    cte = n.CommonTable("sorted rows", [], n.Query(select, [], query.order_by, query.offset, query.fetch), kept=True)
    outer = n.Select([], source=n.TableRef(("sorted rows",)))
    renamed = [n.SelectItem(_renamed(i.expression, columns), i.alias) for i in items]
    return n.Query(outer, [*query.ctes, cte]), renamed, outer


def _columns(node: n.Node) -> list[tuple[str, ...]]:
    """Names of columns in an expression; date parts are no columns."""
    words = {id(x.args[0]) for x in walk(node) if isinstance(x, n.Call) and x.args and x.builtin.startswith("DATE")}
    return [x.parts for x in walk(node) if isinstance(x, n.Name) and id(x) not in words]


def _renamed(node: Any, columns: dict[tuple[str, ...], str]) -> Any:
    """A copy of an expression with its columns under new names."""
    if isinstance(node, n.Name):
        return n.Name((columns[node.parts],)) if node.parts in columns else node
    if isinstance(node, n.Node):
        return type(node)(*(_renamed(getattr(node, f.name), columns) for f in fields(node)))  # type: ignore[arg-type]
    if isinstance(node, (list, tuple)):
        return type(node)(_renamed(x, columns) for x in node)
    return node


def walk(node: Any) -> Iterator[Any]:
    """All nodes of a tree."""
    if isinstance(node, n.Node):
        yield node
        for one in fields(node):  # type: ignore[arg-type]
            yield from walk(getattr(node, one.name))
    elif isinstance(node, (list, tuple)):
        for part in node:
            yield from walk(part)


def convert_variable(bound: Bound, kind: Any) -> Bound:
    """Assignment to a variable cuts strings without a word."""
    if t.family(bound.type) == t.family(kind) and t.family(kind) in ("string", "binary"):
        return cast(bound, kind)
    return convert(bound, kind)


# --- single values -----------------------------------------------------------------------------------------


def evaluate(frame: Frame, node: n.Node, kind: Any, plans_of: dict[Any, Any] | None = None, slot: str = "value") -> Any:
    """Physical value of an expression under a type (None: its own); gives (value, type)."""
    if isinstance(node, n.Literal) and node.value is None:
        return None, kind or t.INT
    prepared = plans.prepare(frame, plans_of, slot, lambda b, _p: _bind_value(b, node, kind))
    sql, found, const = prepared.content
    if sql is None:
        return const, found
    session = frame.session
    plan = prepared.plan
    if plan.is_plain:
        if sql.startswith(":p_"):
            return plan.params[sql[1:]](frame), found
        return session.engine.value(f"SELECT {sql}", plans.parameters(plan, frame)), found
    with plans.using(session, prepared.plan), plans.sequences(session, prepared.plan):
        return session.engine.value(f"SELECT {sql}", plans.parameters(prepared.plan, frame)), found


def _bind_value(binder: FunctionBinder, node: n.Node, kind: Any) -> tuple[str | None, Any, Any]:
    bound = binder.value(node, Scope())
    if kind is not None:
        bound = convert_variable(bound, kind)
    if bound.is_const:
        return None, bound.type, bound.const
    return bound.sql, bound.type, None


def test(frame: Frame, node: n.Node, plans_of: dict[Any, Any]) -> bool:
    """Whether a condition holds."""

    def bind(binder: FunctionBinder, _plan: Plan) -> str:
        return binder.condition(node, Scope()).sql

    prepared = plans.prepare(frame, plans_of, "condition", bind)
    session, plan = frame.session, prepared.plan
    text = f"SELECT {prepared.content}"
    if plan.is_plain:
        return bool(session.engine.value(text, plans.parameters(plan, frame)))
    with plans.using(session, plan):
        return bool(session.engine.value(text, plans.parameters(plan, frame)))
