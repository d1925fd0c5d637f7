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
        return Facts(server, self.key, snapshot, ctx.reader(server).database(snapshot) is not None)

    def decide(self, facts: Facts) -> Decision:
        if not facts.exists:
            return Block(f"the snapshot {facts.snapshot} is gone", "Somebody dropped it: nothing may change now.")
        return Apply(Goal(facts.database), ProveReverted(facts.server, facts.database, facts.snapshot))

    def apply(self, ctx: Context, intent: Goal) -> None:
        """Nothing: what counts is the way back that is durable by now."""

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:  # noqa: ARG002  (nothing to look at)
        return Outcome.REACHED
