"""What an error ends: the statement, the scope, the batch; and what becomes of the transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import ConnectionCut, SqlError
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.interpreter.frame import BatchEnded, ScopeEnded
from runbook.sandbox.language.interpreter.plans import is_compile

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner

BATCH_ENDING = frozenset(
    {241, 242, 244, 245, 248, 235, 295, 8114, 8169, 1205, 217, 3609, 3616, 512 * 1000, 50998 * 1000}
)
"""Conversion errors, deadlock, nesting too deep: they end the batch and roll the transaction back."""
TERMINATED = frozenset({515, 547, 2601, 2627, 2628, 8152, 8115, 8134, 220, 544, 545, 3621, 512, 8672, 11728})
"""Errors of a data statement after which SQL Server adds 3621."""


def located(error: SqlError, statement: s.Statement, runner: Runner) -> SqlError:
    """Give the error its line and procedure, unless it came from deeper."""
    if not getattr(error, "is_located", False):
        error.is_located = True  # type: ignore[attr-defined]
        if error.line == 1:
            error.line = statement.line
        error.procedure = error.procedure or runner.frame.procedure
    return error


def handle(runner: Runner, error: SqlError, statement: s.Statement) -> None:
    """Decide what an error ends. Raises, or returns when the next statement goes on."""
    session = runner.session
    located(error, statement, runner)
    session.state.error = error.number
    session.state.rowcount = 0
    if error.severity >= 20:
        session.transactions.rollback_all()
        runner.sink.error(error)
        raise ConnectionCut
    if session.try_depth:
        doom(runner, error)
        raise error
    if runner.frame.kind == "function":
        raise error
    in_trigger = session.trigger_depth > 0
    ends_batch = error.number in BATCH_ENDING or bool(getattr(error, "is_thrown", False))
    aborts = session.options.xact_abort and not bool(getattr(error, "is_raised", False))
    if in_trigger and not bool(getattr(error, "is_raised", False)):
        raise error
    _send(runner, error)
    if ends_batch or aborts:
        if session.trancount and (aborts or error.number in BATCH_ENDING):
            session.transactions.rollback_all()
        raise BatchEnded
    if is_compile(error):
        raise ScopeEnded


def _send(runner: Runner, error: SqlError) -> None:
    runner.sink.error(error)
    if error.number in TERMINATED and not is_compile(error):
        runner.sink.info(3621, "The statement has been terminated.", 0, 0, error.line)
    runner.sink.done()


def doom(runner: Runner, error: SqlError) -> None:
    """Inside TRY: errors that would have rolled back leave a transaction that can only be rolled back."""
    session = runner.session
    severe = error.number in BATCH_ENDING or session.options.xact_abort or session.trigger_depth > 0
    raised = bool(getattr(error, "is_raised", False)) and not bool(getattr(error, "is_thrown", False))
    if session.trancount and severe and not raised:
        session.doomed = True
