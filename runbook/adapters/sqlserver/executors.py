"""Who acts on an instance: its lock, and the sessions of executors that are no longer wanted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from runbook.adapters.sqlserver import backups, catalog
from runbook.adapters.sqlserver.client import Client, Session
from runbook.adapters.sqlserver.driver import odbc
from runbook.adapters.sqlserver.tsql import session as text
from runbook.errors import AlreadyRunning, ServerError

LOOKS = 600
LOOK = 0.1
"""Seconds between two looks: a killed session gets a minute to roll back."""


class Lock:
    """A held application lock."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asking = threading.Lock()

    def is_held(self) -> bool:
        """Whether the session that holds it still answers; with the session the lock is gone. Taken for held while an
        earlier question is not answered: nobody uses a session from two threads."""
        if not self._asking.acquire(blocking=False):
            return True
        try:
            return bool(self._session.read(text.own_session()).first.rows)
        except ServerError:
            return False
        finally:
            self._asking.release()

    def end(self, session: Session) -> None:
        """Have the server end its session, which it may not have noticed to be cut off."""
        backups.kill(session, self._session.connection.session_id, self._session.connection.login_time)


@contextmanager
def application_lock(client: Client, run_id: str, instead_of: Lock | None = None) -> Iterator[Lock]:
    """Hold the lock on a connection that stays open. Server and process may die: the lock goes with the session."""
    with client.inside() as session:
        if instead_of:
            instead_of.end(session)
        if not _taken(client, session, LOOKS if instead_of else 1):
            holder = catalog.lock_holder(client)
            raise AlreadyRunning(
                f"{client.role}: another run holds this instance{': ' + holder if holder else ''}",
                hint=f"Wait for it, or look at it with `runbook status`; run {run_id} has touched nothing.",
            )
        try:
            yield Lock(session)
        finally:
            _give_back(session)


def _taken(client: Client, session: Session, looks: int) -> bool:
    for look in range(looks):
        if look:
            client.cancellation.sleep(LOOK)
        if int(session.effect(text.take_lock()).value()) >= 0:
            return True
    return False


def _give_back(session: Session) -> None:
    """Release before closing, so that the next run need not wait for the server to notice the end of the connection.

    Sent without checkpoint or record: it must happen whatever stopped the block, and it changes nothing that lasts.
    """
    with suppress(odbc().Error):
        session.connection.run(text.release_lock())


def end_sessions_of(client: Client, run_id: str, older_than_fence: int) -> int:
    """End sessions of the run with a lower fencing number; return once none is left."""
    with client.inside() as session:
        ended = _old_sessions(session, run_id, older_than_fence)
        for session_id, login_time in ended.items():
            backups.kill(session, session_id, login_time)
        for _ in range(LOOKS):
            left = _old_sessions(session, run_id, older_than_fence)
            if not left:
                return len(ended)
            client.cancellation.sleep(LOOK)
    raise ServerError(
        f"{client.role}: sessions {sorted(left)} of an earlier executor were killed and are still there",
        in_doubt=True,
        hint="They roll back; wait for their end, then resume.",
    )


def _old_sessions(session: Session, run_id: str, older_than_fence: int) -> dict[int, str]:
    found = session.read(text.sessions_of_run(run_id)).dicts()
    return {row["session_id"]: row["login_time"] for row in found if _fence(row["program_name"]) < older_than_fence}


def _fence(program: str) -> int:
    last = program.rpartition(" ")[2]
    return int(last) if last.isdigit() else -1
