"""The reference: what the databases held when the last user was out."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.snapshot.prove_reference import ProveReturn
from runbook.api import (
    PROOF_MIB_S,
    Apply,
    Budget,
    Context,
    DatabaseStep,
    Decision,
    Outcome,
    Pass,
    Phase,
    ProofSet,
    ReadContext,
    Sizes,
    prove,
    seconds,
    snapshot_name,
    source_of,
)


@dataclass(frozen=True)
class Facts:
    """The proof; ``snapshot`` names the one it was read from, empty when it was the database itself."""

    server: str
    database: str
    snapshot: str
    proof: ProofSet


@dataclass(frozen=True)
class Goal:
    """Nothing is changed; the proof itself is what the step keeps."""

    server: str
    database: str


class ProveReference(DatabaseStep):
    """Take the reference proof: rows, content, positions and definitions of every table."""

    phase = Phase.SNAPSHOT
    after = ("prove-quiet", "create-snapshot")
    undoes_with = (ProveReturn,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:
        took = seconds(sizes, self.key, PROOF_MIB_S)
        return Budget(took, 0.0 if self.plan.strategy == "scripts" else took)

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        # From the snapshot the proof is the same however long it takes, so the scripts need not wait for it.
        snapshot = snapshot_name(self.key, ctx.run_id) if ctx.plan.strategy == "scripts" else ""
        proof = prove(ctx, server, snapshot or self.key, self.key)
        for table, reason in proof.reasons.items():
            ctx.note(f"{self.key}: {table} is not proven by its content: {reason}")
        return Facts(server, self.key, snapshot, proof)

    def decide(self, facts: Facts) -> Decision:
        if facts.snapshot:
            # Its way back belongs to expect-return, which stands before the scripts.
            return Pass(facts.proof.holds(), keep=facts.proof)
        return Apply(Goal(facts.server, facts.database), ProveReturn(facts.server, facts.database), keep=facts.proof)

    def apply(self, ctx: Context, intent: Goal) -> None:
        """Nothing: the proof was taken by looking, and is in the journal by now."""

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:  # noqa: ARG002  (nothing to look at)
        return Outcome.REACHED
