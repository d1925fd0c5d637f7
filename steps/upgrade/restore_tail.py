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
    Outcome,
    Phase,
    ReadContext,
    ServerError,
    Sizes,
    SqlServer,
    WitnessedStep,
    exchange_of,
    header_of,
    is_backup,
    preview_path,
    same_file,
    seconds,
    target_of,
)

ALREADY_THERE = 4326
"""*The log in this backup set terminates ... too early*: it was applied before."""


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


@dataclass(frozen=True)
class Goal:
    """The database rolled forward to the end of that file."""

    server: str
    database: str
    path: str
    kind: Literal["log", "differential"]


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
        return Facts(
            server=server,
            database=self.key,
            info=reader.database(self.key),
            path=path,
            cut=cut,
            header=header_of(reader, path),
            seed=header_of(reader, same_file(seed.path, places.target)),
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
        if cut.kind == "log" and facts.seed is not None and _later(header.first_lsn, facts.seed.last_lsn):
            return Block(
                f"log backups of {facts.database} are missing between the seed and the cut",
                "Something else backed its log up since the seed: switch that off while a run is under way.",
            )
        kind: Literal["log", "differential"] = "log" if cut.kind == "log" else "differential"
        # Its way back is that of seed-restore: the database is dropped whole.
        return Apply(Goal(facts.server, facts.info.name, facts.path, kind), undo=None)

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
        try:
            restore(intent.database, intent.path)
        except ServerError as error:
            if error.number != ALREADY_THERE:
                raise

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        info = ctx.reader(intent.server).database(intent.database)
        if info is not None and info.state is DatabaseState.ONLINE:
            return Outcome.REACHED
        restoring = info is not None and info.state is DatabaseState.RESTORING
        # RESTORING before and after: what this process did not see to its end is restored once more.
        return Outcome.REACHED if restoring and self.has_seen(intent) else Outcome.UNTOUCHED


def _later(lsn: str, than: str) -> bool:
    """True when a log position lies after another; both are decimal numbers of the server's own."""
    return lsn.isdigit() and than.isdigit() and int(lsn) > int(than)
