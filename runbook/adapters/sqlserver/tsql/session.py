"""Sessions: how a connection begins, how one is watched and ended, the lock of a run."""

from __future__ import annotations

from runbook.adapters.sqlserver.tsql.quoting import literal, name, number

LOCK = "runbook"
"""Resource of the application lock that every run takes on every instance it touches."""


def settings() -> str:
    """The options every connection is pinned to, whatever driver, login or server would default to.

    Isolation level and lock timeout need no pin: every session begins with READ COMMITTED and waits. The options are
    those that indexed views and computed columns ask for; XACT_ABORT ends a batch at its first error, so
    that no statement runs after one that failed. English, so that messages in the record can be looked up.
    """
    return (
        "SET ANSI_NULLS, ANSI_PADDING, ANSI_WARNINGS, ARITHABORT, CONCAT_NULL_YIELDS_NULL, QUOTED_IDENTIFIER ON;\n"
        "SET NUMERIC_ROUNDABORT OFF;\n"
        "SET IMPLICIT_TRANSACTIONS OFF;\n"
        "SET XACT_ABORT ON;\n"
        "SET LANGUAGE us_english;"
    )


def own_session() -> str:
    """Session id and login time: together they name a session, an id alone is used again."""
    return (
        "SELECT s.session_id, CONVERT(nvarchar(30), s.login_time, 126) AS login_time\n"
        "FROM sys.dm_exec_sessions AS s WHERE s.session_id = @@SPID"
    )


def use(database: str) -> str:
    """Move the session into a database."""
    return f"USE {name(database)}"


def requests_of(session_id: int, login_time: str) -> str:
    """That very session and what it runs: no row when it is gone, ``command`` NULL when it is idle."""
    return (
        "SELECT s.status, r.command FROM sys.dm_exec_sessions AS s\n"
        "LEFT JOIN sys.dm_exec_requests AS r ON r.session_id = s.session_id\n"
        f"WHERE {_that_session(session_id, login_time)}"
    )


def kill(session_id: int, login_time: str) -> str:
    """End that very session, never another that was given its number since. Its transaction is rolled back."""
    return (
        "IF EXISTS (SELECT 1 FROM sys.dm_exec_sessions AS s\n"
        f"           WHERE {_that_session(session_id, login_time)})\n"
        f"    KILL {number(session_id)}"
    )


def kill_any(session_id: int) -> str:
    """End whichever session has that number."""
    return f"KILL {number(session_id)}"


def sessions_of_run(run_id: str) -> str:
    """Sessions of every executor of a run; the fencing number is the last word of ``program_name``."""
    prefix = program(run_id, "")
    return (
        "SELECT s.session_id, s.program_name, CONVERT(nvarchar(30), s.login_time, 126) AS login_time\n"
        "FROM sys.dm_exec_sessions AS s\n"
        f"WHERE s.is_user_process = 1 AND LEFT(s.program_name, {len(prefix)}) = {literal(prefix)}"
    )


def program(run_id: str, fence: object) -> str:
    """The name a session goes by in ``sys.dm_exec_sessions.program_name``."""
    return f"runbook {run_id} {fence}"


def lock_holders() -> str:
    """Programs of this kind that are connected: who may hold the application lock."""
    prefix = LOCK + " "
    return (
        "SELECT DISTINCT s.program_name, s.host_name FROM sys.dm_exec_sessions AS s\n"
        f"WHERE s.session_id <> @@SPID AND LEFT(s.program_name, {len(prefix)}) = {literal(prefix)}"
    )


def take_lock() -> str:
    """Take the application lock in master for this session, without waiting. Negative when another holds it."""
    return (
        "DECLARE @outcome int;\n"
        f"EXEC @outcome = sys.sp_getapplock @Resource = {literal(LOCK)}, @LockMode = 'Exclusive', "
        "@LockOwner = 'Session', @LockTimeout = 0;\n"
        "SELECT @outcome AS outcome"
    )


def release_lock() -> str:
    """Give the application lock back."""
    return f"EXEC sys.sp_releaseapplock @Resource = {literal(LOCK)}, @LockOwner = 'Session'"


def begin() -> str:
    """Open the transaction a plan's own check runs in."""
    return "BEGIN TRANSACTION"


def roll_back() -> str:
    """Undo whatever the session has open."""
    return "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION"


def open_transactions() -> str:
    """How many transactions the session has open."""
    return "SELECT @@TRANCOUNT AS depth"


def _that_session(session_id: int, login_time: str) -> str:
    return f"s.session_id = {number(session_id)} AND CONVERT(nvarchar(30), s.login_time, 126) = {literal(login_time)}"
