"""The data on the new server is the data of the old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook.api import (
    Block,
    Decision,
    Pass,
    Phase,
    ProofSet,
    ProvingStep,
    ReadContext,
    differences,
    gaps,
    grave,
    named_lines,
    prove,
    reference_of,
    upgraded_of,
)


@dataclass(frozen=True)
class Facts:
    """The differences, each in words; ``summary`` says how it was proven."""

    server: str
    database: str
    differences: tuple[str, ...]
    summary: str
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Compared:
    """Kept: equal to the reference, proven how; ``reasons``: tables proven by less than their content, and why."""

    reference: str
    summary: str
    reasons: Mapping[str, str] = field(default_factory=dict)


def compare(ctx: ReadContext, server: str, database: str) -> Facts:
    """Prove the database as the reference was proven and say what differs."""
    before = reference_of(ctx, server, database)
    after: ProofSet = prove(ctx, server, database, database)
    found = differences(before, after)
    for what in gaps(found):
        ctx.note(f"{database} on {server} leaves a gap in numbers, no row differs: {what}")
    return Facts(server, database, grave(found), after.summary(), after.reasons)


class CompareProof(ProvingStep):
    """Prove the upgraded data and compare it with the reference, table by table."""

    phase = Phase.VALIDATE
    after = ("carry-options", "check-engine")
    strategies = frozenset({"side-by-side", "in-place", "container"})

    def observe(self, ctx: ReadContext) -> Facts:
        return compare(ctx, upgraded_of(ctx.plan), self.key)

    def decide(self, facts: Facts) -> Decision:
        if facts.differences:
            return Block(
                f"{facts.database} on {facts.server} is not what it was: {named_lines(facts.differences)}",
                "Either the upgrade changed data, or somebody wrote to the old one after the reference was taken: the "
                "way back looks there too and says which. Nothing reaches users, the old server or its copy has all.",
            )
        kept = Compared(f"prove-reference[{facts.database}]", facts.summary, facts.reasons)
        return Pass(f"equal to the reference: {facts.summary}", keep=kept)
