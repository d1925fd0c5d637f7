"""What the databases hold when users are let in, where scripts have changed it on purpose."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Decision,
    Pass,
    Phase,
    ProofSet,
    ProvingStep,
    ReadContext,
    prove,
    upgraded_of,
)


@dataclass(frozen=True)
class Facts:
    """The proof of the upgraded database."""

    database: str
    proof: ProofSet


class ProveUpgraded(ProvingStep):
    """Prove what the scripts made of the database: what users write later is counted against it."""

    # Side by side needs none: there the upgraded data is equal to the reference.
    phase = Phase.VALIDATE
    after = ("run-scripts", "create-snapshot")
    strategies = frozenset({"scripts"})

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts(self.key, prove(ctx, upgraded_of(ctx.plan), self.key, self.key))

    def decide(self, facts: Facts) -> Decision:
        return Pass(facts.proof.holds(), keep=facts.proof)
