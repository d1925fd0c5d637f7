"""DELETE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.bind.bound import Plan
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.bind.scope import Scope, Source
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.dml import output
from runbook.sandbox.language.interpreter.dml.change import Change, delete_rows
from runbook.sandbox.language.interpreter.dml.insert import finish
from runbook.sandbox.language.interpreter.dml.target import Target, of_relation, resolve, target_in_from
from runbook.sandbox.language.parser.base import unsupported

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder
    from runbook.sandbox.language.interpreter.batches import Runner


@dataclass
class RowsPlan:
    """Which rows of the target a statement touches. ``select``: their ids, and for UPDATE the new values."""

    target: Target
    select: str
    direct: str = ""
    output: Any = None
    columns: Any = None
    variables: Any = None


def run(runner: Runner, statement: s.Delete) -> None:
    """A DELETE statement."""
    session, frame = runner.session, runner.frame
    prepared = plans.prepare(frame, statement.plans, "delete", lambda b, p: _bind(runner, b, p, statement))
    plan: RowsPlan = prepared.content
    names = sorted({*plan.target.databases, *output.databases(frame, statement.output)})
    with plans.using(session, prepared.plan), session.transactions.writing(*names):
        params = plans.parameters(prepared.plan, frame)
        if plan.direct:
            count = session.engine.change(plan.direct, params)
        else:
            change = Change(frame, plan.target, runner, output.emitter(runner, plan.output))
            count = delete_rows(change, lambda work: f"INSERT INTO {work}(rid) {plan.select}", params)
    finish(runner, count, silent=any(o.into is None for o in statement.output))


@dataclass
class Located:
    """The target with its place in FROM."""

    target: Target
    source: Source
    text: str
    scope: Scope
    joined: bool
    prefix: str = ""


def locate(binder: FunctionBinder, plan: Plan, statement: s.Update | s.Delete, runner: Runner) -> Located:
    """Bind FROM and find the target in it."""
    scope, frame = Scope(), runner.frame
    prefix = ""
    if statement.ctes:
        prefix = binder.leading(statement.ctes, statement.max_recursion)
    name = None if statement.source is None else target_in_from(binder, statement.target, statement.source)
    parts: list[str] = []
    if statement.source is not None:
        text, check = binder.checked_from(statement.source, scope)
        if check:
            raise unsupported("APPLY in FROM of UPDATE or DELETE")
        parts.append(text)
    if name is None:
        target = resolve(frame, statement.target, plan)
        mark = len(scope.sources)
        alias = statement.target.parts[-1] if hasattr(statement.target, "parts") else statement.target.name
        parts.insert(0, _target_text(binder, target, alias, scope))
        return Located(target, scope.sources[mark], " CROSS JOIN ".join(parts), scope, len(parts) > 1, prefix)
    source = next(x for x in scope.sources if x.alias.casefold() == name.casefold())
    target = of_relation(frame, source.relation)
    if isinstance(source.relation, StoredTable) and source.relation.read_only:
        raise SqlError(10700, f'The table-valued parameter "{name}" is READONLY and cannot be modified.')
    return Located(target, source, " CROSS JOIN ".join(parts), scope, len(scope.sources) > 1, prefix)


def _target_text(binder: FunctionBinder, target: Target, alias: str, scope: Scope) -> str:
    if target.view is not None:
        raise unsupported("UPDATE or DELETE through a view")
    relation = target.relation
    parts = (relation.database, relation.schema, relation.table.name) if relation.database else ()
    return binder.stored(relation, alias, parts, scope)


def _bind(runner: Runner, binder: FunctionBinder, plan: Plan, statement: s.Delete) -> RowsPlan:
    located = locate(binder, plan, statement, runner)
    target, alias = located.target, located.source.sql_alias
    where = "" if statement.where is None else f" WHERE {binder.condition(statement.where, located.scope).sql}"
    limit = top_limit(binder, statement.top)
    distinct = "DISTINCT " if located.joined else ""
    select = f"{located.prefix}SELECT {distinct}{alias}.rowid FROM {located.text}{where}{limit}"
    found = RowsPlan(target, select)
    found.output = output.bind(runner.frame, plan, target, statement.output, "DELETE")
    special = statement.output or target.fires("DELETE") or target.children or located.joined or limit or located.prefix
    if not special:
        found.direct = f"DELETE FROM {target.sql} AS {alias}{where}"
    return found


def top_limit(binder: FunctionBinder, top: Any) -> str:
    """TOP of UPDATE and DELETE."""
    if top is None:
        return ""
    if top.percent:
        raise unsupported("TOP ... PERCENT in UPDATE or DELETE")
    return f" LIMIT {binder.count(top.count, None, 'TOP')}"
