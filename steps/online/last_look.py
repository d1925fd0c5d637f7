"""The last moment at which going back loses nothing: has anybody written meanwhile?"""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    LEAST,
    PROOF_MIB_S,
    Block,
    Budget,
    DatabaseStep,
    Decision,
    Pass,
    Phase,
    ReadContext,
    Sizes,
    Skip,
    differences,
    grave,
    named_lines,
    prove,
    reference_of,
    seconds,
    upgraded_of,
)


@dataclass(frozen=True)
class Facts:
    """What differs from the reference; ``summary`` is empty when there is nothing to compare with."""

    server: str
    database: str
    differences: tuple[str, ...] = ()
    summary: str = ""


class LastLook(DatabaseStep):
    """Compare once more, right before the gate opens."""

    phase = Phase.ONLINE
    # With scripts the reference is proven meanwhile; nothing of the run may still be under way when users come in.
    after = ("check-http", "prove-reference", "compare-proof")

    @property
    def servers(self) -> tuple[str, ...]:
        return (upgraded_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(LEAST if self.plan.strategy == "scripts" else seconds(sizes, self.key, PROOF_MIB_S))

    def observe(self, ctx: ReadContext) -> Facts:
        server = upgraded_of(ctx.plan)
        if ctx.plan.strategy == "scripts":
            return Facts(server, self.key)
        before = reference_of(ctx, server, self.key)
        after = prove(ctx, server, self.key, self.key)
        return Facts(server, self.key, grave(differences(before, after)), after.summary())

    def decide(self, facts: Facts) -> Decision:
        if not facts.summary:
            return Skip("the scripts change data on purpose: there is nothing to compare with")
        if facts.differences:
            return Block(
                f"{facts.database} on {facts.server} was written to while users were kept out:"
                f" {named_lines(facts.differences)}",
                "Find the client that got past the gate; what it wrote is kept in a backup.",
            )
        return Pass(f"still equal to the reference: {facts.summary}")
