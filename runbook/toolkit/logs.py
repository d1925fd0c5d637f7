"""Log backups that somebody else takes while a run is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from runbook.errors import ServerError
from runbook.ports import LogBackup
from runbook.toolkit.proof import named_lines

ALREADY_THERE = 4326
"""*The log in this backup set terminates ... too early*: it was applied before."""


def applied_once(restore: Callable[[], None]) -> None:
    """Carry a restore out; that the server had it already is success as well."""
    try:
        restore()
    except ServerError as error:
        if error.number != ALREADY_THERE:
            raise


def named_logs(logs: Iterable[LogBackup]) -> str:
    """For a message: where they are and when they were taken."""
    return named_lines([f"{one.path or one.device} ({one.finished_at})" for one in logs])
