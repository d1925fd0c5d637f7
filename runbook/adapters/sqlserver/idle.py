"""Sessions kept for the next read: logging in costs more than most reads, and a night has thousands of them.

Only reads of our own text use them, and only in master: a session that stayed in a database would keep it from being
closed, restored or dropped. What changes something always gets a connection of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock

from runbook.adapters.sqlserver.connection import Connection

KEPT = 16
LINGER = 20.0
"""Seconds after which an idle session is not trusted any more: the server may be another one by now."""


class Idle:
    """Idle sessions of one executor on one server; thread-safe."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._kept: list[tuple[Connection, float]] = []
        self._closed = False

    def take(self) -> Connection | None:
        """The session used last, if one is left that did not wait too long."""
        with self._lock:
            oldest = self._monotonic() - LINGER
            stale = [entry for entry in self._kept if entry[1] < oldest]
            self._kept = [entry for entry in self._kept if entry[1] >= oldest]
            found = self._kept.pop()[0] if self._kept else None
        _close(stale)
        return found

    def give_back(self, connection: Connection) -> None:
        """Keep a session that is in master and runs nothing."""
        with self._lock:
            if not self._closed and len(self._kept) < KEPT:
                self._kept.append((connection, self._monotonic()))
                return
        connection.close()

    def forget(self) -> None:
        """Close them all: one was found broken, and the others are as old."""
        with self._lock:
            kept, self._kept = self._kept, []
        _close(kept)

    def close(self) -> None:
        """Close them all and keep none from now on."""
        self._closed = True
        self.forget()


def _close(entries: Iterable[tuple[Connection, float]]) -> None:
    for connection, _ in entries:
        connection.close()
