"""Log backups that somebody else takes while a run is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from runbook.errors import ServerError
from runbook.ports import DatabaseInfo, DatabaseState, LogBackup
from runbook.step import Outcome
from runbook.toolkit.proof import named_lines

ALREADY_THERE = 4326
"""*The log in this backup set terminates ... too early*: it was applied before."""
NOT_AFTER_THIS = 3136
"""*This differential backup cannot be restored because the database has not been restored to the correct earlier
state*: it belongs to another full backup, or it was applied before."""


def applied_once(restore: Callable[[], None], is_there: Callable[[], bool] = lambda: False) -> None:
    """Carry a restore out; that the server had it already is success as well. ``is_there`` looks whether it has, where
    its error does not tell."""
    try:
        restore()
    except ServerError as error:
        if error.number != ALREADY_THERE and not (error.number == NOT_AFTER_THIS and is_there()):
            raise


def rolled_forward(info: DatabaseInfo | None, *, seen: bool) -> Outcome:
    """What became of a log that was restored. RESTORING before and after: what this process did not see to its end
    (``seen``) is restored once more."""
    if info is not None and info.state is DatabaseState.ONLINE:
        return Outcome.REACHED
    restoring = info is not None and info.state is DatabaseState.RESTORING
    return Outcome.REACHED if restoring and seen else Outcome.UNTOUCHED


def named_logs(logs: Iterable[LogBackup]) -> str:
    """For a message: where they are and when they were taken."""
    return named_lines([f"{one.path or one.device} ({one.finished_at})" for one in logs])
