"""Transactions: T-SQL's counters over SQLite's one transaction, write locks, statement savepoints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from runbook.sandbox.contract import Cancelled, Sink, SqlError
from runbook.sandbox.language.engine.locks import LOCKS

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.frame import Frame
    from runbook.sandbox.language.session import LanguageSession


_ONE_STATE = frozenset({"SNAPSHOT", "REPEATABLE READ", "SERIALIZABLE"})


class Transactions:
    """The transaction of one session."""

    def __init__(self, session: LanguageSession) -> None:
        self._session = session
        self._engine = session.engine
        self._written: set[str] = set()
        self._writing = 0
        self._names: list[str] = []
        self._savepoints: dict[str, str] = {}

    # -- statements of T-SQL

    def begin(self, name: str = "") -> None:
        """BEGIN TRAN."""
        session = self._session
        session.trancount += 1
        if session.trancount == 1:
            self._names = [name.casefold()]
            session.doomed = False

    def commit(self, _name: str = "") -> None:
        """COMMIT."""
        session = self._session
        if not session.trancount:
            raise SqlError(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        if session.doomed:
            raise doomed()
        session.trancount -= 1
        if session.trancount == 0:
            self._finish("COMMIT")

    def rollback(self, name: str) -> None:
        """ROLLBACK, of everything or to a savepoint."""
        session = self._session
        if not session.trancount:
            raise SqlError(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        folded = name.casefold()
        if name and folded in self._savepoints:
            if session.doomed:
                raise SqlError(
                    3931,
                    "The current transaction cannot be committed and cannot be rolled back to a savepoint. Roll "
                    "back the entire transaction.",
                )
            self._to_savepoint(self._savepoints[folded])
            return
        if name and folded not in self._names:
            raise SqlError(6401, f"Cannot roll back {name}. No transaction or savepoint of that name was found.")
        self.rollback_all()

    def save(self, name: str) -> None:
        """SAVE TRAN."""
        if not self._session.trancount:
            raise SqlError(628, "Cannot issue SAVE TRANSACTION when there is no active transaction.")
        self._open()
        point = f"u{self._session.next_number()}"
        self._engine.execute(f"SAVEPOINT {point}")
        self._savepoints[name.casefold()] = point

    def _to_savepoint(self, point: str) -> None:
        kept = self._keep_table_variables()
        self._engine.execute(f"ROLLBACK TO {point}")
        self._forget_caches()
        self._give_back(kept)

    def rollback_all(self) -> None:
        """Undo the whole transaction, whatever its depth."""
        self._session.trancount = 0
        self._session.doomed = False
        self._finish("ROLLBACK")

    def _finish(self, verb: str) -> None:
        self._savepoints.clear()
        self._names.clear()
        if self._engine.in_transaction and not self._writing:
            kept = self._keep_table_variables() if verb == "ROLLBACK" else []
            self._engine.execute(verb)
            if verb == "ROLLBACK":
                self._forget_caches()
                self._give_back(kept)
        elif verb == "ROLLBACK" and self._writing:
            self._engine.execute("ROLLBACK")
            self._forget_caches()
        self._release()

    def _release(self) -> None:
        LOCKS.release(self._session)
        if self._written:
            self._written.clear()
            self._session.instance.in_transaction(self._session, set())
        else:
            self._session.instance.in_transaction(self._session, set())

    def _forget_caches(self) -> None:
        session = self._session
        session.view_stamps.clear()
        session.counters.forget()
        session.work.forget()
        present = {r[0] for r in self._engine.rows("SELECT name FROM sqlite_schema WHERE type='table'")}
        for name, table in list(session.temp_tables.items()):
            if table.table.phys not in present:
                del session.temp_tables[name]

    def _keep_table_variables(self) -> list[tuple[str, str, list[tuple[object, ...]]]]:
        """Table variables do not take part in transactions."""
        kept = []
        frame: Frame | None = self._session.frame
        while frame is not None:
            for table in frame.tables.values():
                if table.read_only:
                    continue
                create = self._engine.value("SELECT sql FROM sqlite_schema WHERE name=?", (table.table.phys,))
                kept.append((table.table.phys, str(create), self._engine.rows(f"SELECT * FROM {table.sql}")))
            frame = frame.parent
        return kept

    def _give_back(self, kept: list[tuple[str, str, list[tuple[object, ...]]]]) -> None:
        for phys, create, rows in kept:
            if self._engine.value("SELECT 1 FROM sqlite_schema WHERE name=?", (phys,)) is None:
                self._engine.execute(create)
            self._engine.execute(f"DELETE FROM {phys}")
            if rows:
                marks = ",".join("?" * len(rows[0]))
                self._engine.change_many(f"INSERT INTO {phys} VALUES({marks})", rows)

    # -- reading

    @contextlib.contextmanager
    def reading(self, databases: Iterable[str], locked: Iterable[str]) -> Iterator[None]:
        """A statement that reads. In a transaction of a higher isolation level all its reads see one state."""
        session = self._session
        if (
            session.trancount
            and session.options.isolation in _ONE_STATE
            and databases
            and not self._engine.in_transaction
        ):
            self._allow_snapshot(databases)
            self._engine.execute("BEGIN")
        names = [name for name in locked if not self._is_closed(name)]
        self._lock(tuple(names))
        try:
            yield
        finally:
            if names and not session.trancount and not self._writing:
                self._release()

    def _is_closed(self, name: str) -> bool:
        database = self._session.instance.find(name)
        return database is None or database.is_read_only or database.is_snapshot

    def _allow_snapshot(self, databases: Iterable[str]) -> None:
        """Error 3952 for SNAPSHOT in a database that does not allow it."""
        if self._session.options.isolation != "SNAPSHOT":
            return
        found = self._session.instance.rows("sys.databases", self._session)
        if found is None:
            return
        at = {c.name.lower(): i for i, c in enumerate(found[0])}
        states = {str(row[at["name"]]).casefold(): row[at["snapshot_isolation_state"]] for row in found[1]}
        for name in databases:
            if not states.get(name.casefold(), 1):
                raise SqlError(
                    3952,
                    f"Snapshot isolation transaction failed accessing database '{name}' because snapshot isolation is "
                    "not allowed in this database. Use ALTER DATABASE to allow snapshot isolation.",
                )

    # -- writing

    def _open(self) -> None:
        if not self._engine.in_transaction:
            self._engine.execute("BEGIN")

    def implicit(self) -> None:
        """SET IMPLICIT_TRANSACTIONS ON: the statement opens a transaction."""
        if self._session.options.implicit_transactions and not self._session.trancount:
            self.begin()

    @contextlib.contextmanager
    def writing(self, *databases: str) -> Iterator[None]:
        """A statement that writes these databases (none: only session tables). All of it or nothing happens."""
        session = self._session
        if session.doomed:
            raise doomed()
        if not self._writing:
            self.implicit()
        self._lock(databases)
        outermost = self._writing == 0
        self._open()
        point = f"s{session.next_number()}"
        self._engine.execute(f"SAVEPOINT {point}")
        self._writing += 1
        try:
            yield
            session.counters.flush()
        except BaseException:
            self._writing -= 1
            self._undo(point, outermost=outermost)
            raise
        self._writing -= 1
        if not self._engine.in_transaction:
            self._release()
            return
        self._engine.execute(f"RELEASE {point}")
        if outermost and not session.trancount:
            self._engine.execute("COMMIT")
            self._release()

    def _undo(self, point: str, *, outermost: bool) -> None:
        session = self._session
        session.counters.forget()
        if self._engine.in_transaction:
            with contextlib.suppress(SqlError, Cancelled):
                self._engine.connection.execute(f"ROLLBACK TO {point}")
                self._engine.connection.execute(f"RELEASE {point}")
            session.view_stamps.clear()
            session.work.forget()
        if not outermost:
            return
        if not self._engine.in_transaction:
            session.trancount = 0
            self._forget_caches()
            self._release()
        elif not session.trancount:
            self._engine.connection.execute("ROLLBACK")
            self._forget_caches()
            self._release()

    def _lock(self, databases: tuple[str, ...]) -> None:
        session = self._session
        timeout = None if session.options.lock_timeout < 0 else session.options.lock_timeout / 1000
        for name in databases:
            database = session.instance.find(name)
            if database is None:
                raise SqlError(911, f"Database '{name}' does not exist. Make sure that the name is entered correctly.")
            if database.is_read_only or database.is_snapshot:
                raise SqlError(3906, f'Failed to update database "{database.name}" because the database is read-only.')
            LOCKS.acquire(session, database.path, timeout)
            if database.name not in self._written and (session.trancount or session.options.implicit_transactions):
                self._written.add(database.name)
                session.instance.in_transaction(session, set(self._written))

    @property
    def is_writing(self) -> bool:
        """Whether a statement is writing now."""
        return self._writing > 0

    # -- ends of requests

    def after_cancel(self) -> None:
        """An attention ends the statement; the transaction stays, unless SQLite or XACT_ABORT ended it."""
        self._writing = 0
        session = self._session
        gone = bool(self._written) and not self._engine.in_transaction
        if not session.trancount or session.options.xact_abort or gone:
            self.rollback_all()

    def after_request(self, sink: Sink) -> None:
        """Nothing may stay open without a transaction; a doomed one is rolled back (3998)."""
        self._writing = 0
        session = self._session
        if session.doomed and session.trancount:
            self.rollback_all()
            sink.error(SqlError(3998, UNCOMMITTABLE))
            sink.done()
        if not session.trancount and self._engine.in_transaction:
            self.rollback_all()


UNCOMMITTABLE = "Uncommittable transaction is detected at the end of the batch. The transaction is rolled back."


def doomed() -> SqlError:
    """Error 3930."""
    return SqlError(
        3930,
        "The current transaction cannot be committed and cannot support operations that write to the log file. "
        "Roll back the "
        "transaction.",
    )
