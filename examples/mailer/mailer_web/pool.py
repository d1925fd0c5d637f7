"""A few open sessions, given back soon: an application that clings to its sessions delays every maintenance."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pyodbc
from mailer_data.connecting import Server

LIFETIME = 5.0
"""Seconds a session may live, in use or idle."""
KEPT = 4
"""Idle sessions kept for each database."""
QUERY_TIMEOUT = 15
LOGIN_TIMEOUT = 3
"""Seconds; a reader who waits longer for an apology is gone."""
Answer = TypeVar("Answer")


@dataclass
class _Idle:
    connection: pyodbc.Connection
    server: Server
    born: float

    def is_old(self) -> bool:
        return time.monotonic() - self.born >= LIFETIME


class Pool:
    """Sessions by database, for one server at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[_Idle]] = {}
        self._server: Server | None = None
        self._active = ""

    def using(self, server: Server, active: str) -> Pool:
        """The pool for this server; sessions to another one are closed at once."""
        with self._lock:
            changed = server != self._server
            self._server, self._active = server, active
        if changed:
            self.close()
        return self

    @property
    def active(self) -> str:
        """The name ``database.ini`` gives the server in use."""
        return self._active

    def ask(self, database: str, question: Callable[[pyodbc.Cursor], Answer], *, again: bool = True) -> Answer:
        """Put a question to a database. Raises ``pyodbc.Error``.

        A session that turns out to be dead is replaced once, if the question may be asked twice (``again``): after
        a write nobody knows whether it was done.
        """
        idle, fresh = self._take(database)
        try:
            answer = self._put(idle, question)
        except pyodbc.Error:
            _close(idle.connection)
            if fresh or not again:
                raise
            self._forget(database)
            idle, _ = self._take(database)
            answer = self._put_or_close(idle, question)
        self._give_back(database, idle)
        return answer

    def sweep(self) -> None:
        """Close what has been idle for too long; called about ten times a second."""
        with self._lock:
            old = [idle for waiting in self._idle.values() for idle in waiting if idle.is_old()]
            for database, waiting in self._idle.items():
                self._idle[database] = [idle for idle in waiting if idle not in old]
        for idle in old:
            _close(idle.connection)

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        for database in list(self._idle):
            self._forget(database)

    def _put(self, idle: _Idle, question: Callable[[pyodbc.Cursor], Answer]) -> Answer:
        cursor = idle.connection.cursor()
        answer = question(cursor)
        while cursor.nextset():  # a statement whose results are not read may not be done
            pass
        cursor.close()
        return answer

    def _put_or_close(self, idle: _Idle, question: Callable[[pyodbc.Cursor], Answer]) -> Answer:
        try:
            return self._put(idle, question)
        except pyodbc.Error:
            _close(idle.connection)
            raise

    def _take(self, database: str) -> tuple[_Idle, bool]:
        with self._lock:
            server, waiting = self._server, self._idle.get(database, [])
            while waiting:
                idle = waiting.pop()
                if not idle.is_old():
                    return idle, False
                _close(idle.connection)
        if server is None:
            raise pyodbc.OperationalError("08001", "no server is configured")
        connection = server.connect(database, "mailer app", timeout=LOGIN_TIMEOUT)
        connection.timeout = QUERY_TIMEOUT
        return _Idle(connection, server, time.monotonic()), True

    def _give_back(self, database: str, idle: _Idle) -> None:
        with self._lock:
            waiting = self._idle.setdefault(database, [])
            if len(waiting) < KEPT and idle.server == self._server and not idle.is_old():
                waiting.append(idle)
                return
        _close(idle.connection)

    def _forget(self, database: str) -> None:
        with self._lock:
            waiting = self._idle.pop(database, [])
        for idle in waiting:
            _close(idle.connection)


def _close(connection: pyodbc.Connection) -> None:
    try:
        connection.close()
    except pyodbc.Error:
        return  # it is gone, which is what was wanted
