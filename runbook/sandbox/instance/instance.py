"""The simulated SQL Server as the wire and the language part see it."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runbook.sandbox.contract import (
    Cancelled,
    Column,
    ConnectionCut,
    LanguageSession,
    LoginReply,
    LoginRequest,
    Sink,
    SqlError,
    Token,
)
from runbook.sandbox.errors import error, text, with_companion
from runbook.sandbox.instance import access, admin, book, clock, corruption, functions, procedures, views
from runbook.sandbox.instance.agent import Agent
from runbook.sandbox.instance.applocks import AppLocks
from runbook.sandbox.instance.configuration import Configuration
from runbook.sandbox.instance.faults import Faults
from runbook.sandbox.instance.gate import Gate
from runbook.sandbox.instance.journal import ErrorLog, StatementLog
from runbook.sandbox.instance.logins import SA_SID, Login, Logins
from runbook.sandbox.instance.records import DatabaseRecord
from runbook.sandbox.instance.sessions import Entry, Registry
from runbook.sandbox.instance.statements import StatementScope
from runbook.sandbox.instance.storage import Members, Storage
from runbook.sandbox.instance.store import Store
from runbook.sandbox.instance.upgrade import ScriptUpgrade
from runbook.sandbox.instance.versions import EDITIONS, VERSIONS

LOGIN_SECONDS = 15.0
"""How long a login waits for a database that somebody is changing; nothing can cancel it earlier."""
NewSession = Callable[..., LanguageSession]


class SandboxInstance:
    """One SQL Server: its databases, logins, sessions, jobs and files below one directory."""

    def __init__(
        self,
        directory: Path,
        name: str,
        version: str = "2019",
        edition: str = "Developer",
        *,
        storage: Storage | None = None,
        new_session: NewSession | None = None,
        errorlog: Path | None = None,
        catalog: Path | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.name = name
        self.version = VERSIONS[version]
        self.edition, self.engine_edition, self.edition_id = EDITIONS[edition]
        self.data_directory = self.directory / "data"
        self.backup_directory = self.directory / "backup"
        for folder in (self.data_directory, self.backup_directory):
            folder.mkdir(parents=True, exist_ok=True)
        self.storage = storage or _part("storage")
        self.members = Members(self.storage)
        self.new_session = new_session or _part("session").new_session
        self.started = clock.now()
        self.port = 0
        self.stopping = threading.Event()
        self.errorlog = ErrorLog(errorlog or self.directory / "errorlog")
        self.statement_log = StatementLog(self.directory / "statements.log")
        self.faults = Faults(self.directory)
        self.store = Store(str(catalog or self.directory / "instance.db"))
        self.upgrade = ScriptUpgrade(self)
        self.logins = Logins(self.store, self.version.major)
        self.configuration = Configuration(self.store)
        self.registry = Registry()
        self.gate = Gate()
        self.applocks = AppLocks(self.gate)
        self.corrupter = corruption.Corrupter(self)
        self.book = book.Book(self)
        self.agent = Agent(self)
        self.backups_running: dict[DatabaseRecord, str] = {}

    @property
    def program_version(self) -> tuple[int, int, int]:
        """What the wire announces."""
        return self.version.major, 0, self.version.build

    def start(self, password: str | None = None) -> None:
        """Recover everything that is on disk; with ``password``, ``sa`` gets it. Raises SqlError 948, 3417."""
        try:
            self._come_up(password)
        except BaseException:
            self._close_files()
            raise

    def _come_up(self, password: str | None) -> None:
        self.errorlog.rotate()
        self.errorlog.write(self.version.banner(self.edition).replace("\n", " ").replace("\t", ""))
        book.start_up(self)
        self._ensure_sa(password)
        self.agent.start()

    def _ensure_sa(self, password: str | None) -> None:
        sa = self.logins.find("sa")
        if sa is None:
            sa = self.logins.create("sa", sid=SA_SID, roles=["sysadmin"])
        if password is not None and not (sa.password_hash and self.logins.proves(sa, password)):
            sa.password_hash = self.logins.hash(password)
            self.logins.save(sa)

    def stop(self) -> None:
        """Stop jobs, end sessions, close files. Committed data is on disk at any time; this only makes it tidy."""
        self.stopping.set()
        self.agent.stop()
        for entry in self.registry.all():
            entry.session.close()
        for record in self.book.all():
            if record.state == "ONLINE":
                self.storage.settle(record.path)
        self.errorlog.write("SQL Server is terminating because of a system shutdown.")
        self._close_files()

    def _close_files(self) -> None:
        self.statement_log.close()
        self.store.close()

    # --- databases -----------------------------------------------------------------------------------------

    def databases(self) -> list[DatabaseRecord]:
        """All databases, by id."""
        return self.book.all()

    def find(self, name: str) -> DatabaseRecord | None:
        """The database of that name in any state, or None."""
        return self.book.find(name)

    def demand(self, name: str) -> DatabaseRecord:
        """The database of that name; 911 when there is none."""
        record = self.book.find(name)
        if record is None:
            raise error(911, name)
        return record

    def build(self, record: DatabaseRecord) -> None:
        """Create the empty file of a new database and publish it."""
        generation, path = self.book.new_path(record)
        try:
            self.storage.create_database(path)
        except BaseException:
            book.remove_file(path)
            raise
        self.book.publish(record, generation)
        book.touch_others(record)
        self.book.write_settings(record)

    def convert(self, record: DatabaseRecord) -> list[tuple[int, str]]:
        """Bring a database's file to this server's internal version; returns the messages 944 and 951, numbered."""
        first, last = record.version, self.version.internal
        if first >= last:
            return []
        record.version = last
        record.compatibility_level = max(record.compatibility_level, self.version.levels[0])
        self.book.save(record)
        self.book.write_settings(record)
        steps = [(951, text(951, record.name, step, step + 1)) for step in range(first, last)]
        return [(944, text(944, record.name, first, last)), *steps]

    def close_file(self, record: DatabaseRecord) -> None:
        """Before OFFLINE: put settings and write-ahead log into the file, so that it can be copied as it is."""
        self.book.write_settings(record)
        self.storage.settle(record.path)

    def open_file(self, record: DatabaseRecord) -> None:
        """ONLINE: convert the file of an older version. Raises 945, 948."""
        if not Path(record.path).exists():
            record.state = "RECOVERY_PENDING"
            self.book.save(record)
            raise error(5120, record.physical, "2(The system cannot find the file specified.)")
        if record.version > self.version.internal:
            raise error(948, record.name, record.version, self.version.internal)
        record.state = "ONLINE"
        for _, message in self.convert(record):
            self.errorlog.write(message, "spid5s")

    def enter(self, session: LanguageSession, name: str, timeout: float | None = None) -> DatabaseRecord:
        """USE: check state and access mode, register the session there; 952 after ``timeout`` seconds of waiting."""
        record = self.demand(name)

        def check() -> None:
            access.check(self, session, record)
            self.gate.stand(session.spid, record)

        self.gate.admit(session, record, check, timeout)
        return record

    @contextmanager
    def using(self, session: LanguageSession, name: str) -> Iterator[DatabaseRecord]:
        """Use a database for the time of one statement."""
        record = self.demand(name)
        with self.gate.changed:
            self.gate.admit(session, record, lambda: access.check(self, session, record))
            scope = self.gate.statement(session.spid, record)
            scope.__enter__()
        try:
            yield record
        finally:
            scope.__exit__(None, None, None)

    def in_transaction(self, session: LanguageSession, names: set[str]) -> None:
        """The databases in which the session's open transaction has written; empty when it ended."""
        records = {r for r in (self.book.find(n) for n in names) if r is not None}
        self.gate.set_written(session.spid, records)
        if not names:
            self.applocks.release_transaction(session.spid)

    # --- sessions ------------------------------------------------------------------------------------------

    def login(self, request: LoginRequest, cut: Callable[[], None]) -> LoginReply:
        """Open a session or raise SqlError."""
        self.upgrade.admit(request.user)
        login = access.authenticate(self, request)
        database = request.database or login.default_database
        session = self.open_session(login, database, request, cut)
        try:
            record = self.enter(session, database, LOGIN_SECONDS)
        except SqlError as problem:
            session.close()
            self.ended(session)
            raise access.refuse_database(self, request, database, problem) from None
        except Cancelled:
            session.close()
            self.ended(session)
            raise ConnectionCut from None
        except BaseException:
            session.close()
            self.ended(session)
            raise
        return LoginReply(session, record.name, self.program_version)

    def open_session(
        self, login: Login, database: str, request: LoginRequest, cut: Callable[[], None], *, is_user: bool = True
    ) -> LanguageSession:
        """Create and register a session; it stands in no database yet."""
        spid = self.registry.reserve()
        try:
            session = self.new_session(
                self,
                spid,
                login.name,
                request.host,
                request.app,
                database,
                is_sysadmin="sysadmin" in login.roles,
                cut=cut,
            )
        except BaseException:
            self.registry.release(spid)
            raise
        self.registry.add(Entry(session, login.name, login.sid, request.library, database, is_user=is_user))
        return session

    def ended(self, session: LanguageSession) -> None:
        """The session is gone: forget it, release its locks."""
        with self.gate.changed:  # its number may go to another session only when nothing is held under it any more
            entry = self.registry.get(session.spid)
            if entry is None or entry.session is not session:
                return
            self.applocks.forget(session.spid)
            self.gate.forget(session.spid)
            self.registry.remove(session.spid)
        self.corrupter.strike_later(entry)

    def entry(self, session: LanguageSession) -> Entry:
        """The registry's entry of a session."""
        found = self.registry.get(session.spid)
        if found is None:
            raise error(6106, session.spid)
        return found

    def may_back_up(self, session: LanguageSession, record: DatabaseRecord) -> bool:
        """Owner, sysadmin, or a member of db_owner or db_backupoperator."""
        return access.is_owner(self, session, record) or access.in_database_role(
            self, session, record, "db_owner", "db_backupoperator"
        )

    # --- statements ----------------------------------------------------------------------------------------

    def statement(self, session: LanguageSession, text_: str) -> StatementScope:
        """Context manager around every top-level statement."""
        return StatementScope(self.entry(session), text_, self.statement_log, self.faults, self.corrupter)

    def admin(self, session: LanguageSession, text_: str, tokens: Sequence[Token], sink: Sink) -> None:
        """Run an administrative statement."""
        admin.run(self, session, text_, tokens, sink)

    def rows(
        self, view: str, session: LanguageSession, args: Sequence[Any] = ()
    ) -> tuple[Sequence[Column], list[tuple[Any, ...]]] | None:
        """Rows of a server-level view, msdb table or table-valued function; None: not the instance's."""
        return views.rows(self, view, session, args)

    def columns(self, view: str) -> Sequence[Column] | None:
        """Columns of what :meth:`rows` gives, without building a row; None: not the instance's."""
        return views.columns_of(view)

    def procedure(self, name: str) -> Callable[..., int] | None:
        """A procedure of the instance, or None."""
        return procedures.find(self, name)

    def function(self, name: str, session: LanguageSession, args: Sequence[Any]) -> Any:
        """A scalar function of the instance; KeyError: not the instance's."""
        return functions.call(self, name, session, args)

    def applock(self, session: LanguageSession, resource: str, mode: str, owner: str, timeout_ms: int) -> int:
        """sp_getapplock across sessions."""
        return self.applocks.get(session, resource, mode, owner, timeout_ms)

    def applock_release(self, session: LanguageSession, resource: str) -> int:
        """sp_releaseapplock."""
        return self.applocks.release(session, resource)


def _part(name: str) -> Any:
    """A module of the language part; imported late, because it imports the contract and errors as well."""
    return importlib.import_module(f"runbook.sandbox.language.{name}")


def open_instance(
    directory: str | Path,
    name: str,
    version: str = "2019",
    edition: str = "Developer",
    password: str | None = None,
    *,
    errorlog: Path | None = None,
    catalog: Path | None = None,
) -> SandboxInstance:
    """Open or create the instance of a directory and bring it up. Raises SqlError 3417 for an older engine."""
    instance = SandboxInstance(Path(directory), name, version, edition, errorlog=errorlog, catalog=catalog)
    instance.start(password)
    return instance


__all__ = ["SandboxInstance", "open_instance", "with_companion"]
