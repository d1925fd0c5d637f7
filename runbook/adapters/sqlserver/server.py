"""SQL Server as the ports want it: every method of :class:`runbook.ports.SqlServer`, in the order of the port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from runbook.adapters.sqlserver import agent, backups, catalog, executors, logins, marker, proof, queries
from runbook.adapters.sqlserver.client import Client, Session
from runbook.adapters.sqlserver.connection import ResultSet
from runbook.adapters.sqlserver.tsql import agent as agent_text
from runbook.adapters.sqlserver.tsql import backup as backup_text
from runbook.adapters.sqlserver.tsql import catalog as catalog_text
from runbook.adapters.sqlserver.tsql import logins as logins_text
from runbook.adapters.sqlserver.tsql import marker as marker_text
from runbook.adapters.sqlserver.tsql import session as session_text
from runbook.adapters.sqlserver.tsql import state as state_text
from runbook.errors import NotPermitted, Refused, WrongTarget
from runbook.marker import Held, Marker, refuse_unless_mine
from runbook.ports import (
    AgentJob,
    BackupHeader,
    DatabaseFile,
    DatabaseInfo,
    JobDefinition,
    LogBackup,
    Login,
    ProofLevel,
    QueryResult,
    RunningBackup,
    ServerIdentity,
    ServerSession,
    TableInfo,
    TableProof,
    UserAccess,
    Volume,
)

Pin = tuple[str | None, str]
"""``family_guid`` and ``created_at`` of a database."""


class Reader:
    """What can be learnt of one SQL Server without changing anything."""

    def __init__(self, client: Client, run_id: str) -> None:
        self.role = client.role
        self._client = client
        self._run_id = run_id
        self._seen: dict[int, str] = {}
        """Login times of sessions that were shown: with the number they name a session, whose number may be reused."""

    def identity(self) -> ServerIdentity:
        return catalog.identity(self._client)

    def utcnow(self) -> datetime:
        return catalog.utcnow(self._client)

    def missing_permissions(self) -> tuple[str, ...]:
        return () if self._client.read(catalog_text.is_sysadmin()).value() == 1 else ("sysadmin",)

    def databases(self) -> Mapping[str, DatabaseInfo]:
        return catalog.databases(self._client)

    def database(self, name: str) -> DatabaseInfo | None:
        return next(iter(catalog.databases(self._client, name).values()), None)

    def files(self, database: str) -> tuple[DatabaseFile, ...]:
        return catalog.files(self._client, database)

    def volumes(self, paths: Sequence[str]) -> tuple[Volume, ...]:
        return catalog.volumes(self._client, paths)

    def edition_features(self, database: str) -> tuple[str, ...]:
        rows = self._client.read(catalog_text.edition_features(), database).first.rows
        return tuple(str(row[0]) for row in rows)

    def running_backups(self) -> tuple[RunningBackup, ...]:
        return backups.running(self._client)

    def last_good_checkdb(self, database: str) -> datetime | None:
        checked_at = self._client.read(catalog_text.last_good_checkdb(database)).value()
        found = catalog.instant(checked_at) if checked_at else None
        return found if found and found.year > catalog.NEVER_CHECKED else None

    def has_agent(self) -> bool:
        return agent.has_agent(self._client)

    def jobs(self) -> tuple[AgentJob, ...]:
        return agent.jobs(self._client)

    def job_definition(self, job_id: str) -> JobDefinition:
        """Raises NotSupported for a job with jumps between steps, proxies or output files: it could not be created
        again as it is."""
        return agent.definition(self._client, job_id)

    def logins(self) -> tuple[Login, ...]:
        return logins.logins(self._client)

    def sessions(self, database: str) -> tuple[ServerSession, ...]:
        found = catalog.sessions(self._client, database, self._run_id)
        self._seen |= {session.session_id: login_time for session, login_time in found.items()}
        return tuple(found)

    def snapshots(self, database: str) -> tuple[str, ...]:
        return tuple(row[0] for row in self._client.read(catalog_text.snapshots(database)).first.rows)

    def backup_header(self, path: str, position: int | None = None) -> BackupHeader | None:
        return backups.header(self._client, path, position)

    def log_chain_starts(self, database: str) -> bool:
        return self._client.read(catalog_text.log_chain(database)).value() is not None

    def log_backups_since(self, database: str, lsn: str) -> tuple[LogBackup, ...]:
        return backups.logs_since(self._client, database, lsn)

    def restored_until(self, database: str) -> str:
        return backups.restored_until(self._client, database)

    def log_sequence(self, database: str) -> str:
        """Empty where the server cannot tell (2016 before SP2)."""
        return catalog.log_sequence(self._client, database)

    def tables(self, database: str) -> tuple[TableInfo, ...]:
        return proof.tables(self._client, database)

    def prove_table(self, database: str, table: TableInfo, level: ProofLevel) -> TableProof:
        return proof.prove(self._client, database, table, level)

    def positions(self, database: str) -> Mapping[str, str]:
        return proof.positions(self._client, database)

    def objects(self, database: str) -> Mapping[str, str]:
        return proof.objects(self._client, database)

    def query(self, database: str, sql: str, max_rows: int = 1000) -> QueryResult:
        return queries.query(self._client, database, sql, max_rows)


class Server(Reader):
    """What can be done to one SQL Server.

    Once :meth:`pin` was called, every method that changes something first reads again who answers, on the very
    connection that then carries the change, and raises WrongTarget when it is not who was pinned. In the same breath,
    once it is :meth:`claimed_by` an executor, it reads the instance's marker, and raises FencedOut when that names
    another one.
    """

    def __init__(self, client: Client, run_id: str) -> None:
        super().__init__(client, run_id)
        self._pinned_name: str | None = None
        self._pinned: dict[str, Pin] = {}
        self._hold: Callable[[], Marker] | None = None

    def pin(self, identity: ServerIdentity, families: Mapping[str, Pin]) -> None:
        """Say who this server, and who its databases, must be from now on.

        A database that is open is known by its ``family_guid``, which stays through backup, restore and revert; one
        that is not is known by name and ``create_date``. Databases that are not named are not compared.
        """
        self._pinned_name = identity.server_name
        self._pinned = {name.casefold(): pin for name, pin in families.items()}
        self._client.check = self._check_server

    def expect(self, server_name: str) -> None:
        """Say who must answer, before anything is known of its databases."""
        self._pinned_name = server_name
        self._client.check = self._check_server

    def claimed_by(self, hold: Callable[[], Marker]) -> None:
        """Change nothing from now on unless the marker that ``hold`` gives stands on the instance; ``hold`` is asked
        before each change and may have to claim the instance first."""
        self._hold = hold
        self._client.check = self._check_server

    # -- executors ------------------------------------------------------------------------------------------

    def end_sessions_of(self, run_id: str, older_than_fence: int) -> int:
        """End the sessions of earlier executors of a run and wait until they are gone. Returns how many there were."""
        return executors.end_sessions_of(self._client, run_id, older_than_fence)

    def marker(self) -> Marker | None:
        """See :class:`runbook.marker.Instance`, also for the next three."""
        return marker.read(self._client)

    def put_marker(self, mine: Marker, *, instead_of: Marker | None) -> bool:
        return marker.put(self._client, mine, instead_of)

    def lag_marker(self, mine: Marker, newest: int) -> None:
        self._client.effect(marker_text.lag(mine.run_id, mine.fence, newest))

    def end_marker(self, run_id: str, fence: int, *, remove: bool) -> None:
        marker.end(self._client, run_id, fence, remove=remove)

    def clearing(self, run_id: str) -> str:
        return marker_text.clear(run_id)

    @contextmanager
    def application_lock(self, run_id: str, *, instead_of: Held | None = None) -> Iterator[executors.Lock]:
        """Hold the instance for this run while the block runs. Raises AlreadyRunning when another run holds it."""
        old = instead_of if isinstance(instead_of, executors.Lock) else None
        with executors.application_lock(self._client, run_id, old) as lock:
            yield lock

    # -- jobs and logins ------------------------------------------------------------------------------------

    def set_job_enabled(self, job_id: str, *, enabled: bool) -> None:
        self._client.effect(agent_text.set_enabled(job_id, enabled))

    def stop_job(self, job_id: str) -> None:
        agent.stop(self._client, job_id)

    def create_job(self, definition: JobDefinition) -> None:
        self._client.effect(agent_text.create(definition))

    def delete_job(self, name: str) -> None:
        agent.delete(self._client, name)

    def create_login(self, login: Login) -> None:
        logins.create(self._client, login)

    def drop_login(self, name: str) -> None:
        self._client.effect(logins_text.drop(name))

    # -- databases ------------------------------------------------------------------------------------------

    def set_user_access(self, database: str, access: UserAccess) -> None:
        self._effect(database, state_text.user_access(database, access))

    def kill(self, session_id: int) -> None:
        """A session that :meth:`sessions` has shown is ended only while it is still that session."""
        with self._client.inside() as session:
            backups.kill(session, session_id, self._seen.get(session_id))

    def backup_full(self, database: str, path: str, *, name: str, copy_only: bool) -> None:
        self._back_up(database, path, backup_text.full(database, path, title=name, copy_only=copy_only))

    def backup_log(self, database: str, path: str, *, name: str) -> None:
        self._back_up(database, path, backup_text.log(database, path, title=name))

    def cut_tail(self, database: str, path: str, *, name: str) -> None:
        self._back_up(database, path, backup_text.tail(database, path, title=name))

    def cut_differential(self, database: str, path: str, *, name: str) -> None:
        backups.refuse_existing(self._client, path)
        with self._checked(database) as session:
            sql = backup_text.differential(database, path, title=name)
            backups.cut_differential(self._client, session, database, sql)

    def verify_backup(self, path: str) -> None:
        self._client.read(backup_text.verify(path, backups.position(self._client, path)))

    def restore_full(self, database: str, path: str, *, moves: Mapping[str, str]) -> None:
        """Refused when a database of that name is there, unless it is RESTORING from an earlier try."""
        found = self.database(database)
        if found is not None and found.state != "RESTORING":
            raise Refused(
                f"{self.role}: a database {database} is there already, {found.state.value}",
                hint="A restore never replaces a database. Drop or rename it if nobody needs it.",
            )
        position = backups.position(self._client, path)
        self._effect(database, backup_text.restore_full(database, path, moves, position))

    def restore_differential(self, database: str, path: str) -> None:
        position = backups.position(self._client, path)
        self._effect(database, backup_text.restore_differential(database, path, position))

    def restore_log(self, database: str, path: str, position: int | None = None) -> None:
        chosen = backups.position(self._client, path) if position is None else position
        self._effect(database, backup_text.restore_log(database, path, chosen))

    def recover(self, database: str) -> None:
        self._effect(database, backup_text.recover(database))

    def set_online(self, database: str) -> None:
        self._effect(database, state_text.online(database))

    def drop_database(self, database: str) -> None:
        """Refused for a snapshot, and for a database that is OFFLINE: its files would stay."""
        with self._checked(database) as session:
            backups.drop(self._client, session, database)

    def create_snapshot(self, database: str, snapshot: str) -> None:
        with self._checked(database) as session:
            backups.create_snapshot(self._client, session, database, snapshot)

    def revert_to_snapshot(self, database: str, snapshot: str) -> None:
        """Ends who is in the database or the snapshot first: a revert needs both to itself."""
        with self._checked(database) as session:
            backups.revert(self._client, session, database, snapshot)

    def drop_snapshot(self, snapshot: str) -> None:
        found = self.database(snapshot)
        if found is not None and found.snapshot_of is None:
            raise Refused(f"{self.role}: {snapshot} is a database, not a snapshot", hint="Nothing was dropped.")
        self._client.effect(state_text.drop_snapshot(snapshot))

    def set_owner(self, database: str, login: str) -> None:
        self._effect(database, state_text.owner(database, login))

    def set_option(self, database: str, option: str, value: str) -> None:
        self._effect(database, state_text.option(database, option, value))

    def map_user(self, database: str, user: str, login: str) -> None:
        self._effect(database, state_text.map_user(user, login), inside=True)

    @contextmanager
    def script(self, database: str) -> Iterator[Callable[[str], None]]:
        with self._checked(database) as session, queries.script(session, self.role, database) as run:
            yield run

    def run_batch(self, database: str, sql: str) -> None:
        with self.script(database) as run:
            run(sql)

    def check_database(self, database: str) -> tuple[str, ...]:
        return queries.check_database(self._client, database)

    # -- the right target -----------------------------------------------------------------------------------

    def _back_up(self, database: str, path: str, sql: str) -> None:
        backups.refuse_existing(self._client, path)
        self._effect(database, sql)

    def _effect(self, database: str, sql: str, *, inside: bool = False) -> None:
        def attempt() -> None:
            with self._checked(database) as session:
                if inside:
                    session.read(session_text.use(database))
                session.effect(sql)

        self._client.repeat_undone(attempt)

    @contextmanager
    def _checked(self, database: str) -> Iterator[Session]:
        with self._client.inside(checked=False) as session:
            if self._pinned_name is not None:
                self._compare(database, session)
            elif self._hold:
                self._check_server(session)
            yield session

    def _compare(self, database: str, session: Session) -> None:
        found = self._asked(session, catalog_text.target_identity(database)).dicts()
        if not found:
            self._compare_name(session.read(catalog_text.server_name()).value())
            return
        row = found[0]
        self._compare_name(row["server_name"])
        family, created_at = self._pinned.get(database.casefold(), (None, row["created_at"]))
        if family and row["family_guid"]:
            self._refuse_unless(family.upper() == row["family_guid"].upper(), f"database {database} is another one")
        else:
            same = created_at == row["created_at"]
            self._refuse_unless(same, f"database {database} was created at {row['created_at']}, not {created_at}")

    def _check_server(self, session: Session) -> None:
        self._compare_name(self._asked(session, catalog_text.server_name()).rows[0][0])

    def _asked(self, session: Session, sql: str) -> ResultSet:
        """What the session says of itself; with the same question, whether this executor may still act."""
        if self._hold is None:
            return session.read(sql).first
        mine = self._hold()
        answer = session.read(f"{sql};\n{marker_text.read()}")
        refuse_unless_mine(self.role, marker.found_in(answer), mine)
        return answer.first

    def _compare_name(self, name: str) -> None:
        if self._pinned_name is None:
            return
        self._refuse_unless(name == self._pinned_name, f"the server says it is {name}, pinned is {self._pinned_name}")

    def _refuse_unless(self, holds: bool, what: str) -> None:
        if not holds:
            raise WrongTarget(
                f"{self.role}: {what}", hint="Look who answers at that address; nothing was changed there."
            )


def require_sysadmin(server: Reader) -> None:
    """Raise NotPermitted unless this login can carry out a run."""
    if missing := server.missing_permissions():
        raise NotPermitted(
            f"{server.role}: the login is no member of {', '.join(missing)}",
            hint="A run backs up, restores, kills sessions and carries logins: it needs sysadmin for the window.",
        )
