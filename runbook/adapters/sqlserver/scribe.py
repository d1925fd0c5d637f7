"""A server that writes down what would be sent: the same builders as the real one, nothing is connected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runbook.adapters.sqlserver.tsql import agent, backup, logins, state
from runbook.ports import JobDefinition, Login, UserAccess


class Scribe:
    """The changing half of :class:`runbook.ports.SqlServer`; every call hands its T-SQL to ``write(server, text)``."""

    def __init__(self, role: str, write: Callable[[str, str], None]) -> None:
        self.role = role
        self._write_to = write

    def _write(self, text: str) -> None:
        self._write_to(self.role, text)

    def set_job_enabled(self, job_id: str, *, enabled: bool) -> None:
        self._write(agent.set_enabled(job_id, enabled))

    def stop_job(self, job_id: str) -> None:
        self._write(agent.stop(job_id))

    def create_job(self, definition: JobDefinition) -> None:
        self._write(agent.create(definition))

    def delete_job(self, name: str) -> None:
        self._write(agent.delete(name))

    def create_login(self, login: Login) -> None:
        self._write(logins.create(login, masked=True))

    def drop_login(self, name: str) -> None:
        self._write(logins.drop(name))

    def set_user_access(self, database: str, access: UserAccess) -> None:
        self._write(state.user_access(database, access))

    def kill(self, session_id: int) -> None:  # noqa: ARG002  (which sessions is known on the night only)
        self._write("-- KILL <every session that is left>")

    def backup_full(self, database: str, path: str, *, name: str, copy_only: bool) -> None:
        self._write(backup.full(database, path, title=name, copy_only=copy_only))

    def backup_log(self, database: str, path: str, *, name: str) -> None:
        self._write(backup.log(database, path, title=name))

    def cut_tail(self, database: str, path: str, *, name: str) -> None:
        self._write(backup.tail(database, path, title=name))

    def cut_differential(self, database: str, path: str, *, name: str) -> None:
        self._write(state.user_access(database, UserAccess.SINGLE_USER))
        self._write(backup.differential(database, path, title=name))
        self._write(state.offline(database))

    def verify_backup(self, path: str) -> None:
        self._write(backup.verify(path))

    def restore_full(self, database: str, path: str, *, moves: Mapping[str, str]) -> None:
        self._write(backup.restore_full(database, path, moves))

    def restore_differential(self, database: str, path: str) -> None:
        self._write(backup.restore_differential(database, path))

    def restore_log(self, database: str, path: str, position: int | None = None) -> None:
        self._write(backup.restore_log(database, path, position or 1))

    def recover(self, database: str) -> None:
        self._write(backup.recover(database))

    def set_online(self, database: str) -> None:
        self._write(state.online(database))

    def drop_database(self, database: str) -> None:
        self._write(state.drop(database))

    def create_snapshot(self, database: str, snapshot: str) -> None:
        self._write(state.create_snapshot(database, snapshot, [("<every data file>", f"<its path>_{snapshot}.ss")]))

    def revert_to_snapshot(self, database: str, snapshot: str) -> None:
        self._write(state.revert(database, snapshot))

    def drop_snapshot(self, snapshot: str) -> None:
        self._write(state.drop_snapshot(snapshot))

    def set_owner(self, database: str, login: str) -> None:
        self._write(state.owner(database, login))

    def set_option(self, database: str, option: str, value: str) -> None:
        self._write(state.option(database, option, value))

    def map_user(self, database: str, user: str, login: str) -> None:  # noqa: ARG002  (as in the port)
        self._write(state.map_user(user, login))

    def run_batch(self, database: str, sql: str) -> None:  # noqa: ARG002
        self._write(sql)

    def check_database(self, database: str) -> tuple[str, ...]:
        self._write(state.check(database))
        return ()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a preview cannot look at a server: {name} is a reading call")
