"""INSERT ... EXEC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.dml import output
from runbook.sandbox.language.interpreter.dml.insert import InsertPlan, _outputs, execute, given_columns
from runbook.sandbox.language.interpreter.dml.target import resolve
from runbook.sandbox.language.interpreter.procedures import execute as run_procedure
from runbook.sandbox.language.sinks import RowsSink
from runbook.sandbox.language.values import convert

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner


def insert_exec(runner: Runner, statement: s.Insert) -> int:
    """Run the procedure, then insert what it returned."""
    session, frame = runner.session, runner.frame
    if isinstance(runner.sink, RowsSink):
        raise SqlError(8164, "An INSERT EXEC statement cannot be nested.")
    plan = Plan()
    target = resolve(frame, statement.target, plan)
    given, explicit = given_columns(runner, target, statement)
    sink = RowsSink(runner.sink)
    outer, runner.sink = runner.sink, sink
    try:
        assert isinstance(statement.source, s.Execute)
        run_procedure(runner, statement.source)
    finally:
        runner.sink = outer
    count = 0
    with plans.databases(session, target.databases), session.transactions.writing(*target.databases):
        for columns, rows in sink.results:
            if len(columns) != len(given):
                raise SqlError(213, "Column name or number of supplied values does not match table definition.", 16, 7)
            with session.work.table([f"c{i}" for i in range(1, len(columns) + 1)]) as work:
                marks = ",".join("?" * len(columns))
                names = ",".join(f"c{i}" for i in range(1, len(columns) + 1))
                kept: list[tuple[Any, ...]] = [
                    tuple(convert.physical_value(v, c.type) for v, c in zip(row, columns, strict=True)) for row in rows
                ]
                session.engine.change_many(f"INSERT INTO {work}({names}) VALUES({marks})", kept)
                found = InsertPlan(target, given, explicit_identity=explicit, is_query=True)
                binder = plans.binder_for(frame, plan)
                values: list[Bound | None] = [Bound(f"w_.c{i}", c.type) for i, c in enumerate(columns, 1)]
                texts = ", ".join(_outputs(binder, found, values))
                found.selects = [f"SELECT {texts} FROM {work} AS w_ ORDER BY w_.rowid"]
                found.output = output.bind(frame, plan, target, statement.output, "INSERT")
                count += execute(runner, found, plans.parameters(plan, frame))
    return count
