"""Real server processes reached through the real ODBC driver; used by the other ``test_server`` files."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyodbc
import pytest

from runbook.sandbox import manage

pyodbc.pooling = False


def driver() -> str:
    """The driver of the wheel ``mssql-python-odbc``; without one the tests are skipped by name."""
    spec = importlib.util.find_spec("mssql_python_odbc")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        found = sorted(Path(root).glob("libs/linux/debian_ubuntu/x86_64/lib/libmsodbcsql-18*.so*"))
        if found:
            return str(found[-1])
    pytest.skip("no ODBC driver: the wheel mssql-python-odbc is not installed")


class Db:
    """One connection, autocommit, everything drained."""

    def __init__(self, info: manage.ServerInfo, database: str = "master", **login: str) -> None:
        text = info.connection_string(driver(), database)
        for key, value in login.items():
            text = ";".join(f"{key}={{{value}}}" if p.split("=")[0] == key else p for p in text.split(";"))
        self.connection = pyodbc.connect(text, autocommit=True, timeout=20)
        self.cursor = self.connection.cursor()
        self.messages: list[str] = []
        self.spid = int(self.one("SELECT @@SPID"))

    def run(self, sql: str, *params: Any) -> list[list[tuple[Any, ...]]]:
        """Run a batch; all result sets. Messages are in ``messages``."""
        self.messages = []
        sets = []
        self.cursor.execute(sql, *params)
        while True:
            self.messages += [text for _, text in self.cursor.messages]
            if self.cursor.description is not None:
                sets.append([tuple(row) for row in self.cursor.fetchall()])
            if not self.cursor.nextset():
                return sets

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows of the first result set."""
        return self.run(sql, *params)[0]

    def one(self, sql: str, *params: Any) -> Any:
        """The single value of a query."""
        return self.rows(sql, *params)[0][0]

    def fails(self, sql: str) -> int:
        """Run a batch that must fail; the native number of its first error."""
        try:
            self.run(sql)
        except pyodbc.Error as problem:
            return native(problem)
        raise AssertionError(f"succeeded: {sql}")

    def close(self) -> None:
        """End the session; not an error when it ended already."""
        with contextlib.suppress(pyodbc.ProgrammingError):
            self.connection.close()


def native(problem: BaseException) -> int:
    """The native error number of a driver error; 0 when it has none."""
    text = str(problem.args[1] if len(problem.args) > 1 else problem)
    for part in text.replace("(", " ").replace(")", " ").split():
        if part.isdigit() and f"({part}) (SQL" in text:
            return int(part)
    return 0


class Background:
    """A batch on a thread of its own."""

    def __init__(self, db: Db, sql: str) -> None:
        self.db = db
        self.problem: BaseException | None = None
        self._sql = sql
        self.started = time.monotonic()
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.db.run(self._sql)
        except pyodbc.Error as problem:
            self.problem = problem
        self.seconds = time.monotonic() - self.started

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def join(self, seconds: float = 20) -> BaseException | None:
        """Wait for the end; the error, if there was one."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"still runs: {self._sql}"
        return self.problem


def eventually(condition: Callable[[], Any], seconds: float = 10) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


def running(db: Db, spid: int) -> tuple[Any, ...] | None:
    """(command, wait_type, percent_complete) of what a session runs now, or None."""
    found = db.rows("SELECT command, wait_type, percent_complete FROM sys.dm_exec_requests WHERE session_id = ?", spid)
    return found[0] if found else None


def state(db: Db, name: str) -> str:
    """state_desc of a database."""
    return str(db.one("SELECT state_desc FROM sys.databases WHERE name = ?", name))


def move(info: manage.ServerInfo, name: str) -> str:
    """MOVE clauses that put a database's files where they belong on that server."""
    data = info.directory / "data"
    return f"MOVE N'{name}' TO N'{data}/{name}.mdf', MOVE N'{name}_log' TO N'{data}/{name}_log.ldf'"


NUMBERS = (
    "INSERT dbo.big (pad) SELECT REPLICATE(CONVERT(nvarchar(max), N'x'), 900) FROM "
    "(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) a(n) CROSS JOIN "
    "(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) b(n) CROSS JOIN "
    "(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) c(n) CROSS JOIN "
    "(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) d(n)"
)


def fill(db: Db, name: str, rows: int = 10_000) -> None:
    """A database with about a kilobyte a row in ``dbo.big``."""
    db.run(f"CREATE DATABASE [{name}]")
    db.run(f"USE [{name}]; CREATE TABLE dbo.big (id int IDENTITY PRIMARY KEY, pad nvarchar(1000) NOT NULL)")
    for _ in range(rows // 10_000):
        db.run(f"USE [{name}]; {NUMBERS}")
    db.run("USE master")
