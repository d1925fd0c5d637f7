"""Transactions and the statements of the instance."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import statements as s

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner

IN_TRIGGER = "The transaction ended in the trigger. The batch has been aborted."


def transaction(runner: Runner, statement: s.Transaction) -> None:
    """BEGIN, COMMIT, ROLLBACK, SAVE."""
    session = runner.session
    name = statement.name
    if statement.variable:
        name = str(runner.frame.variables.get(statement.variable) or "")
        runner.frame.type_of(statement.variable)
    actions: dict[str, Callable[[str], None]] = {
        "begin": session.transactions.begin,
        "commit": session.transactions.commit,
        "rollback": session.transactions.rollback,
        "save": session.transactions.save,
    }
    actions[statement.action](name)
    session.state.settle()
    runner.sink.done()
    if statement.action == "rollback" and session.trigger_depth and not session.trancount:
        raise SqlError(3609, IN_TRIGGER, 16, 1)


def admin(runner: Runner, statement: s.Admin) -> None:
    """BACKUP, RESTORE, ALTER DATABASE and the like, done by the instance."""
    session = runner.session
    text = runner.text[statement.start : statement.end]
    outer, session.frame = session.frame, runner.frame
    try:
        session.instance.admin(session, text, statement.tokens, runner.sink)
    finally:
        session.frame = outer
    session.state.settle()
    session.view_stamps.clear()
