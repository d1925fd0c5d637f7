"""The full backup that seeds the new server, taken while users still work."""

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
    RecoveryModel,
    Sizes,
    SqlServer,
    backup_file,
    backup_name,
    exchange_of,
    free_path,
    is_open,
    looked_at,
    preview_path,
    seconds,
    source_of,
)


@dataclass(frozen=True)
class Facts:
    """The database as it is, and a path where no file is."""

    server: str
    database: str
    info: DatabaseInfo | None
    chain_starts: bool
    path: str
    name: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Goal:
    """The backup that will be there."""

    server: str
    database: str
    path: str
    name: str
    copy_only: bool
    chain_starts: bool
    family_guid: str | None = None


class SeedBackup(DatabaseStep):
    """Take the full backup that seeds the new server."""

    phase = Phase.SNAPSHOT
    after = ("pin-exchange",)
    strategies = frozenset({"side-by-side"})
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(seconds(sizes, self.key, BACKUP_MIB_S))

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        source = source_of(self.plan)
        path = preview_path(self.plan, source, self.key, "full")
        server(source).backup_full(self.key, path, name=backup_name("RUN", "full"), copy_only=True)

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        reader = ctx.reader(server)
        info = reader.database(self.key)
        file = backup_file(ctx.run_id, self.key, "full")
        return Facts(
            server=server,
            database=self.key,
            info=info,
            chain_starts=is_open(info) and reader.log_chain_starts(self.key),
            path=free_path(reader, exchange_of(ctx).source, file),
            name=backup_name(ctx.run_id, "full"),
            files=tuple(file.logical_name for file in reader.files(self.key)),
        )

    def decide(self, facts: Facts) -> Decision:
        info = facts.info
        if info is None or not is_open(info):
            state = "not there" if info is None else info.state
            return Block(f"{facts.database} on {facts.server} is {state}", "Bring it online, then start again.")
        # A copy-only backup leaves the customer's own chain alone. It cannot be the base of the final differential
        # (SIMPLE), nor begin a log chain that has not begun.
        copy_only = info.recovery_model is not RecoveryModel.SIMPLE and facts.chain_starts
        intent = Goal(
            server=facts.server,
            database=info.name,
            path=facts.path,
            name=facts.name,
            copy_only=copy_only,
            chain_starts=facts.chain_starts,
            family_guid=info.family_guid,
        )
        # It only adds a file of its own: nothing to put back, and a restore point is never deleted by a run.
        return Apply(intent, undo=None, keep=KeptBackup(facts.path, facts.name, "full", facts.files))

    def apply(self, ctx: Context, intent: Goal) -> None:
        if self.verify(ctx, intent) is Outcome.REACHED:
            return
        if not intent.copy_only:
            ctx.note(f"differential backups of {intent.database} are based on {intent.path} from now on")
        server = ctx.server(intent.server)
        server.backup_full(intent.database, intent.path, name=intent.name, copy_only=intent.copy_only)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        return looked_at(
            ctx.reader(intent.server),
            intent.path,
            name=intent.name,
            kind="full",
            database=intent.database,
            family=intent.family_guid,
        )
