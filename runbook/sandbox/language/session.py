"""A session: what the wire calls, what the instance asks of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from runbook.sandbox.contract import Cancelled, Instance, RpcParam, Sink, SqlError
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.catalog import lookup_session
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import Catalog
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.engine.connection import Engine
from runbook.sandbox.language.interpreter import batches, dispatch, modules, rpc, transactions
from runbook.sandbox.language.interpreter.counters import Counters
from runbook.sandbox.language.interpreter.environment import SessionEnvironment
from runbook.sandbox.language.interpreter.frame import Frame, Options, StalePlan, State
from runbook.sandbox.language.interpreter.modules import call_scalar
from runbook.sandbox.language.interpreter.work import WorkTables
from runbook.sandbox.language.values import convert

STATEMENTS = dispatch.PROCEDURES
"""Imported for its effect: the dispatcher tells the batches who runs what."""


class LanguageSession:
    """Implements ``contract.LanguageSession``. All but ``cancel``, ``kill`` and ``close`` belongs to one thread."""

    def __init__(
        self,
        instance: Instance,
        spid: int,
        login: str,
        host: str,
        app: str,
        database: str,
        *,
        is_sysadmin: bool,
        cut: Callable[[], None],
    ) -> None:
        self.instance = instance
        self.spid = spid
        self.login = login
        self.host = host
        self.app = app
        self.database = database
        self.initial_database = database
        self.is_sysadmin = is_sysadmin
        self.cut = cut
        self.trancount = 0
        self.options = Options()
        self.state = State()
        self.frame = Frame(self)
        self.depth = 0
        self.trigger_depth = 0
        self.caught_errors: list[SqlError] = []
        self.try_depth = 0
        self.doomed = False
        self.temp_tables: dict[str, StoredTable] = {}
        self.cursors: dict[str, Any] = {}
        self.handles: dict[int, Any] = {}
        self.fired: list[int] = []
        self.view_stamps: dict[str, tuple[str, str]] = {}
        """From which file and which catalog the temporary table of a database's view was filled."""
        self.view_rows: dict[str, list[tuple[Any, ...]]] = {}
        """What the temporary table of an instance's view holds, where it was filled outside a transaction."""
        self.after_rows: Callable[[], None] | None = None
        self._wake = threading.Event()
        self._cancelled = self._killed = self._closed = False
        self._run_lock = threading.RLock()
        self._next = 0
        self.engine = Engine(spid, self.is_stopped)
        self.engine.function("_s", self._call_session, deterministic=True)
        self.engine.function("_live", self._call_session)
        self.counters = Counters(self)
        self.work = WorkTables(self.engine)
        self.transactions = transactions.Transactions(self)

    def _call_session(self, key: int, *args: Any) -> Any:
        return specs.FUNCTIONS[key](self, *args)

    # -- what the wire calls

    def batch(self, sql: str, sink: Sink) -> None:
        """Run a SQL batch."""
        with self._running(sink):
            batches.run_batch(self, sql, sink)

    def rpc(self, name: str, params: list[RpcParam], sink: Sink) -> None:
        """Run a procedure called by name."""
        with self._running(sink):
            rpc.run(self, name, params, sink)

    def transaction(self, request: str, name: str, sink: Sink) -> None:
        """A transaction manager request."""
        with self._running(sink):
            if request == "begin":
                self.transactions.begin(name)
            elif request == "commit":
                self.transactions.commit(name)
            elif self.trancount:
                self.transactions.rollback("")
            sink.done()

    @contextlib.contextmanager
    def _running(self, sink: Sink) -> Iterator[None]:
        """One request. Every cancel that came before it is forgotten: the wire repeats those that are meant for it."""
        with self._run_lock:
            self._cancelled = False
            self._wake.clear()
            self._alive()
            try:
                yield
                self.transactions.after_request(sink)
            except Cancelled:
                self.transactions.after_cancel()
                self._alive()
                raise
            finally:
                self.depth = self.trigger_depth = self.try_depth = 0
                self.fired.clear()
                self.caught_errors.clear()

    def _alive(self) -> None:
        """Raise Cancelled for a killed session, which ends with it."""
        if self._killed:
            self._end()
            raise Cancelled(killed=True)

    def cancel(self) -> None:
        """End what runs now; from another thread."""
        self._cancelled = True
        self._stop()

    def kill(self) -> None:
        """End the session; from another thread."""
        self._killed = True
        self._stop()
        if self._run_lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._run_lock.release()
        self.cut()

    def _stop(self) -> None:
        self._wake.set()
        with contextlib.suppress(Exception):
            self.engine.connection.interrupt()

    def reset(self) -> None:
        """sp_reset_connection."""
        with self._run_lock:
            self.transactions.rollback_all()
            self.drop_temp_tables()
            self.options, self.state = Options(), State()
            self.cursors.clear()
            self.frame = Frame(self)
            self.instance.applock_release(self, "")
            if self.database != self.initial_database:
                self.instance.enter(self, self.initial_database)
                self.database = self.initial_database

    def close(self) -> None:
        """The connection is gone."""
        self._killed = True
        self._stop()
        with self._run_lock:
            self._end()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.transactions.rollback_all()
        self.engine.close()
        self.instance.ended(self)

    # -- being stopped

    def is_stopped(self) -> bool:
        """Whether the running statement must end."""
        return self._cancelled or self._killed

    def check(self) -> None:
        """Raise Cancelled when the running statement was cancelled or the session killed."""
        if self._cancelled or self._killed:
            raise Cancelled(killed=self._killed)

    def wait(self, seconds: float | None) -> None:
        """Sleep, woken by cancel or kill."""
        self._wake.wait(seconds)
        self.check()

    # -- databases

    def open(self, name: str) -> tuple[str, str, Catalog]:
        """Official name, schema prefix and catalog of a database; its state is checked and it is attached."""
        with self.instance.using(self, name) as database:
            prefix = self.engine.attach(database)
            return database.name, prefix, self.engine.catalog(prefix)

    def database_id(self) -> int:
        """Id of the database the session stands in."""
        found = self.instance.find(self.database)
        return found.id if found is not None else 0

    def environment(self, database: str) -> SessionEnvironment:
        """The names of a database, seen from what runs now."""
        return SessionEnvironment(self.frame, database)

    def server_name(self) -> str:
        """@@SERVERNAME."""
        try:
            return str(self.instance.function("@@SERVERNAME", self, []))
        except KeyError:
            return ""

    def user_name(self) -> str:
        """The database user of the login."""
        return lookup_session.current_user(self)

    def row_version(self) -> int:
        """@@DBTS of the current database."""
        _, prefix, _ = self.open(self.database)
        return int(self.engine.value(f"SELECT value FROM {prefix}.sys_meta WHERE key='rowversion'"))

    # -- state that functions show

    def nest_level(self) -> int:
        """@@NESTLEVEL."""
        return self.depth

    def xact_state(self) -> int:
        """XACT_STATE()."""
        return 0 if not self.trancount else -1 if self.doomed else 1

    def transaction_id(self) -> int:
        """A number for the running transaction."""
        return self.spid * 1000 + self.trancount

    def caught(self, field: str) -> Any:
        """A part of the error the innermost CATCH block handles."""
        return getattr(self.caught_errors[-1], field) if self.caught_errors else None

    def cursor_status(self, name: str) -> int:
        """CURSOR_STATUS."""
        cursor = self.frame.cursors.get(name.lower()) or self.cursors.get(name.lower())
        return -3 if cursor is None else (1 if cursor.is_open else -1)

    def call_function(self, database: str, module: m.Module, args: tuple[Any, ...]) -> Any:
        """A scalar function; called by SQLite while a statement runs."""
        return call_scalar(self, database, module, args)

    def call_table(self, database: str, module: m.Module, args: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Rows of a multi-statement function."""
        return modules.table_rows(self, database, module, args)

    # -- temporary tables

    def next_number(self) -> int:
        """A number for names that must not meet again in this session."""
        self._next += 1
        return self._next

    def temp_table(self, name: str) -> StoredTable | None:
        """A temporary table by name."""
        return self.temp_tables.get(name.casefold())

    def expect_temp_table(self, name: str, table: StoredTable) -> None:
        """A plan kept from earlier may name a table that was dropped since."""
        if self.temp_table(name) is not table:
            raise StalePlan

    def drop_temp_tables(self) -> None:
        """Drop all temporary tables."""
        for table in self.temp_tables.values():
            self.engine.change(f"DROP TABLE IF EXISTS {table.sql}")
        self.temp_tables.clear()

    # -- what the instance asks

    def variable(self, name: str) -> Any:
        """Value of a variable of the running batch, as the contract's Python objects."""
        key = name.lower()
        kind = self.frame.type_of(key if key.startswith("@") else "@" + key)
        return convert.python_value(self.frame.variables[key if key.startswith("@") else "@" + key], kind)

    def run_sql(self, database: str, sql: str, sink: Sink | None = None) -> None:
        """Run T-SQL in a database within this session."""
        batches.run_inner(self, database, sql, sink)


def new_session(
    instance: Instance,
    spid: int,
    login: str,
    host: str,
    app: str,
    database: str,
    *,
    is_sysadmin: bool,
    cut: Callable[[], None],
) -> LanguageSession:
    """A session for a login; it stands in ``database`` already."""
    return LanguageSession(instance, spid, login, host, app, database, is_sysadmin=is_sysadmin, cut=cut)
