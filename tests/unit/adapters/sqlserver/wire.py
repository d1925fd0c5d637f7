"""A driver's connection without a driver: enough to watch a statement being ended."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

import pyodbc

from runbook.adapters.sqlserver.connection import Connection, Connector
from runbook.adapters.sqlserver.target import ServerTarget
from runbook.errors import Unreachable
from runbook.testing.control import Unstoppable

MS = "[Microsoft][ODBC Driver 18 for SQL Server]"


def odbc_error(state: str, text: str) -> pyodbc.Error:
    return pyodbc.Error(state, f"[{state}] {MS}{text}")


CANCELLED = odbc_error("HY008", "Operation canceled (0) (SQLExecDirectW)")
BROKEN = odbc_error("08S01", "Communication link failure (0) (SQLExecDirectW)")


class Wire:
    """One session on a server that answers as it was told to.

    ``answers`` maps the beginning of a statement to rows, an error, or a function that returns either.
    """

    def __init__(self, server: Server, session_id: int) -> None:
        self.server = server
        self.session_id = session_id
        self.cancelled = Event()
        self.cancels = 0
        self.closed = False

    def cursor(self) -> Cursor:
        return Cursor(self)

    def close(self) -> None:
        self.closed = True

    def add_output_converter(self, *_: object) -> None: ...


class Cursor:
    description: list[tuple[str]] | None = None
    messages: tuple[object, ...] = ()

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._rows: list[tuple[Any, ...]] = []

    def execute(self, sql: str) -> None:
        self._wire.server.sent.append((self._wire.session_id, sql))
        for beginning, answer in self._wire.server.answers.items():
            if sql.startswith(beginning):
                found = answer(self._wire) if callable(answer) else answer
                if isinstance(found, BaseException):
                    raise found
                if found:
                    self.description = [(name,) for name in found[0]]
                    self._rows = [tuple(row.values()) for row in found]
                return

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        return self._rows[:size]

    def nextset(self) -> bool:
        return False

    def cancel(self) -> None:
        self._wire.cancels += 1
        self._wire.cancelled.set()

    def close(self) -> None: ...


Rows = list[dict[str, Any]]
Reply = Rows | BaseException | Callable[[Wire], Rows | BaseException | None]


BEGINNINGS = ("SET ANSI_NULLS", "SELECT s.session_id")
"""How sessions begin: options pinned and the session's number asked for."""


def _who(wire: Wire) -> Rows:
    return [{"session_id": wire.session_id, "login_time": "then"}]


class Server(Connector):
    """A connector whose connections are :class:`Wire`."""

    def __init__(self, clock: Any, *, can_cancel: bool = True) -> None:
        super().__init__("old", ServerTarget("mssql://nowhere"), "runbook r 1", Unstoppable(clock))
        self.answers: dict[str, Reply] = dict.fromkeys(BEGINNINGS, _who)
        self.sent: list[tuple[int, str]] = []
        self.wires: list[Wire] = []
        self.can_cancel = can_cancel
        self.reachable = True

    def open_once(self) -> Connection:
        if not self.reachable:
            raise Unreachable("old (nowhere) cannot be reached", hint="Check the address.")
        wire = Wire(self, 51 + len(self.wires))
        self.wires.append(wire)
        connection = Connection(wire, self.program, can_cancel=self.can_cancel)
        connection.begin()
        return connection

    def statements(self) -> list[str]:
        """First words of what was sent, without how sessions begin."""
        return [sql.split("\n")[0][:40] for _, sql in self.sent if not sql.startswith(BEGINNINGS)]
