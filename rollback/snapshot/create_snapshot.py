"""The way back of ``create-snapshot``, after the database was reverted and proven."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, Outcome, ReadContext, StepFailed, Undo, end_sessions, is_open


@dataclass(frozen=True)
class DropOwnSnapshot(Undo):
    """Drop the run's own snapshot, by its exact name."""

    server: str
    database: str
    snapshot: str

    def run(self, ctx: Context) -> None:
        found = ctx.reader(self.server).database(self.snapshot)
        if found is None:
            return
        if (found.snapshot_of or "").casefold() != self.database.casefold():
            raise StepFailed(
                f"{self.snapshot} on {self.server} is no snapshot of {self.database}",
                hint="Something else has taken its name: look at it before anything is dropped.",
            )
        if is_open(found):
            end_sessions(ctx, self.server, self.snapshot)
        ctx.server(self.server).drop_snapshot(self.snapshot)

    def verify(self, ctx: ReadContext) -> Outcome:
        found = ctx.reader(self.server).database(self.snapshot)
        return Outcome.REACHED if found is None else Outcome.UNTOUCHED
