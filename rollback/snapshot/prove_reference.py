"""The way back of ``prove-reference``: what came back is what went down."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    Outcome,
    ProofSet,
    ReadContext,
    StepFailed,
    Undo,
    differences,
    is_open,
    named_lines,
    prove,
    settled,
)


@dataclass(frozen=True)
class ProveReturn(Undo):
    """Prove that the old database holds what it held before."""

    server: str
    database: str
    reference: str
    snapshot: str = ""
    """Scripts: the snapshot the database was put back from; then nothing at all may differ."""

    def run(self, ctx: Context) -> None:
        """Wait until it can be read; there is nothing to change. The proof is the look that follows."""
        if not is_open(settled(ctx, self.server, self.database)):
            raise StepFailed(f"{self.database} on {self.server} is not online", hint="Bring it online, then resume.")

    def verify(self, ctx: ReadContext) -> Outcome:
        """REACHED, or StepFailed naming every difference."""
        if not is_open(ctx.reader(self.server).database(self.database)):
            return Outcome.UNTOUCHED
        before = self._reference(ctx)
        found = differences(before, prove(ctx, self.server, self.database, self.database))
        grave = [one for one in found if self.snapshot or one.lost]
        if grave:
            raise StepFailed(
                f"{self.database} on {self.server} is not what it was: {named_lines(found)}",
                hint="Look at what differs before anybody is let in; backups of this run hold the earlier state.",
            )
        # Side by side this run never writes to the old database: what is there in addition is somebody's work.
        for one in found:
            ctx.note(f"{self.database} on {self.server} was written to while users were out, and keeps it: {one}")
        return Outcome.REACHED

    def _reference(self, ctx: ReadContext) -> ProofSet:
        known = ctx.find_kept(self.reference, ProofSet)
        if known is not None:
            return known
        if self.snapshot and ctx.reader(self.server).database(self.snapshot) is not None:
            return prove(ctx, self.server, self.snapshot, self.database)
        raise StepFailed(f"there is no reference proof of {self.database}", hint="Compare it with the backup yourself.")
