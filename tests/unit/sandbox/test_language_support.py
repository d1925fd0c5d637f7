"""A fake instance and a collecting sink: what the language part needs to run without server and driver."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook.sandbox.contract import Column, RpcParam, SqlError
from runbook.sandbox.language import storage
from runbook.sandbox.language.session import LanguageSession, new_session


@dataclass
class FakeDatabase:
    """A database file without states."""

    name: str
    id: int
    path: str
    generation: int = 1
    is_read_only: bool = False
    is_snapshot: bool = False
    compatibility_level: int = 150


class _Hit:
    lie = False


class FakeInstance:
    """Databases in a directory; statements of the instance are only written down."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.databases: dict[str, FakeDatabase] = {}
        self.admin_statements: list[str] = []
        self.logged: list[str] = []
        self.written: list[set[str]] = []
        self.sessions = 50
        for name in ("master", "Contacts", "Other"):
            self.add(name)

    def add(self, name: str) -> FakeDatabase:
        """A new, empty database."""
        path = str(self.directory / f"{name}.mdf")
        storage.create_database(path)
        found = self.databases[name.lower()] = FakeDatabase(name, len(self.databases) + 1, path)
        return found

    def session(self, database: str = "Contacts") -> LanguageSession:
        """A session of sa."""
        self.sessions += 1
        return new_session(
            self,
            self.sessions,
            "sa",
            "host",
            "app",
            database,
            is_sysadmin=True,
            cut=lambda: None,  # type: ignore[arg-type]
        )

    def find(self, name: str) -> FakeDatabase | None:
        """By name."""
        return self.databases.get(name.lower())

    def enter(self, _session: Any, name: str) -> FakeDatabase:
        """USE."""
        found = self.find(name)
        if found is None:
            raise SqlError(911, f"Database '{name}' does not exist. Make sure that the name is entered correctly.")
        return found

    @contextlib.contextmanager
    def using(self, session: Any, name: str) -> Iterator[FakeDatabase]:
        """Use for a statement."""
        yield self.enter(session, name)

    def in_transaction(self, _session: Any, names: set[str]) -> None:
        """Written databases."""
        self.written.append(names)

    @contextlib.contextmanager
    def statement(self, _session: Any, text: str) -> Iterator[_Hit]:
        """Top-level statements."""
        self.logged.append(text)
        yield _Hit()

    def admin(self, _session: Any, text: str, _tokens: Any, sink: Any) -> None:
        """Statements of the instance."""
        self.admin_statements.append(text)
        sink.done()

    def rows(self, _view: str, _session: Any, _args: Any = ()) -> None:
        """No server-level views."""
        return

    def columns(self, _view: str) -> None:
        """No server-level views."""
        return

    def procedure(self, _name: str) -> None:
        """No procedures."""
        return

    def function(self, name: str, _session: Any, args: list[Any]) -> Any:
        """The few functions that the language needs itself."""
        values: dict[str, Any] = {"@@SERVERNAME": "OLD", "SUSER_SID": b"\x01", "SERVERPROPERTY": "15.0.4430.1"}
        if name == "DB_ID":
            found = self.find(str(args[0]))
            return None if found is None else found.id
        if name == "DB_NAME":
            return next((d.name for d in self.databases.values() if d.id == args[0]), None)
        return values[name]

    def applock(self, *_args: Any) -> int:
        """Always free."""
        return 0

    def applock_release(self, *_args: Any) -> int:
        """Always there."""
        return 0

    def ended(self, _session: Any) -> None:
        """Forget nothing."""


@dataclass
class Answer:
    """What came back: result sets, counts, messages, errors, in order of their kinds."""

    sets: list[list[tuple[Any, ...]]] = field(default_factory=list)
    heads: list[list[Column]] = field(default_factory=list)
    counts: list[int | None] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    errors: list[SqlError] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    contexts: list[str] = field(default_factory=list)

    def columns(self, columns: Any) -> None:
        """A result set."""
        self.heads.append(list(columns))
        self.sets.append([])

    def row(self, values: Any) -> None:
        """A row."""
        self.sets[-1].append(tuple(values))

    def done(self, rowcount: int | None = None) -> None:
        """The end of a statement."""
        self.counts.append(rowcount)

    def info(self, number: int, message: str, severity: int = 0, state: int = 1, line: int = 1) -> None:
        """A message."""
        self.messages.append(message)

    def error(self, error: SqlError) -> None:
        """An error."""
        self.errors.append(error)

    def database(self, new: str, old: str) -> None:
        """USE."""
        self.contexts.append(new)

    def return_status(self, status: int) -> None:
        """RETURN."""
        self.status = status

    def return_value(self, param: RpcParam) -> None:
        """An output parameter."""
        self.outputs[param.name] = param.value

    def flush(self) -> None:
        """Nothing is buffered."""

    @property
    def numbers(self) -> list[int]:
        """Numbers of the errors."""
        return [e.number for e in self.errors]


class Client:
    """A session with short ways to ask it."""

    def __init__(self, instance: FakeInstance, database: str = "Contacts") -> None:
        self.instance = instance
        self.session = instance.session(database)

    def run(self, sql: str) -> Answer:
        """A batch; its errors are in the answer."""
        answer = Answer()
        self.session.batch(sql, answer)
        return answer

    def ok(self, sql: str) -> Answer:
        """A batch that must not fail."""
        answer = self.run(sql)
        assert answer.errors == [], [(e.number, e.message) for e in answer.errors]
        return answer

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the last result set."""
        return self.ok(sql).sets[-1]

    def value(self, sql: str) -> Any:
        """The single value of the last result set."""
        rows = self.rows(sql)
        assert len(rows) == 1, rows
        return rows[0][0]

    def fails(self, sql: str) -> list[int]:
        """Error numbers of a batch."""
        return self.run(sql).numbers

    def rpc(self, name: str, *params: RpcParam) -> Answer:
        """A procedure call of the driver."""
        answer = Answer()
        self.session.rpc(name, list(params), answer)
        return answer
