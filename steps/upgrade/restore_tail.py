"""The last changes, on the new server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from runbook.api import (
    RESTORE_MIB_S,
    TAIL_SHARE,
    Apply,
    BackupHeader,
    Block,
    Budget,
    Context,
    DatabaseInfo,
    DatabaseState,
    Decision,
    KeptBackup,
    KeptCut,
    KeptLogs,
    Outcome,
    Phase,
    ReadContext,
    ServerError,
    Sizes,
    SqlServer,
    WitnessedStep,
    applied_once,
    exchange_of,
    header_of,
    is_backup,
    preview_path,
    rolled_forward,
    same_file,
    seconds,
    target_of,
)


@dataclass(frozen=True)
class Facts:
    """The seeded database, and the two files as the target sees them."""

    server: str
    database: str
    info: DatabaseInfo | None
    path: str
    cut: KeptBackup
    header: BackupHeader | None
    seed: BackupHeader | None
    logs_until: str = ""
    """The log position reached with the backups that others took since the seed; empty when there were none."""


@dataclass(frozen=True)
class Goal:
    """The database rolled forward to the end of that file."""

    server: str
    database: str
    path: str
    kind: Literal["log", "differential"]
    until: str = ""
    """The log position at which it ends."""


class RestoreTail(WitnessedStep):
    """Restore the last changes on the new server."""

    phase = Phase.UPGRADE
    after = ("cut-database", "seed-restore")
    strategies = frozenset({"side-by-side"})
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (target_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(seconds(sizes, self.key, RESTORE_MIB_S, TAIL_SHARE))

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        target = target_of(self.plan)
        server(target).restore_log(self.key, preview_path(self.plan, target, self.key, "tail"))

    def observe(self, ctx: ReadContext) -> Facts:
        server = target_of(ctx.plan)
        reader, places = ctx.reader(server), exchange_of(ctx)
        cut = ctx.kept(f"cut-database[{self.key}]", KeptCut).backup
        seed = ctx.kept(f"seed-backup[{self.key}]", KeptBackup)
        path = same_file(cut.path, places.target)
        logs = ctx.find_kept(f"restore-logs[{self.key}]", KeptLogs)
        return Facts(
            server=server,
            database=self.key,
            info=reader.database(self.key),
            path=path,
            cut=cut,
            header=header_of(reader, path),
            seed=header_of(reader, same_file(seed.path, places.target)),
            logs_until=logs.last_lsn if logs else "",
        )

    def decide(self, facts: Facts) -> Decision:
        if facts.info is None or facts.info.state is not DatabaseState.RESTORING:
            state = "not there" if facts.info is None else facts.info.state
            return Block(
                f"{facts.database} on {facts.server} is {state}, so nothing can be restored into it",
                "Something else changed it: look at the new server first.",
            )
        header, cut = facts.header, facts.cut
        if header is None or not is_backup(
            header, name=cut.name, kind=cut.kind, database=facts.database, family_guid=None
        ):
            return Block(
                f"{facts.server} does not find the last changes at {facts.path}",
                "Look whether the exchange directory can still be reached from both servers.",
            )
        reached = facts.logs_until or (facts.seed.last_lsn if facts.seed else "")
        if cut.kind == "log" and _later(header.first_lsn, reached):
            return Block(
                f"log backups of {facts.database} are missing between the seed and the cut",
                "Something else backed its log up in the very moment of the cut: pause that, then start again.",
            )
        kind: Literal["log", "differential"] = "log" if cut.kind == "log" else "differential"
        # Its way back is that of seed-restore: the database is dropped whole.
        return Apply(Goal(facts.server, facts.info.name, facts.path, kind, header.last_lsn), undo=None)

    def apply(self, ctx: Context, intent: Goal) -> None:
        try:
            self._restore(ctx, intent)
        except ServerError as error:
            if not error.in_doubt:
                raise
            # The answer was lost. Restored once more, the server itself says whether it was there already.
            self._restore(ctx, intent)
        self.saw(intent)

    def _restore(self, ctx: Context, intent: Goal) -> None:
        server = ctx.server(intent.server)
        restore = server.restore_log if intent.kind == "log" else server.restore_differential
        applied_once(
            lambda: restore(intent.database, intent.path),
            is_there=lambda: server.restored_until(intent.database) == intent.until,
        )

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        return rolled_forward(ctx.reader(intent.server).database(intent.database), seen=self.has_seen(intent))


def _later(lsn: str, than: str) -> bool:
    """True when a log position lies after another; both are decimal numbers of the server's own."""
    return lsn.isdigit() and than.isdigit() and int(lsn) > int(than)
