"""The restore point of the scripts: back in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollback.snapshot.create_snapshot import DropOwnSnapshot
from runbook.api import (
    LEAST,
    Apply,
    Block,
    Budget,
    Context,
    DatabaseBefore,
    DatabaseInfo,
    DatabaseStep,
    Decision,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    SqlServer,
    is_open,
    named_lines,
    snapshot_name,
    source_of,
)


@dataclass(frozen=True)
class Facts:
    """The database and the snapshots it has."""

    server: str
    database: str
    info: DatabaseInfo | None
    snapshot: str
    existing: tuple[str, ...] = ()
    taken: bool = False
    """The snapshot's name belongs to a database."""


@dataclass(frozen=True)
class Goal:
    """The run's own snapshot exists."""

    server: str
    database: str
    snapshot: str


class CreateSnapshot(DatabaseStep):
    """Create the database snapshot the way back reverts to."""

    phase = Phase.SNAPSHOT
    after = ("backup-database",)
    strategies = frozenset({"scripts"})
    undoes_with = (DropOwnSnapshot,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (copy on write: nothing is copied yet)
        return Budget(1.0, LEAST)

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        server(source_of(self.plan)).create_snapshot(self.key, snapshot_name(self.key, "RUN"))

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        reader = ctx.reader(server)
        snapshot = snapshot_name(self.key, ctx.run_id)
        found = reader.database(snapshot)
        return Facts(
            server=server,
            database=self.key,
            info=reader.database(self.key),
            snapshot=snapshot,
            existing=reader.snapshots(self.key),
            taken=found is not None and found.snapshot_of is None,
        )

    def decide(self, facts: Facts) -> Decision:
        info = facts.info
        if info is None or not is_open(info):
            state = "not there" if info is None else info.state
            return Block(f"{facts.database} on {facts.server} is {state}", "Something else changed it: look first.")
        others = [name for name in facts.existing if name.casefold() != facts.snapshot.casefold()]
        if others or facts.taken:
            what = named_lines(others) if others else facts.snapshot
            return Block(
                f"{facts.database} has snapshots of somebody else: {what}",
                "SQL Server reverts only to the one and only snapshot: drop the others, then start again.",
            )
        undo = DropOwnSnapshot(facts.server, info.name, facts.snapshot)
        return Apply(Goal(facts.server, info.name, facts.snapshot), undo, keep=DatabaseBefore.of(info))

    def apply(self, ctx: Context, intent: Goal) -> None:
        server = ctx.server(intent.server)
        found = server.database(intent.snapshot)
        if found is not None and not is_open(found):
            server.drop_snapshot(intent.snapshot)  # one that was cut off half way protects nothing
            found = None
        if found is None:
            server.create_snapshot(intent.database, intent.snapshot)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        found = ctx.reader(intent.server).database(intent.snapshot)
        if found is None:
            return Outcome.UNTOUCHED
        own = (found.snapshot_of or "").casefold() == intent.database.casefold()
        return Outcome.REACHED if own and is_open(found) else Outcome.PARTIAL
