"""The fake SQL Server: a handle that can change an instance of the world."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from runbook.errors import Refused
from runbook.ports import DatabaseState, UserAccess
from runbook.testing import backups
from runbook.testing.administration import Administration
from runbook.testing.errors import ImpossibleWorld
from runbook.testing.handle import HALFWAY, UNTOUCHED, Work, at_once
from runbook.testing.model import Database
from runbook.testing.refusals import refusal


class FakeSqlServer(Administration):
    """Implements ``runbook.ports.SqlServer``; ``FakeSqlServer(world, "old", cancellation=..., recorder=...)``."""

    # -- backups

    def backup_full(self, database: str, path: str, *, name: str, copy_only: bool) -> None:
        text = f"BACKUP DATABASE {database}{' WITH COPY_ONLY' if copy_only else ''}"
        self._back_up("backup_full", text, backups.Order(database, path, name, "full", copy_only))

    def backup_log(self, database: str, path: str, *, name: str) -> None:
        self._back_up("backup_log", f"BACKUP LOG {database}", backups.Order(database, path, name, "log"))

    def cut_tail(self, database: str, path: str, *, name: str) -> None:
        order = backups.Order(database, path, name, backups.TAIL)
        self._back_up("cut_tail", f"BACKUP LOG {database} WITH NORECOVERY", order)

    def cut_differential(self, database: str, path: str, *, name: str) -> None:
        order = backups.Order(database, path, name, "differential")
        self._refuse_existing(path)
        single = f"ALTER DATABASE {database} SET SINGLE_USER WITH ROLLBACK IMMEDIATE"
        with self._in_the_slot(database.lower()):
            change, check = self._access(database, UserAccess.SINGLE_USER)
            self._do("cut_differential.single_user", database, single, at_once(change, check))
            self._back_up("cut_differential", f"BACKUP DATABASE {database} WITH DIFFERENTIAL", order)
            offline = at_once(lambda: self._set_offline(database))
            self._do("cut_differential.offline", database, f"ALTER DATABASE {database} SET OFFLINE", offline)

    def _set_offline(self, database: str) -> None:
        self.instance.get(database).state = DatabaseState.OFFLINE

    @contextmanager
    def _in_the_slot(self, database: str) -> Iterator[None]:
        """The connection stays in the single-user database, so that nobody else can take the slot."""
        self.instance.slots.add(database)
        try:
            yield
        finally:
            self.instance.slots.discard(database)
            self.instance.door_moved()

    def _back_up(self, name: str, text: str, order: backups.Order) -> None:
        self._refuse_existing(order.path)

        def work() -> Work:
            return backups.back_up(self.instance, order, partial_files=self.world.partial_files)

        self._do(name, order.database, text, work)

    def _refuse_existing(self, path: str) -> None:
        self.look("backup_header", f"RESTORE HEADERONLY {path}", path)
        backups.refuse_existing(self.instance, path)

    def verify_backup(self, path: str) -> None:
        self.look("verify_backup", f"RESTORE VERIFYONLY {path}", path)
        backups.verify(self.instance, path)

    def restore_full(self, database: str, path: str, *, moves: Mapping[str, str]) -> None:
        found = self.instance.find(database)
        if found is not None and found.state is not DatabaseState.RESTORING:
            raise Refused(
                f"{self.role}: a database {database} is there already, {found.state}",
                hint="A restore never replaces a database. Drop or rename it if nobody needs it.",
            )
        text = f"RESTORE DATABASE {database} WITH NORECOVERY"

        def work() -> Work:
            return backups.restore_full(self.instance, database, path, moves)

        self._do("restore_full", database, text, work)

    def restore_differential(self, database: str, path: str) -> None:
        text = f"RESTORE DATABASE {database} FROM DIFFERENTIAL WITH NORECOVERY"

        def work() -> Work:
            return backups.restore_differential(self.instance, database, path)

        self._do("restore_differential", database, text, work)

    def restore_log(self, database: str, path: str, position: int | None = None) -> None:
        if position not in (None, 1):
            raise ImpossibleWorld("a backup file of this world holds one set")
        text = f"RESTORE LOG {database} WITH NORECOVERY"
        self._do("restore_log", database, text, lambda: backups.restore_log(self.instance, database, path))

    def recover(self, database: str) -> None:
        text = f"RESTORE DATABASE {database} WITH RECOVERY"
        self._do("recover", database, text, lambda: backups.recover(self.instance, database))

    # -- snapshots

    def create_snapshot(self, database: str, snapshot: str) -> None:
        def check() -> None:
            found = self.instance.existing(database)
            if found.snapshot_of:
                raise refusal(1821)
            if found.state is not DatabaseState.ONLINE:
                raise refusal(1822)
            if self.instance.find(snapshot):
                raise refusal(1801, snapshot)

        def change() -> None:
            found = self.instance.opened(database)
            made = replace(found, name=snapshot, snapshot_of=found.name, database_id=self.instance.serial())
            made.set(user_access=UserAccess.MULTI_USER)
            made.kept = found.settings
            self.instance.add(made)

        text = f"CREATE DATABASE {snapshot} AS SNAPSHOT OF {database}"
        self._do("create_snapshot", database, text, at_once(change, check))

    def revert_to_snapshot(self, database: str, snapshot: str) -> None:
        text = f"RESTORE DATABASE {database} FROM DATABASE_SNAPSHOT {snapshot}"
        self._do("revert_to_snapshot", database, text, lambda: self._revert(database, snapshot))

    def _revert(self, database: str, snapshot: str) -> Work:
        found = self._revertible(database, snapshot)
        found.state, found.reverting, found.redo_lsn = DatabaseState.RESTORING, snapshot, None
        yield HALFWAY
        source = self.instance.get(snapshot)
        found.content, found.changes = source.content, source.changes
        found.settings = source.kept or source.settings
        found.lsn += 1
        found.log_backup_lsn = found.diff_base = found.reverting = None
        found.forks = (*found.forks, self.instance.guid())
        found.state = DatabaseState.ONLINE
        self.instance.door_moved()

    def _revertible(self, database: str, snapshot: str) -> Database:
        found = self.instance.existing(database)
        source = self.instance.find(snapshot)
        if source is None or (source.snapshot_of or "").lower() != database.lower():
            raise refusal(3137)
        if len(self.instance.snapshots_of(database)) > 1:
            raise refusal(3137)
        if "filestream" in found.features:
            raise refusal(3138)
        if found.state is not DatabaseState.ONLINE and found.reverting != snapshot:
            self.instance.opened(database)
        self._evict(database)
        self._evict(snapshot)
        if self.instance.in_database(database) or self.instance.in_database(snapshot):
            raise refusal(3101)
        return found

    def drop_snapshot(self, snapshot: str) -> None:
        def check() -> None:
            found = self.instance.existing(snapshot, 3701)
            if not found.snapshot_of:
                raise Refused(f"{self.role}: {snapshot} is a database, not a snapshot", hint="Nothing was dropped.")
            if self.instance.in_database(snapshot):
                raise refusal(3702, snapshot)

        gone = at_once(lambda: self._remove(snapshot), check)
        self._do("drop_snapshot", snapshot, f"DROP DATABASE {snapshot}", gone)

    # -- batches and checks

    @contextmanager
    def script(self, database: str) -> Iterator[Callable[[str], None]]:
        yield lambda sql: self.run_batch(database, sql)

    def run_batch(self, database: str, sql: str) -> None:
        words = " ".join(sql.split())
        self._do("run_batch", database, f"{database}: {words[:60]}", lambda: self._batch(database, sql))

    def _batch(self, database: str, sql: str) -> Work:
        found = self.instance.opened(database)
        if found.settings.is_read_only or found.snapshot_of:
            raise refusal(3906, database)
        before, taught = found.content, self.world.batches.get(sql)
        if taught is not None:
            yield UNTOUCHED
            found.write(taught(found.content))
            return
        # A batch of several statements is no transaction: cut off, it has done some of them.
        found.write(before.after_batch(sql, finished=False))
        yield HALFWAY
        found.write(before.after_batch(sql, finished=True))

    def check_database(self, database: str) -> tuple[str, ...]:
        self._do("check_database", database, f"DBCC CHECKDB ({database})", at_once(lambda: self._checked(database)))
        return self.instance.opened(database).findings

    def _checked(self, database: str) -> None:
        found = self.instance.opened(database)
        if not found.findings and not found.snapshot_of:
            found.last_checkdb = self.world.clock.now()
