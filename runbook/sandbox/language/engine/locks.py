"""Who may write a database file.

SQLite lets one connection write at a time. Waiting for that turn happens here, where it can be cancelled, timed out
(1222) and seen to be a deadlock (1205).
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

from runbook.sandbox.contract import SqlError

POLL = 0.02
"""Seconds between two looks at a waiting session's cancel flag; a release wakes the waiters at once."""


class Waiter(Protocol):
    """What a lock needs of a session."""

    spid: int

    def check(self) -> None:
        """Raise when cancelled or killed."""


class WriteLocks:
    """One writer for each file."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holders: dict[str, Any] = {}
        self._waiting: dict[Any, str] = {}

    def holds(self, session: Waiter, path: str) -> bool:
        """Whether the session may write the file."""
        return self._holders.get(path) is session

    def acquire(self, session: Waiter, path: str, timeout: float | None) -> None:
        """Wait for the turn; ``timeout`` in seconds, None for ever. Errors 1222 and 1205, Cancelled."""
        with self._changed:
            if self._holders.get(path) is session:
                return
            waited = 0.0
            self._waiting[session] = path
            try:
                while path in self._holders:
                    if timeout is not None and waited >= timeout:
                        raise SqlError(1222, "Lock request time out period exceeded.", 16, 51)
                    if self._circle(session, path):
                        raise deadlock(session.spid)
                    self._changed.wait(POLL)
                    waited += POLL
                    session.check()
                self._holders[path] = session
            finally:
                del self._waiting[session]

    def _circle(self, session: Waiter, path: str) -> bool:
        """Whether the holder waits, over others, for this session."""
        seen = set()
        holder = self._holders.get(path)
        while holder is not None and holder not in seen:
            if holder is session:
                return True
            seen.add(holder)
            wanted = self._waiting.get(holder)
            holder = None if wanted is None else self._holders.get(wanted)
        return False

    def release(self, session: Waiter) -> None:
        """Give back every file the session holds."""
        with self._changed:
            mine = [path for path, holder in self._holders.items() if holder is session]
            for path in mine:
                del self._holders[path]
            if mine:
                self._changed.notify_all()

    def blocker(self, session: Waiter) -> int:
        """Session id that the session waits for, 0 for none."""
        with self._changed:
            wanted = self._waiting.get(session)
            holder = None if wanted is None else self._holders.get(wanted)
            return 0 if holder is None else int(holder.spid)


def deadlock(spid: int) -> SqlError:
    """Error 1205."""
    return SqlError(
        1205,
        f"Transaction (Process ID {spid}) was deadlocked on lock resources with another process and has been "
        f"chosen as the "
        "deadlock victim. Rerun the transaction.",
        13,
        51,
    )


LOCKS = WriteLocks()
