"""The seed on the new server: restored, not recovered, while users still work on the old one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rollback.upgrade.seed_restore import DropRestored, restored_here
from runbook.api import (
    PROOF_MIB_S,
    RESTORE_MIB_S,
    Apply,
    BackupHeader,
    Block,
    Budget,
    Context,
    DatabaseInfo,
    DatabaseState,
    Decision,
    KeptBackup,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    SqlServer,
    WitnessedStep,
    exchange_of,
    header_of,
    is_backup,
    join,
    moved_files,
    preview_path,
    same_file,
    seconds,
    source_of,
    target_of,
)

DROP = 1.5
"""Seconds to get everybody out and drop it; before, it is compared with the reference, so that no write is lost."""


@dataclass(frozen=True)
class Facts:
    """What is on the target, and the seed as the target sees it."""

    server: str
    database: str
    existing: DatabaseInfo | None
    major: int
    header: BackupHeader | None
    path: str
    name: str
    directory: str
    moves: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """The database that will be there, RESTORING, in files of its own."""

    server: str
    database: str
    path: str
    moves: Mapping[str, str]


class SeedRestore(WitnessedStep):
    """Restore the seed on the new server, ready to take the last changes."""

    phase = Phase.UPGRADE
    after = ("seed-backup",)
    strategies = frozenset({"side-by-side"})
    undoes_with = (DropRestored,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (target_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(seconds(sizes, self.key, RESTORE_MIB_S), DROP + seconds(sizes, self.key, PROOF_MIB_S))

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        target = target_of(self.plan)
        directory = self.plan.servers[target].data_directory or "DATA-DIRECTORY"
        moves = {"<every file>": join(directory, f"{self.key}_RUN.mdf")}
        server(target).restore_full(self.key, preview_path(self.plan, target, self.key, "full"), moves=moves)

    def observe(self, ctx: ReadContext) -> Facts:
        target = target_of(ctx.plan)
        reader, source = ctx.reader(target), ctx.reader(source_of(ctx.plan))
        seed = ctx.kept(f"seed-backup[{self.key}]", KeptBackup)
        places = exchange_of(ctx)
        path = same_file(seed.path, places.target)
        identity = reader.identity()
        own = ctx.plan.servers[target].data_directory
        return Facts(
            server=target,
            database=self.key,
            existing=reader.database(self.key),
            major=identity.major,
            header=header_of(reader, path),
            path=path,
            name=seed.name,
            directory=places.target,
            moves=moved_files(source.files(self.key), self.key, ctx.run_id, identity, own),
        )

    def decide(self, facts: Facts) -> Decision:
        if facts.existing is not None:
            return Block(
                f"{facts.database} is on {facts.server} already ({facts.existing.state})",
                "This run did not put it there: rename or drop it yourself, then start again.",
            )
        header = facts.header
        if header is None or not is_backup(
            header, name=facts.name, kind="full", database=facts.database, family_guid=None
        ):
            return Block(
                f"{facts.server} does not find the seed backup at {facts.path}",
                "Set exchange.source and exchange.target to the same directory as each server sees it.",
            )
        if header.software_major > facts.major:
            return Block(
                f"{facts.server} is older than the server the backup comes from",
                "A backup is never restored on an older version: choose a newer target.",
            )
        intent = Goal(facts.server, facts.database, facts.path, facts.moves)
        files = tuple(facts.moves.values())
        return Apply(intent, DropRestored(facts.server, facts.database, files, facts.directory))

    def apply(self, ctx: Context, intent: Goal) -> None:
        ctx.server(intent.server).restore_full(intent.database, intent.path, moves=intent.moves)
        self.saw(intent)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        reader = ctx.reader(intent.server)
        info = reader.database(intent.database)
        if info is None or not restored_here(reader, info, tuple(intent.moves.values())):
            return Outcome.UNTOUCHED
        if info.state is DatabaseState.RESTORING:
            # Half restored looks the same.
            return Outcome.REACHED if self.has_seen(intent) else Outcome.PARTIAL
        return Outcome.REACHED if info.state is DatabaseState.ONLINE else Outcome.PARTIAL
