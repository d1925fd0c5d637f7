"""MERGE: the rows of both sides are paired once, every row gets the first action whose condition holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.bind import arithmetic
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.bind.scope import Scope, Source
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.engine.connection import ConstraintFailed
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.dml import output
from runbook.sandbox.language.interpreter.dml.change import (
    Change,
    copy_rows,
    delete_rows,
    insert_rows,
    physical,
    update_rows,
)
from runbook.sandbox.language.interpreter.dml.insert import InsertPlan, _outputs, finish, with_identity
from runbook.sandbox.language.interpreter.dml.target import Target, resolve
from runbook.sandbox.language.interpreter.dml.unique import violation
from runbook.sandbox.language.interpreter.dml.values import check_writable, default_of, is_default, written
from runbook.sandbox.language.parser.base import unsupported

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder
    from runbook.sandbox.language.interpreter.batches import Runner

PAIR = "m"
"""Alias of the work table of pairs: target row id, source row id, number of the chosen clause."""


@dataclass
class MergePlan:
    """How a MERGE is carried out. ``source``: text of FROM of the source; ``rows`` its columns in a work table."""

    target: Target
    source_columns: int
    fill_source: str
    pair: str
    choose: str
    clauses: list[tuple[s.MergeClause, list[m.Column], list[str]]]
    unmatched: bool
    output: list[output.OutputPlan] = field(default_factory=list)


def run(runner: Runner, statement: s.Merge) -> None:
    """A MERGE statement."""
    session, frame = runner.session, runner.frame
    prepared = plans.prepare(frame, None, "merge", lambda b, p: _bind(runner, b, p, statement))
    plan: MergePlan = prepared.content
    names = sorted({*plan.target.databases, *output.databases(frame, statement.output)})
    with (
        plans.using(session, prepared.plan),
        session.transactions.writing(*names),
        plans.sequences(session, prepared.plan),
    ):
        count = _execute(runner, plan, plans.parameters(prepared.plan, frame))
    finish(runner, count, silent=any(o.into is None for o in statement.output))


# --- binding -----------------------------------------------------------------------------------------------


def _bind(runner: Runner, binder: FunctionBinder, plan: Plan, statement: s.Merge) -> MergePlan:
    frame = runner.frame
    target = resolve(frame, statement.target, plan)
    if target.view is not None or target.instead:
        raise unsupported("MERGE into a view or a table with INSTEAD OF triggers")
    prefix = ""
    if statement.ctes:
        prefix = binder.leading(statement.ctes, statement.max_recursion)
    inner = Scope()
    text, check = binder.checked_from(statement.source, inner)
    columns = [(source, c) for source in inner.sources for c in source.columns]
    where = f" WHERE {check}" if check else ""
    fill = f"{prefix}SELECT {', '.join(c.bound.sql for _, c in columns)} FROM {text}{where}"
    scope = Scope()
    node = statement.target
    alias = getattr(node, "alias", None) or (node.parts[-1] if isinstance(node, n.TableRef) else node.name)
    target_text = binder.stored(target.relation, alias, (), scope)
    mine = scope.sources[0]
    position = 0
    for source in inner.sources:
        moved = Source(source.alias, [], source.parts, "s_")
        for column in source.columns:
            position += 1
            bound = column.bound
            kept = Bound(f"s_.c{position}", bound.type, bound.nullable, bound.coll, 1, is_column=True)
            moved.columns.append(type(column)(column.name, kept))
        scope.add(moved)
    on = binder.condition(statement.on, scope).sql
    found = MergePlan(target, len(columns), fill, "", "", [], any(c.kind == "source" for c in statement.clauses))
    found.pair = f"SELECT {mine.sql_alias}.rowid, s_.rid FROM {target_text} JOIN {{s}} AS s_ ON {on}"
    found.choose = _choose(binder, statement, scope, target_text, mine)
    found.clauses = [_clause(binder, found, c, scope, mine) for c in statement.clauses]
    found.output = output.bind(frame, plan, target, statement.output, "MERGE")
    return found


def _choose(binder: FunctionBinder, statement: s.Merge, scope: Scope, target_text: str, mine: Source) -> str:
    """UPDATE that writes the number of the clause into the pairs."""
    present = {
        "matched": f"{PAIR}.t IS NOT NULL AND {PAIR}.s IS NOT NULL",
        "target": f"{PAIR}.t IS NULL",
        "source": f"{PAIR}.s IS NULL",
    }
    whens = []
    for i, clause in enumerate(statement.clauses):
        test = present[clause.kind]
        if clause.condition is not None:
            test += f" AND {binder.condition(clause.condition, scope).sql}"
        whens.append(f"WHEN {test} THEN {i}")
    return (
        f"SELECT {PAIR}.rowid, CASE {' '.join(whens)} END FROM {{m}} AS {PAIR} "
        f"LEFT JOIN {target_text} ON {mine.sql_alias}.rowid = {PAIR}.t LEFT JOIN {{s}} AS s_ ON s_.rid = {PAIR}.s"
    )


def _clause(
    binder: FunctionBinder, found: MergePlan, clause: s.MergeClause, scope: Scope, mine: Source
) -> tuple[s.MergeClause, list[m.Column], list[str]]:
    target = found.target
    seen: set[int] = set()
    if clause.action == "UPDATE":
        columns, values = [], []
        for one in clause.assignments:
            column = check_writable(target.table.column(one.column[-1]), one.column[-1], target, seen)
            if column.identity:
                raise SqlError(8102, f"Cannot update identity column '{column.name}'.")
            bound = default_of(binder, column) if is_default(one.value) else binder.value(one.value, scope)
            if one.op != "=":
                held = mine.find(column.name)
                assert held is not None
                bound = arithmetic.binary(one.op[0], held, bound)
            columns.append(column)
            values.append(written(bound, column, target, "UPDATE"))
        return clause, columns, [mine.sql_alias, *values]
    if clause.action == "INSERT":
        return clause, *_insert_clause(binder, found, clause, Scope(sources=scope.sources[1:]))
    return clause, [], []


def _insert_clause(
    binder: FunctionBinder, found: MergePlan, clause: s.MergeClause, scope: Scope
) -> tuple[list[m.Column], list[str]]:
    target = found.target
    seen: set[int] = set()
    if clause.columns:
        given = [check_writable(target.table.column(c), c, target, seen) for c in clause.columns]
    else:
        given = [c for c in target.table.columns if not (c.computed or c.identity or c.type.name == "timestamp")]
        given = given if clause.values else []
    if len(given) != len(clause.values):
        raise SqlError(213, "Column name or number of supplied values does not match table definition.")
    identity_on = binder.env.session.options.identity_insert == target.relation.key  # type: ignore[attr-defined]
    if any(c.identity for c in given) and not identity_on:
        raise SqlError(
            544,
            f"Cannot insert explicit value for identity column in table '{target.table.name}' when IDENTITY_INSERT "
            "is set to OFF.",
        )
    values = [None if is_default(v) else binder.value(v, scope) for v in clause.values]
    return given, _outputs(binder, InsertPlan(target, given), list(values))


# --- running -----------------------------------------------------------------------------------------------


def _execute(runner: Runner, plan: MergePlan, params: dict[str, Any]) -> int:
    session, engine = runner.session, runner.session.engine
    names = [f"c{i}" for i in range(1, plan.source_columns + 1)]
    with session.work.table(names) as source, session.work.table(["t", "s", "k"]) as pairs:
        engine.execute(f"INSERT INTO {source}({', '.join(names)}) {plan.fill_source}", params)
        engine.execute(f"UPDATE {source} SET rid = rowid")
        engine.execute(f"INSERT INTO {pairs}(t, s) {plan.pair.format(s=source)}", params)
        engine.execute(f"INSERT INTO {pairs}(s) SELECT rid FROM {source} WHERE rid NOT IN (SELECT s FROM {pairs})")
        if plan.unmatched:
            engine.execute(
                f"INSERT INTO {pairs}(t) SELECT rowid FROM {plan.target.sql} WHERE rowid NOT IN "
                f"(SELECT t FROM {pairs} WHERE t IS NOT NULL)"
            )
        for row, chosen in engine.rows(plan.choose.format(m=pairs, s=source), params):
            if chosen is not None:
                engine.execute(f"UPDATE {pairs} SET k = ? WHERE rowid = ?", (chosen, row))
        _check_once(engine, pairs)
        return _act(runner, plan, source, pairs, params)


def _check_once(engine: Any, pairs: str) -> None:
    if engine.value(
        f"SELECT 1 FROM {pairs} WHERE k IS NOT NULL AND t IS NOT NULL GROUP BY t HAVING count(*) > 1 LIMIT 1"
    ):
        raise SqlError(
            8672,
            "The MERGE statement attempted to UPDATE or DELETE the same row more than once. This happens when "
            "a target row matches "
            "more than one source row. A MERGE statement cannot UPDATE/DELETE the same row of the target table "
            "multiple times. "
            "Refine the ON clause to ensure a target row matches at most one source row, or use the GROUP BY "
            "clause to group the "
            "source rows.",
        )


def _act(runner: Runner, plan: MergePlan, source: str, pairs: str, params: dict[str, Any]) -> int:
    session = runner.session
    count = 0
    with session.work.table(["act"]) as actions, _image(runner, plan) as deleted, _image(runner, plan) as inserted:
        for i, (clause, columns, values) in enumerate(plan.clauses):
            count += _act_one(
                runner, plan, (i, clause, columns, values), (source, pairs, actions, deleted, inserted), params
            )
        if plan.output:
            output.emit_merge(runner, plan.output, deleted, inserted, actions)
    return count


def _image(runner: Runner, plan: MergePlan) -> Any:
    return runner.session.work.table(physical(plan.target))


def _act_one(
    runner: Runner,
    plan: MergePlan,
    what: tuple[int, s.MergeClause, list[m.Column], list[str]],
    tables: tuple[str, str, str, str, str],
    params: dict[str, Any],
) -> int:
    number, clause, columns, values = what
    source, pairs, actions, deleted, inserted = tables
    change = Change(runner.frame, plan.target, runner)
    if plan.output:
        change.output = lambda old, new: _keep(runner, plan, clause.action, old, new, (actions, deleted, inserted))
    if clause.action == "DELETE":
        return delete_rows(change, lambda w: f"INSERT INTO {w}(rid) SELECT t FROM {pairs} WHERE k = {number}")
    if clause.action == "UPDATE":
        alias, texts = values[0], values[1:]
        names = ", ".join(["rid", *(c.phys for c in columns)])
        text = (
            f"SELECT {alias}.rowid, {', '.join(texts)} FROM {pairs} AS {PAIR} JOIN {plan.target.sql} AS {alias} "
            f"ON {alias}.rowid = {PAIR}.t LEFT JOIN {source} AS s_ ON s_.rid = {PAIR}.s WHERE {PAIR}.k = {number}"
        )
        return update_rows(change, columns, lambda w: f"INSERT INTO {w}({names}) {text}", params)
    found = InsertPlan(plan.target, columns, is_query=True)
    text = (
        f"SELECT {', '.join(values)} FROM {pairs} AS {PAIR} JOIN {source} AS s_ ON s_.rid = {PAIR}.s "
        f"WHERE {PAIR}.k = {number} ORDER BY s_.rid"
    )
    return with_identity(runner, found, lambda: insert_rows(change, lambda: _insert(runner, plan, text, params)))


def _insert(runner: Runner, plan: MergePlan, text: str, params: dict[str, Any]) -> int:
    session, target = runner.session, plan.target
    with session.work.table(physical(target)) as rows:
        names = ", ".join(physical(target))
        count = session.engine.change(f"INSERT INTO {rows}({names}) {text}", params)
        try:
            session.engine.execute(f"INSERT INTO {target.sql}({names}) SELECT {names} FROM {rows} ORDER BY rowid")
        except ConstraintFailed as error:
            raise violation(runner.frame, target, error.message, f"SELECT {names} FROM {rows}") from None
    pending, session.after_rows = session.after_rows, None
    if pending is not None:
        pending()
    return count


def _keep(runner: Runner, plan: MergePlan, action: str, old: str, new: str, tables: tuple[str, str, str]) -> None:
    """Gather the images of all clauses for OUTPUT."""
    actions, deleted, inserted = tables
    names = ", ".join(["rid", *physical(plan.target)])
    engine = runner.session.engine
    if old:
        engine.execute(f"INSERT INTO {deleted}({names}) SELECT {names} FROM {old}")
    if new:
        engine.execute(f"INSERT INTO {inserted}({names}) SELECT {names} FROM {new}")
    engine.execute(f"INSERT INTO {actions}(rid, act) SELECT rid, '{action}' FROM {new or old}")


__all__ = ["copy_rows", "run"]
