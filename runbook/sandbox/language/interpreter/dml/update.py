"""UPDATE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.bind import arithmetic
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.engine.connection import ConstraintFailed
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.dml import checks, output
from runbook.sandbox.language.interpreter.dml.change import Change, update_rows
from runbook.sandbox.language.interpreter.dml.delete import Located, RowsPlan, locate, top_limit
from runbook.sandbox.language.interpreter.dml.insert import finish
from runbook.sandbox.language.interpreter.dml.target import Target
from runbook.sandbox.language.interpreter.dml.values import check_writable, default_of, is_default, written
from runbook.sandbox.language.interpreter.select import convert_variable

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder
    from runbook.sandbox.language.interpreter.batches import Runner


def run(runner: Runner, statement: s.Update) -> None:
    """An UPDATE statement."""
    session, frame = runner.session, runner.frame
    prepared = plans.prepare(frame, statement.plans, "update", lambda b, p: bind(runner, b, p, statement))
    plan: RowsPlan = prepared.content
    names = sorted({*plan.target.databases, *output.databases(frame, statement.output)})
    with (
        plans.using(session, prepared.plan),
        session.transactions.writing(*names),
        plans.sequences(session, prepared.plan),
    ):
        count = _execute(runner, plan, plans.parameters(prepared.plan, frame))
    finish(runner, count, silent=any(o.into is None for o in statement.output))


def _execute(runner: Runner, plan: RowsPlan, params: dict[str, Any]) -> int:
    session, frame = runner.session, runner.frame
    if plan.variables:
        _set_variables(runner, plan, params)
        if not plan.columns:
            return int(session.engine.value(f"SELECT count(*) FROM ({plan.select})", params))
    if plan.direct:
        if plan.target.table.rowversion() is not None:
            session.counters.use_row_version(plan.target.prefix)
        point = f"u{session.next_number()}x"
        session.engine.execute(f"SAVEPOINT {point}")
        try:
            count = session.engine.change(plan.direct, params)
            session.engine.execute(f"RELEASE {point}")
        except ConstraintFailed:
            session.engine.execute(f"ROLLBACK TO {point}")
            session.engine.execute(f"RELEASE {point}")
        else:
            return count
    change = Change(frame, plan.target, runner, output.emitter(runner, plan.output))
    columns: list[m.Column] = plan.columns
    names = ", ".join(["rid", *(c.phys for c in columns)])
    return update_rows(change, columns, lambda work: f"INSERT INTO {work}({names}) {plan.select}", params)


def _set_variables(runner: Runner, plan: RowsPlan, params: dict[str, Any]) -> None:
    """``@v = expression``: the value of the last row."""
    names, select = plan.variables
    rows = runner.session.engine.rows(select, params)
    if rows:
        for name, value in zip(names, rows[-1], strict=True):
            runner.frame.variables[name] = value


def bind(runner: Runner, binder: FunctionBinder, plan: Plan, statement: s.Update) -> RowsPlan:
    """Bind target, assignments and condition."""
    located = locate(binder, plan, statement, runner)
    target, alias = located.target, located.source.sql_alias
    columns, values, variables = _assignments(runner, binder, located, statement.assignments)
    where = "" if statement.where is None else f" WHERE {binder.condition(statement.where, located.scope).sql}"
    limit = top_limit(binder, statement.top)
    group = f" GROUP BY {alias}.rowid" if located.joined else ""
    tail = f" FROM {located.text}{where}{group}{limit}"
    select = f"{located.prefix}SELECT {', '.join([f'{alias}.rowid', *values])}{tail}"
    found = RowsPlan(target, select, columns=columns)
    if variables:
        texts = ", ".join(value for _, value in variables)
        found.variables = ([name for name, _ in variables], f"{located.prefix}SELECT {texts}{tail}")
    found.output = output.bind(runner.frame, plan, target, statement.output, "UPDATE")
    if columns and _is_direct(found, located, statement, limit):
        sets = [f"{c.phys} = {v}" for c, v in zip(columns, values, strict=True)]
        version = target.table.rowversion()
        if version is not None:
            sets.append(f"{version.phys} = _rowver()")
        found.direct = f"UPDATE {target.sql} AS {alias} SET {', '.join(sets)}{where}"
    return found


def _is_direct(found: RowsPlan, located: Located, statement: s.Update, limit: str) -> bool:
    target = found.target
    ids = {c.id for c in found.columns}
    is_key = any(ids & set(k.table_columns) for _, k in target.children)
    special = statement.output or target.fires("UPDATE") or located.joined or limit or located.prefix or found.variables
    return not special and not is_key and not checks.needs_checks(target, ids)


def _assignments(
    runner: Runner, binder: FunctionBinder, located: Located, assignments: list[s.Assignment]
) -> tuple[list[m.Column], list[str], list[tuple[str, str]]]:
    columns, values, variables = [], [], []
    seen: set[int] = set()
    for one in assignments:
        bound = _value(binder, located, one)
        if one.column:
            column = _column(located.target, one.column, seen)
            if bound is None:
                bound = default_of(binder, column)
            columns.append(column)
            values.append(written(bound, column, located.target, "UPDATE"))
        if one.variable:
            assert bound is not None
            kind = runner.frame.type_of(one.variable)
            variables.append((one.variable, convert_variable(bound, kind).sql))
    return columns, values, variables


def _column(target: Target, parts: tuple[str, ...], seen: set[int]) -> m.Column:
    column = check_writable(target.table.column(parts[-1]), parts[-1], target, seen)
    if column.identity:
        raise SqlError(8102, f"Cannot update identity column '{column.name}'.")
    return column


def _value(binder: FunctionBinder, located: Located, one: s.Assignment) -> Bound | None:
    if is_default(one.value):
        return None
    bound = binder.value(one.value, located.scope)
    if one.op == "=":
        return bound
    if one.column:
        found = located.source.find(one.column[-1])
        if found is None:
            raise SqlError(207, f"Invalid column name '{one.column[-1]}'.")
        return arithmetic.binary(one.op[0], found, bound)
    return arithmetic.binary(one.op[0], binder.value(n.Variable(one.variable), located.scope), bound)
