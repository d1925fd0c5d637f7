"""The way back of ``expect-return``: after the revert, the database is what the snapshot holds."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, Outcome, ReadContext, Undo, await_open, prove_return


@dataclass(frozen=True)
class ProveReverted(Undo):
    """Prove that the database holds what it held before the scripts."""

    server: str
    database: str
    snapshot: str

    def run(self, ctx: Context) -> None:
        """Wait until it can be read: there is nothing to change. The proof is the look that follows."""
        await_open(ctx, self.server, self.database)

    def verify(self, ctx: ReadContext) -> Outcome:
        """REACHED, or StepFailed naming every difference: after a revert none is innocent."""
        return prove_return(ctx, self.server, self.database, snapshot=self.snapshot)
