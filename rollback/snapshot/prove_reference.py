"""The way back of ``prove-reference``: what came back is what went down."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, Outcome, ReadContext, Undo, await_open, prove_return


@dataclass(frozen=True)
class ProveReturn(Undo):
    """Prove that the old database holds what it held before."""

    server: str
    database: str

    def run(self, ctx: Context) -> None:
        """Wait until it can be read: there is nothing to change. The proof is the look that follows."""
        await_open(ctx, self.server, self.database)

    def verify(self, ctx: ReadContext) -> Outcome:
        """REACHED, or StepFailed naming every difference. What somebody added meanwhile stays, and is named."""
        return prove_return(ctx, self.server, self.database)
