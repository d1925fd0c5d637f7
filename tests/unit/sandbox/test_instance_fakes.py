"""A session and a sink that the instance's tests use where the language part is not what is being tested."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from runbook.sandbox.contract import Cancelled, Column, LoginRequest, RpcParam, Sink, SqlError
from runbook.sandbox.instance.instance import SandboxInstance
from runbook.sandbox.language.lexer import lex


class FakeSink:
    """Keeps everything a statement says."""

    def __init__(self) -> None:
        self.sets: list[tuple[list[str], list[tuple[Any, ...]]]] = []
        self.infos: list[tuple[int, str]] = []
        self.errors: list[SqlError] = []

    def columns(self, columns: Sequence[Column]) -> None:
        self.sets.append(([c.name for c in columns], []))

    def row(self, values: Sequence[Any]) -> None:
        assert len(values) == len(self.sets[-1][0])
        self.sets[-1][1].append(tuple(values))

    def done(self, rowcount: int | None = None) -> None:
        pass

    def info(self, number: int, message: str, severity: int = 0, state: int = 1, line: int = 1) -> None:
        self.infos.append((number, message))

    def error(self, error: SqlError) -> None:
        self.errors.append(error)

    def database(self, new: str, old: str) -> None:
        pass

    def return_status(self, status: int) -> None:
        pass

    def return_value(self, param: RpcParam) -> None:
        pass

    def flush(self) -> None:
        pass

    def dicts(self) -> list[dict[str, Any]]:
        names, rows = self.sets[-1]
        return [dict(zip(names, row, strict=True)) for row in rows]


class FakeSession:
    """Runs administrative statements, and ``name.table = value`` writes through apsw. Refuses what a session that was
    killed or closed could not do."""

    def __init__(
        self,
        instance: SandboxInstance,
        spid: int,
        login: str,
        host: str,
        app: str,
        database: str,
        *,
        is_sysadmin: bool,
        cut: Any,
    ) -> None:
        self.instance, self.spid, self.login, self.host, self.app = instance, spid, login, host, app
        self.database, self.is_sysadmin, self._cut = database, is_sysadmin, cut
        self.trancount = 0
        self.variables: dict[str, Any] = {}
        self._event = threading.Event()
        self._killed = False
        self.is_closed = False

    def variable(self, name: str) -> Any:
        return self.variables[name]

    def check(self) -> None:
        if self._event.is_set():
            self._event.clear()
            raise Cancelled(killed=self._killed)

    def wait(self, seconds: float | None) -> None:
        if self._event.wait(seconds):
            self.check()

    def cancel(self) -> None:
        self._event.set()

    def kill(self) -> None:
        self._killed = True
        self._event.set()
        entry = self.instance.registry.get(self.spid)
        if entry is None or entry.request is None:
            self.close()

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._event.set()
            self.instance.ended(self)
            self._cut()

    def reset(self) -> None:
        pass

    def batch(self, sql: str, sink: Sink) -> None:
        assert not self.is_closed, "a closed session runs nothing"
        tokens = lex(sql)
        public = tokens.public(0, len(tokens.kinds))
        try:
            with self.instance.statement(self, sql) as scope:
                if scope.lie:
                    return
                if public[0].value.upper() == "USE":
                    self.instance.enter(self, public[1].value)
                    self.database = public[1].value
                else:
                    self.instance.admin(self, sql, public, sink)
        except Cancelled as cancelled:
            if cancelled.killed:
                self.close()
            raise

    def run_sql(self, database: str, sql: str, sink: Sink | None = None) -> None:
        self.batch(sql, sink or FakeSink())

    def rpc(self, name: str, params: list[RpcParam], sink: Sink) -> None:
        raise NotImplementedError

    def transaction(self, request: str, name: str, sink: Sink) -> None:
        raise NotImplementedError

    # --- for tests -----------------------------------------------------------------------------------------

    def run(self, sql: str, **variables: Any) -> FakeSink:
        """Run one statement and return what it said; SqlError, Cancelled are raised."""
        self.variables = {f"@{k}": v for k, v in variables.items()}
        sink = FakeSink()
        self.batch(sql, sink)
        return sink

    def fails(self, sql: str) -> list[int]:
        """Run one statement that must fail; the numbers of its errors in order."""
        try:
            self.run(sql)
        except SqlError as problem:
            return [problem.number, *(p.number for p in problem.also)]
        raise AssertionError(f"succeeded: {sql}")

    def call(self, name: str, *positional: Any, **named: Any) -> dict[str, Any]:
        """Call a procedure of the instance; returns the arguments with what it set."""
        procedure = self.instance.procedure(name)
        assert procedure is not None, name
        self.said = FakeSink()
        procedure(self, self.said, positional, named)
        return named

    def view(self, name: str, *args: Any) -> list[dict[str, Any]]:
        """Rows of a view as dictionaries."""
        found = self.instance.rows(name, self, args)
        assert found is not None, name
        return [dict(zip([c.name for c in found[0]], row, strict=True)) for row in found[1]]

    def state(self, database: str) -> str:
        """state_desc of a database."""
        return next(str(r["state_desc"]) for r in self.view("sys.databases") if r["name"] == database)

    def write(self, database: str, value: str) -> None:
        """Commit a row."""
        with self.instance.using(self, database) as record, opened(record.path) as file:
            file.execute("CREATE TABLE IF NOT EXISTS note (value TEXT)")
            file.execute("INSERT INTO note VALUES (?)", (value,))

    def read(self, database: str) -> list[str]:
        """All committed rows."""
        with self.instance.using(self, database) as record, opened(record.path) as file:
            if not file.execute("SELECT 1 FROM sqlite_schema WHERE name = 'note'").fetchall():
                return []
            return [str(v) for (v,) in file.execute("SELECT value FROM note ORDER BY rowid")]


@contextmanager
def opened(path: str) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(5000)
    try:
        yield connection
    finally:
        connection.close()


def server(directory: Path, name: str = "OLD", version: str = "2019", **more: Any) -> SandboxInstance:
    """A started instance with fake sessions; ``sa`` has the password ``pw``."""
    instance = SandboxInstance(directory, name, version, new_session=FakeSession, **more)
    instance.start("pw")
    return instance


def connect(instance: SandboxInstance, user: str = "sa", password: str = "pw", database: str = "") -> FakeSession:
    """A logged-in session."""
    reply = instance.login(LoginRequest(user, password, database, "HOST", "test"), lambda: None)
    assert isinstance(reply.session, FakeSession)
    return reply.session


class Background:
    """A statement that runs on a thread of its own, as on a connection."""

    def __init__(self, session: FakeSession, sql: str) -> None:
        self.session = session
        self.sink = FakeSink()
        self.problem: BaseException | None = None
        self._sql = sql
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.session.batch(self._sql, self.sink)
        except BaseException as problem:  # noqa: BLE001 - kept for the test to look at
            self.problem = problem

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def join(self, seconds: float = 5) -> Background:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"still runs: {self._sql}"
        return self


def eventually(condition: Any, seconds: float = 5) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)
