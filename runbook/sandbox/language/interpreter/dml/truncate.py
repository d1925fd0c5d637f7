"""TRUNCATE TABLE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, find_table

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner


def run(runner: Runner, statement: s.Truncate) -> None:
    """All rows go, the identity begins anew, no trigger fires."""
    found = find_table(runner.frame, statement.table)
    name = ".".join(statement.table)
    if found is None:
        raise SqlError(
            4701, f'Cannot find the object "{name}" because it does not exist or you do not have permissions.'
        )
    home, table = found
    session = runner.session
    databases = [home.database] if isinstance(home, DatabaseHome) else []
    with plans.databases(session, databases), session.transactions.writing(*databases):
        if isinstance(home, DatabaseHome):
            if any(child.id != table.id for child, _ in home.catalog.referencing(table.id)):
                raise SqlError(
                    4712, f"Cannot truncate table '{name}' because it is being referenced by a FOREIGN KEY constraint."
                )
            session.engine.change(f"DELETE FROM {home.dot}sys_identity WHERE id=?", (table.id,))
        elif table.identity() is not None:
            session.engine.execute(
                "CREATE TABLE IF NOT EXISTS main.sys_identity(id INTEGER PRIMARY KEY, value INTEGER)"
            )
            session.engine.change("DELETE FROM main.sys_identity WHERE id=?", (table.id,))
        session.engine.execute(f"DELETE FROM {home.dot}{table.phys}")
    session.state.settle()
    runner.sink.done()
