"""Nothing may change before it is settled that the way back ends with a proof."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.snapshot.expect_return import ProveReverted
from runbook.api import (
    LEAST,
    PROOF_MIB_S,
    Apply,
    Block,
    Budget,
    Context,
    DatabaseStep,
    Decision,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    backup_file,
    exchange_of,
    free_path,
    seconds,
    snapshot_name,
    source_of,
)


@dataclass(frozen=True)
class Facts:
    """The restore point."""

    server: str
    database: str
    snapshot: str
    exists: bool
    aside: str = ""
    rebase: str = ""


@dataclass(frozen=True)
class Goal:
    """Nothing is changed."""

    database: str


class ExpectReturn(DatabaseStep):
    """Owe a proof of the way back before the first script runs."""

    # The reference is proven from the snapshot while the scripts run. Its comparison must come after they are
    # undone, so it belongs to a step that stands before them.
    phase = Phase.SNAPSHOT
    after = ("create-snapshot",)
    strategies = frozenset({"scripts"})
    undoes_with = (ProveReverted,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(LEAST, seconds(sizes, self.key, PROOF_MIB_S))

    def observe(self, ctx: ReadContext) -> Facts:
        server, snapshot = source_of(ctx.plan), snapshot_name(self.key, ctx.run_id)
        reader, directory = ctx.reader(server), exchange_of(ctx).source
        return Facts(
            server=server,
            database=self.key,
            snapshot=snapshot,
            exists=reader.database(snapshot) is not None,
            # Free now, so what is there later was written on the way back.
            aside=free_path(reader, directory, backup_file(ctx.run_id, self.key, "aside")),
            rebase=free_path(reader, directory, backup_file(ctx.run_id, self.key, "rebase")),
        )

    def decide(self, facts: Facts) -> Decision:
        if not facts.exists:
            return Block(f"the snapshot {facts.snapshot} is gone", "Somebody dropped it: nothing may change now.")
        undo = ProveReverted(facts.server, facts.database, facts.snapshot, facts.aside, facts.rebase)
        return Apply(Goal(facts.database), undo)

    def apply(self, ctx: Context, intent: Goal) -> None:
        """Nothing: what counts is the way back that is durable by now."""

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:  # noqa: ARG002  (nothing to look at)
        return Outcome.REACHED
