"""Users who write whenever the application lets them, and remember what they were told is saved."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from contextlib import suppress

import pyodbc

from examples.mailer.mailer_data.connecting import Server
from runbook.sandbox import manage
from tests.chaos.processes.system import USER, WORD, System

PAUSE = 0.12
"""Seconds between two rows."""
FIRST = 1000


class Users(threading.Thread):
    """They go where the application points to. ``saved`` was committed; of ``unclear`` nobody was told."""

    def __init__(self, system: System) -> None:
        super().__init__(name="users", daemon=True)
        self._system = system
        self._numbers = itertools.count(FIRST)
        self._over = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._session: tuple[str, pyodbc.Connection] | None = None
        self.saved: dict[str, set[int]] = defaultdict(set)
        self.unclear: dict[str, set[int]] = defaultdict(set)
        self.why = ""

    def run(self) -> None:
        """Until :meth:`leave`."""
        while not self._over.wait(PAUSE):
            self.write()

    def write(self) -> bool:
        """One row, when the gate is open; whether it was saved."""
        with self._one_at_a_time:
            number = next(self._numbers)
            database = self._system.databases[number % len(self._system.databases)]
            return self._system.is_open and self._write(database, number)

    def _write(self, database: str, number: int) -> bool:
        try:
            session = self._connected(self._system.points_to)
        except (pyodbc.Error, OSError, IndexError) as error:
            self.why = str(error)
            return False
        try:
            session.execute(f"INSERT INTO [{database}].dbo.Item (Id, Name) VALUES ({number}, N'user {number}')")
        except pyodbc.Error as error:
            self.why = str(error)
            self.unclear[database].add(number)
            self._leave_session()
            return False
        self.saved[database].add(number)
        return True

    def _connected(self, role: str) -> pyodbc.Connection:
        if self._session is not None and self._session[0] == role:
            return self._session[1]
        self._leave_session()
        info = manage.status(self._system.directory(role))
        if info is None:
            raise OSError("the server does not run")
        session = Server("127.0.0.1", info.port, USER, WORD).connect("master", "app", timeout=3)
        session.timeout = 5
        self._session = (role, session)
        return session

    def _leave_session(self) -> None:
        if self._session is not None:
            with suppress(pyodbc.Error):
                self._session[1].close()
            self._session = None

    def leave(self) -> None:
        """Nobody writes any more."""
        self._over.set()
        if self.is_alive():
            self.join(15)
        with self._one_at_a_time:
            self._leave_session()
