"""The INSERT statement: from a procedure, or from rows and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.language import statements as s
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.dml.insert import InsertPlan, bind, databases, execute, finish
from runbook.sandbox.language.interpreter.dml.insert_exec import insert_exec

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner


def run(runner: Runner, statement: s.Insert) -> None:
    """An INSERT statement."""
    session, frame = runner.session, runner.frame
    if isinstance(statement.source, s.Execute):
        count = insert_exec(runner, statement)
    else:
        prepared = plans.prepare(frame, statement.plans, "insert", lambda b, p: bind(runner, b, p, statement))
        plan: InsertPlan = prepared.content
        with (
            plans.using(session, prepared.plan),
            session.transactions.writing(*databases(plan, statement, runner)),
            plans.sequences(session, prepared.plan),
        ):
            count = execute(runner, plan, plans.parameters(prepared.plan, frame))
    finish(runner, count, silent=bool(statement.output and any(o.into is None for o in statement.output)))
