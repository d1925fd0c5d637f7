"""Agent, logins, sessions, states and options: the fake SQL Server without its backups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from runbook.errors import Refused, WrongTarget
from runbook.ports import DatabaseState, JobDefinition, Login, ServerIdentity, UserAccess
from runbook.testing.claimed import Claimed
from runbook.testing.handle import UNTOUCHED, Action, Work, at_once
from runbook.testing.model import DEFAULT_OPTIONS, Client, Database
from runbook.testing.refusals import refusal

STOPPING = timedelta(seconds=1)
"""sp_stop_job only asks: the job ends a little later."""


class Administration(Claimed):
    """What can be done to an instance apart from backups and snapshots."""

    _pinned_name: str | None = None
    _pinned: Mapping[str, tuple[str | None, str]] = {}

    def pin(self, identity: ServerIdentity, families: Mapping[str, tuple[str | None, str]]) -> None:
        """Say who this server and its databases must be; as the adapter, every change looks again first."""
        self._pinned_name = identity.server_name
        self._pinned = {name.lower(): pin for name, pin in families.items()}

    # -- Agent

    def set_job_enabled(self, job_id: str, *, enabled: bool) -> None:
        job = self.instance.jobs.get(job_id)
        word = "ENABLE" if enabled else "DISABLE"
        text = f"{word} JOB {job.definition.name if job else job_id}"

        def change() -> None:
            self.instance.job(job_id).enabled = enabled

        self._do("set_job_enabled", job_id, text, at_once(change, lambda: self.instance.job(job_id)))

    def stop_job(self, job_id: str) -> None:
        job = self.instance.jobs.get(job_id)
        name = job.definition.name if job else job_id

        def change() -> None:
            found = self.instance.job(job_id)
            if self.instance.running(found):  # the adapter takes 22022, not running, for success
                found.running_until = self.world.clock.now() + STOPPING

        self._do("stop_job", job_id, f"STOP JOB {name}", at_once(change, lambda: self.instance.job(job_id)))

    def create_job(self, definition: JobDefinition) -> None:
        def check() -> None:
            if definition.owner != "sa" and definition.owner not in self.instance.logins:
                raise refusal(14234)

        def change() -> None:
            self.instance.add_job(definition).enabled = False

        self._do("create_job", definition.name, f"CREATE JOB {definition.name}", at_once(change, check))

    def delete_job(self, name: str) -> None:
        def change() -> None:
            jobs = self.instance.jobs
            self.instance.jobs = {key: job for key, job in jobs.items() if job.definition.name != name}

        self._do("delete_job", name, f"DELETE JOB {name}", at_once(change))

    # -- logins and sessions

    def create_login(self, login: Login) -> None:
        def check() -> None:
            if login.name in self.instance.logins:
                raise refusal(15025, login.name)
            if self.instance.login_of(login.sid) is not None:
                raise refusal(15433)

        def change() -> None:
            self.instance.logins[login.name] = login

        self._do("create_login", login.name, f"CREATE LOGIN {login.name}", at_once(change, check))

    def drop_login(self, name: str) -> None:
        def check() -> None:
            if any(client.login == name for client in self.instance.clients):
                raise refusal(15434, name)

        gone = at_once(lambda: self.instance.logins.pop(name, None), check)
        self._do("drop_login", name, f"DROP LOGIN {name}", gone)

    def kill(self, session_id: int) -> None:
        def change() -> None:
            for client in self._clients(session_id):
                self.instance.throw_out(client)

        self._do("kill", str(session_id), f"KILL {session_id}", at_once(change))

    def _clients(self, session_id: int) -> list[Client]:
        return [one for one in self.instance.clients if one.session_id == session_id and not one.unkillable]

    # -- state and options

    def set_user_access(self, database: str, access: UserAccess) -> None:
        text = f"ALTER DATABASE {database} SET {access} WITH ROLLBACK IMMEDIATE"
        self._do("set_user_access", database, text, at_once(*self._access(database, access)))

    def _access(self, database: str, access: UserAccess) -> tuple[Callable[[], None], Callable[[], None]]:
        def check() -> None:
            found = self._alterable(database)
            if found.settings.user_access is UserAccess.SINGLE_USER and self.instance.in_database(database):
                raise refusal(5064, database)

        def change() -> None:
            self.instance.get(database).set(user_access=access)
            for client in self.instance.in_database(database):
                stays = access is UserAccess.MULTI_USER or (access is UserAccess.RESTRICTED_USER and client.privileged)
                if not stays:
                    self.instance.throw_out(client)
            self.instance.door_moved()

        return change, check

    def _alterable(self, database: str) -> Database:
        found = self.instance.existing(database, 5011)
        if found.snapshot_of:
            raise refusal(5093)
        if found.state is not DatabaseState.ONLINE:
            raise refusal(5052, found.state.capitalize())
        return found

    def set_online(self, database: str) -> None:
        def check() -> None:
            found = self.instance.existing(database, 5011)
            if found.state not in {DatabaseState.OFFLINE, DatabaseState.ONLINE}:
                raise refusal(5052, found.state.capitalize())

        def change() -> None:
            found = self.instance.get(database)
            found.state = DatabaseState.ONLINE
            self.instance.door_moved()

        self._do("set_online", database, f"ALTER DATABASE {database} SET ONLINE", at_once(change, check))

    def set_owner(self, database: str, login: str) -> None:
        def change() -> None:
            self._alterable(database).set(owner_sid=self.instance.sid_of(login))

        def check() -> None:
            if self.instance.sid_of(login) in self._alterable(database).content.users.values():
                raise refusal(15110)

        text = f"ALTER AUTHORIZATION ON DATABASE::{database} TO {login}"
        self._do("set_owner", database, text, at_once(change, check))

    def set_option(self, database: str, option: str, value: str) -> None:
        def check() -> None:
            self._alterable(database)
            if option not in DEFAULT_OPTIONS:
                raise refusal(5058, option, database)

        def change() -> None:
            found = self.instance.get(database)
            found.set(options={**found.settings.options, option: value})

        self._do("set_option", database, f"ALTER DATABASE {database} SET {option} {value}", at_once(change, check))

    def map_user(self, database: str, user: str, login: str) -> None:
        def check() -> None:
            users = self.instance.opened(database).content.users
            if user not in users:
                raise refusal(15151, "user", user)
            if self.instance.sid_of(login) in {sid for name, sid in users.items() if name != user}:
                raise refusal(15063)

        def change() -> None:
            found = self.instance.opened(database)
            found.write(found.content.with_user(user, self.instance.sid_of(login)))

        text = f"{database}: ALTER USER {user} WITH LOGIN = {login}"
        self._do("map_user", database, text, at_once(change, check))

    def drop_database(self, database: str) -> None:
        def check() -> None:
            found = self.instance.existing(database, 3701)
            if found.state is DatabaseState.OFFLINE:
                raise Refused(f"{self.role}: database {database} is offline, dropping it would leave its files behind")
            if found.state is DatabaseState.ONLINE and not found.snapshot_of:
                self._access(database, UserAccess.SINGLE_USER)[0]()
            self._evict(database)
            if self.instance.snapshots_of(found.name):
                raise refusal(3709, self.instance.snapshots_of(found.name)[0].name)

        gone = at_once(lambda: self._remove(database), check)
        self._do("drop_database", database, f"DROP DATABASE {database}", gone)

    def _remove(self, database: str) -> None:
        self.instance.remove(self.instance.get(database))

    def _evict(self, database: str) -> None:
        for client in self.instance.in_database(database):
            if not client.unkillable:
                self.instance.throw_out(client)

    # -- the way every change goes

    def _do(self, name: str, key: str, text: str, work: Callable[[], Work]) -> None:
        def corrupt() -> None:
            found = self.instance.find(key)
            if found is not None:
                found.content = found.content.corrupted()

        self._check_marker()
        self._compare(key)
        if key in self.instance.lingering:
            work = self._blocked
        self.perform(Action(name, key, text, work, corrupt))

    def _blocked(self) -> Work:
        """A statement of a dead executor still works on this database."""
        yield UNTOUCHED
        raise refusal(3101)

    def _compare(self, database: str) -> None:
        if self._pinned_name is None:
            return
        if self.instance.server_name != self._pinned_name:
            raise WrongTarget(f"{self.role}: the server says it is {self.instance.server_name}")
        found = self.instance.find(database)
        if found is None or database.lower() not in self._pinned:
            return
        family, created_at = self._pinned[database.lower()]
        is_open = found.state is DatabaseState.ONLINE and family is not None
        if not (found.family_guid == family if is_open else found.created_at == created_at):
            raise WrongTarget(f"{self.role}: database {database} is another one")
