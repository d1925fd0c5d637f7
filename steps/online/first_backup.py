"""The first backup of the new server: from here its own chain begins."""

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
    DatabaseStep,
    Decision,
    KeptBackup,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    SqlServer,
    backup_file,
    backup_name,
    free_path,
    is_open,
    looked_at,
    own_directory,
    preview_path,
    seconds,
    upgraded_of,
)


@dataclass(frozen=True)
class Facts:
    """The upgraded database, and a path where no file is."""

    server: str
    database: str
    info: DatabaseInfo | None
    path: str
    name: str


@dataclass(frozen=True)
class Goal:
    """The backup that will be there."""

    server: str
    database: str
    path: str
    name: str
    family_guid: str | None = None


class FirstBackup(DatabaseStep):
    """Take the first full backup on the new version."""

    phase = Phase.ONLINE
    after = ("probe-open",)
    strategies = frozenset({"side-by-side", "in-place", "container"})
    irreversible = True
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (upgraded_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(seconds(sizes, self.key, BACKUP_MIB_S))

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        target = upgraded_of(self.plan)
        path = preview_path(self.plan, target, self.key, "first")
        server(target).backup_full(self.key, path, name=backup_name("RUN", "first"), copy_only=False)

    def observe(self, ctx: ReadContext) -> Facts:
        server = upgraded_of(ctx.plan)
        reader = ctx.reader(server)
        file = backup_file(ctx.run_id, self.key, "first")
        path = free_path(reader, own_directory(ctx, server), file)
        return Facts(server, self.key, reader.database(self.key), path, backup_name(ctx.run_id, "first"))

    def decide(self, facts: Facts) -> Decision:
        info = facts.info
        if info is None or not is_open(info):
            state = "not there" if info is None else info.state
            return Block(f"{facts.database} on {facts.server} is {state}", "Bring it online, then: runbook resume.")
        goal = Goal(facts.server, info.name, facts.path, facts.name, info.family_guid)
        return Apply(goal, undo=None, keep=KeptBackup(facts.path, facts.name, "full"))

    def apply(self, ctx: Context, intent: Goal) -> None:
        server = ctx.server(intent.server)
        if self.verify(ctx, intent) is not Outcome.REACHED:
            server.backup_full(intent.database, intent.path, name=intent.name, copy_only=False)
        server.verify_backup(intent.path)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        return looked_at(
            ctx.reader(intent.server),
            intent.path,
            name=intent.name,
            kind="full",
            database=intent.database,
            family=intent.family_guid,
        )
