"""Getting everybody out of a database, and waiting for one that is between two states."""

from __future__ import annotations

from typing import TypeGuard

from runbook.errors import ServerError, StepFailed, Unreachable
from runbook.ports import DatabaseInfo, DatabaseState, UserAccess
from runbook.step import Context, ReadContext

BUSY = frozenset({924, 1205, 3101, 3102, 5061, 5064, 5070})
"""Somebody got in between: lost deadlocks and refused exclusive access. Worth another try once the door is cleared."""
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


def leave_single_user(ctx: Context, server: str, database: str, access: UserAccess) -> None:
    """Open a single-user database to ``access``. Its one slot may have been taken by a client that came back (trap: a
    connection pool is faster than any of us), so whoever is in there is put out in the same breath, and again."""
    handle = ctx.server(server)
    for _ in range(ROUNDS):
        for session in handle.sessions(database):
            handle.kill(session.session_id)
        try:
            handle.set_user_access(database, access)
        except ServerError as error:
            if error.number not in BUSY or error.in_doubt:
                raise
            ctx.sleep(PAUSE)
        else:
            return
    raise StepFailed(
        f"the single-user slot of {database} on {server} is taken again and again",
        hint="Stop the program that takes it or disable its login, then resume.",
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


def answers(ctx: ReadContext, server: str) -> bool:
    """False when nobody answers at that server."""
    try:
        ctx.reader(server).identity()
    except Unreachable:
        return False
    except ServerError as error:
        if error.number is not None:
            raise
        return False
    return True


def restrict(ctx: Context, server: str, database: str) -> None:
    """Let nobody but administrators in; also out of SINGLE_USER when somebody else has taken the one place."""
    try:
        ctx.server(server).set_user_access(database, UserAccess.RESTRICTED_USER)
    except ServerError as error:
        if error.number not in BUSY or error.in_doubt:
            raise
        leave_single_user(ctx, server, database, UserAccess.RESTRICTED_USER)
