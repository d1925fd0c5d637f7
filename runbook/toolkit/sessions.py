"""Getting everybody out of a database, and waiting for one that is between two states."""

from __future__ import annotations

from typing import TypeGuard

from runbook.errors import StepFailed
from runbook.ports import DatabaseInfo, DatabaseState
from runbook.step import Context, ReadContext

ROUNDS = 10
"""How often sessions are killed before giving up on a pool that always comes back."""
PAUSE = 0.5
"""Seconds between two looks."""
SETTLES_WITHIN = 120.0
"""Seconds a database may stay RECOVERING: rollback and roll forward of what a small tail can hold."""


def end_sessions(ctx: Context, server: str, database: str) -> None:
    """Kill every session in a database until none is left; StepFailed naming those that stay."""
    handle = ctx.server(server)
    for _ in range(ROUNDS):
        sessions = handle.sessions(database)
        if not sessions:
            return
        for session in sessions:
            handle.kill(session.session_id)
        ctx.sleep(PAUSE)
    left = ", ".join(sorted({f"{one.login} ({one.program} on {one.host})" for one in handle.sessions(database)}))
    if left:
        raise StepFailed(
            f"sessions in {database} on {server} cannot be ended: {left}",
            hint="Stop that program or disable its login, then resume.",
        )


def settled(ctx: ReadContext, server: str, database: str, seconds: float = SETTLES_WITHIN) -> DatabaseInfo | None:
    """The database once it is no longer RECOVERING, or as it is when ``seconds`` have passed."""
    waited = 0.0
    while True:
        info = ctx.reader(server).database(database)
        if info is None or info.state is not DatabaseState.RECOVERING or waited >= seconds:
            return info
        ctx.sleep(PAUSE)
        waited += PAUSE


def is_open(info: DatabaseInfo | None) -> TypeGuard[DatabaseInfo]:
    """True when the database is there and ONLINE."""
    return info is not None and info.state is DatabaseState.ONLINE
