"""The OUTPUT clause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Column, SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.bind.queries import Item
from runbook.sandbox.language.bind.scope import Scope, Source
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.dml.target import Target, resolve
from runbook.sandbox.language.interpreter.dml.values import automatic, default_of, written
from runbook.sandbox.language.interpreter.select import row_converter

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.interpreter.frame import Frame

OLD, NEW, ACTIONS = "o_", "i_", "m_"
"""Aliases of the images in the text of OUTPUT."""


@dataclass
class OutputPlan:
    """One bound OUTPUT clause."""

    event: str
    items: list[Item]
    params: Plan
    into: Target | None = None
    texts: list[str] | None = None


def databases(frame: Frame, outputs: list[s.Output]) -> list[str]:
    """Databases that OUTPUT INTO writes."""
    found = []
    for one in outputs:
        if one.into is not None:
            found += resolve(frame, one.into, Plan()).databases  # type: ignore[arg-type]
    return found


def bind(frame: Frame, plan: Plan, target: Target, outputs: list[s.Output], event: str) -> list[OutputPlan]:
    """Bind all OUTPUT clauses of a statement."""
    found = []
    for one in outputs:
        if one.into is None and target.triggers and any(target.triggers.values()):
            raise SqlError(
                334,
                f"The target table '{target.table.name}' of the DML statement cannot have any enabled triggers if "
                "the statement contains an OUTPUT clause without INTO clause.",
            )
        found.append(_bind(frame, plan, target, one, event))
    return found


def _bind(frame: Frame, plan: Plan, target: Target, one: s.Output, event: str) -> OutputPlan:
    binder = plans.binder_for(frame, plan)
    stored = StoredTable(target.table.name, target.table, target.prefix)
    sources = []
    if event in ("INSERT", "UPDATE", "MERGE"):
        sources.append(Source("inserted", binder.table_columns(stored, NEW), (), NEW))
    if event in ("DELETE", "UPDATE", "MERGE"):
        sources.append(Source("deleted", binder.table_columns(stored, OLD), (), OLD))
    scope = Scope(sources=sources)
    items = []
    for item in one.items:
        expression = item.expression
        if isinstance(expression, n.Star):
            wanted = expression.qualifier[-1].casefold() if expression.qualifier else ""
            for source in sources:
                if source.alias == wanted:
                    items += [Item(c.name, c.bound) for c in source.columns]
            continue
        if isinstance(expression, n.Name) and expression.parts[-1].lower() == "$action":
            items.append(Item(item.alias or "$action", Bound(f"{ACTIONS}.act", t.nvarchar(10), False)))
            continue
        name = item.alias or (expression.parts[-1] if isinstance(expression, n.Name) else "")
        items.append(Item(name, binder.value(expression, scope)))
    found = OutputPlan(event, items, plan)
    if one.into is not None:
        _bind_into(frame, plan, found, one)
    return found


def _bind_into(frame: Frame, plan: Plan, found: OutputPlan, one: s.Output) -> None:
    into = resolve(frame, one.into, plan)  # type: ignore[arg-type]
    if into.triggers or into.instead or into.parents or into.children:
        raise SqlError(
            331, f"The target table '{into.table.name}' of the OUTPUT INTO clause cannot have any enabled triggers."
        )
    binder = plans.binder_for(frame, plan)
    columns = (
        [into.table.column(c) for c in one.columns]
        if one.columns
        else [c for c in into.table.columns if not (c.computed or c.identity or c.type.name == "timestamp")]
    )
    if None in columns or len(columns) != len(found.items):
        raise SqlError(213, "Column name or number of supplied values does not match table definition.")
    values = {c.id: i.bound for c, i in zip(columns, found.items, strict=True) if c is not None}
    texts = []
    for column in into.table.stored():
        value = values.get(column.id)
        own = automatic(column) if value is None else ""
        texts.append(own or written(value if value is not None else default_of(binder, column), column, into, "INSERT"))
    found.into, found.texts = into, texts


def emitter(runner: Runner, outputs: list[OutputPlan] | None) -> Callable[[str, str], None] | None:
    """A function that shows or stores the images, None without OUTPUT."""
    if not outputs:
        return None

    def emit(deleted: str, inserted: str) -> None:
        for one in outputs:
            _emit(runner, one, deleted, inserted, "")

    return emit


def emit_merge(runner: Runner, outputs: list[OutputPlan], deleted: str, inserted: str, actions: str) -> None:
    """OUTPUT of MERGE: the images are joined over a table of actions."""
    for one in outputs:
        _emit(runner, one, deleted, inserted, actions)


def _source(one: OutputPlan, deleted: str, inserted: str, actions: str) -> str:
    if actions:
        return (
            f"{actions} AS {ACTIONS} LEFT JOIN {inserted} AS {NEW} ON {NEW}.rid = {ACTIONS}.rid AND "
            f"{ACTIONS}.act <> 'DELETE' "
            f"LEFT JOIN {deleted} AS {OLD} ON {OLD}.rid = {ACTIONS}.rid AND {ACTIONS}.act <> 'INSERT'"
        )
    if one.event == "INSERT":
        return f"{inserted} AS {NEW}"
    if one.event == "DELETE":
        return f"{deleted} AS {OLD}"
    return f"{inserted} AS {NEW} JOIN {deleted} AS {OLD} ON {OLD}.rid = {NEW}.rid"


def _emit(runner: Runner, one: OutputPlan, deleted: str, inserted: str, actions: str) -> None:
    source = _source(one, deleted, inserted, actions)
    params = plans.parameters(one.params, runner.frame)
    order = f"{ACTIONS}.rowid" if actions else (f"{NEW}.rid" if one.event != "DELETE" else f"{OLD}.rid")
    if one.into is not None:
        assert one.texts is not None
        _store(runner, one, source, order, params)
        return
    columns = [Column(i.name, t.INT if i.bound.type == t.NULL_TYPE else i.bound.type, True) for i in one.items]
    convert_row = row_converter(columns)
    texts = ", ".join(i.bound.sql for i in one.items)
    rows: list[Any] = runner.session.engine.rows(f"SELECT {texts} FROM {source} ORDER BY {order}", params)
    runner.sink.columns(columns)
    for row in rows:
        runner.sink.row(convert_row(row) if convert_row else row)
    runner.sink.done(None if runner.session.options.nocount else len(rows))


def _store(runner: Runner, one: OutputPlan, source: str, order: str, params: dict[str, Any]) -> None:
    assert one.into is not None
    assert one.texts is not None
    session, into = runner.session, one.into
    names = ", ".join(c.phys for c in into.table.stored())
    sql = f"INSERT INTO {into.sql}({names}) SELECT {', '.join(one.texts)} FROM {source} ORDER BY {order}"
    identity = into.table.identity() is not None
    if identity:
        session.engine.execute("CREATE TABLE IF NOT EXISTS main.sys_identity(id INTEGER PRIMARY KEY, value INTEGER)")
        session.counters.begin_identity(into.prefix or "main.", into.table)
    try:
        session.engine.execute(sql, params)
    finally:
        if identity:
            session.counters.end_identity(keep=True)
