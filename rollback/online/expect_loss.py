"""The way back of ``expect-loss``: nothing is put back before it is certain that no more is lost than was accepted."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, Outcome, ReadContext, Undo, answers, count_loss, end_sessions, is_open, refuse_more


@dataclass(frozen=True)
class WeighLoss(Undo):
    """Past the pivot: count once more what would be lost, with everybody out, and go no further if it is too much."""

    server: str

    def run(self, ctx: Context) -> None:
        """Everybody leaves, administrators too: the gate is closed and the databases are restricted by now."""
        if ctx.accepted_loss is None or not answers(ctx, self.server):
            return
        for database in ctx.plan.databases:
            if is_open(ctx.reader(self.server).database(database.name)):
                end_sessions(ctx, self.server, database.name)

    def verify(self, ctx: ReadContext) -> Outcome:
        """REACHED when users were never let in, or no more is lost than was accepted; else LossExceeded."""
        if ctx.accepted_loss is not None:
            refuse_more(count_loss(ctx), ctx.accepted_loss)
        return Outcome.REACHED
