"""The full backup beneath the snapshot: a snapshot dies with the disk, a backup does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runbook.api import (
    BACKUP_MIB_S,
    Apply,
    Block,
    Budget,
    Context,
    DatabaseInfo,
    Decision,
    KeptBackup,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    SqlServer,
    WitnessedStep,
    backup_file,
    backup_name,
    exchange_of,
    free_path,
    header_of,
    is_backup,
    is_open,
    join,
    looked_at,
    preview_path,
    seconds,
    source_of,
)


@dataclass(frozen=True)
class Facts:
    """The database, and where its backup goes; ``taken``: an earlier attempt has left it there, whole."""

    server: str
    database: str
    info: DatabaseInfo | None
    path: str
    name: str
    taken: bool = False


@dataclass(frozen=True)
class Goal:
    """The backup, read back and verified."""

    server: str
    database: str
    path: str
    name: str
    taken: bool = False
    family_guid: str | None = None


class BackupDatabase(WitnessedStep):
    """Take a full backup that leaves the log chain alone, and verify it."""

    phase = Phase.SNAPSHOT
    after = ("prove-quiet", "pin-exchange")
    strategies = frozenset({"scripts", "in-place", "container"})
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(2 * seconds(sizes, self.key, BACKUP_MIB_S))  # written, then read again

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        source = source_of(self.plan)
        path = preview_path(self.plan, source, self.key, "full")
        server(source).backup_full(self.key, path, name=backup_name("RUN", "full"), copy_only=True)
        server(source).verify_backup(path)

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        reader, directory = ctx.reader(server), exchange_of(ctx).source
        info = reader.database(self.key)
        name, file = backup_name(ctx.run_id, "full"), backup_file(ctx.run_id, self.key, "full")
        first = join(directory, file)
        family = None if info is None else info.family_guid
        taken = is_backup(header_of(reader, first), name=name, kind="full", database=self.key, family_guid=family)
        path = first if taken else free_path(reader, directory, file)
        return Facts(server, self.key, info, path, name, taken)

    def decide(self, facts: Facts) -> Decision:
        info = facts.info
        if info is None or not is_open(info):
            state = "not there" if info is None else info.state
            return Block(f"{facts.database} on {facts.server} is {state}", "Something else changed it: look first.")
        goal = Goal(facts.server, info.name, facts.path, facts.name, facts.taken, info.family_guid)
        # It only adds a file of its own: nothing to put back, and a restore point is never deleted by a run.
        return Apply(goal, undo=None, keep=KeptBackup(facts.path, facts.name, "full"))

    def apply(self, ctx: Context, intent: Goal) -> None:
        server = ctx.server(intent.server)
        if not intent.taken and self._look(ctx, intent) is not Outcome.REACHED:
            server.backup_full(intent.database, intent.path, name=intent.name, copy_only=True)
        server.verify_backup(intent.path)
        self.saw(intent)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        found = self._look(ctx, intent)
        # A sound header is not yet a file that was read back: RESTORE VERIFYONLY leaves no trace of itself.
        return Outcome.UNTOUCHED if found is Outcome.REACHED and not self.has_seen(intent) else found

    def _look(self, ctx: ReadContext, intent: Goal) -> Outcome:
        return looked_at(
            ctx.reader(intent.server),
            intent.path,
            name=intent.name,
            kind="full",
            database=intent.database,
            family=intent.family_guid,
        )
