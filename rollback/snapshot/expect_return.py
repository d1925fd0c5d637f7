"""The way back of ``expect-return``: after the revert, the database is what the snapshot holds."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    DatabaseInfo,
    DatabaseState,
    Outcome,
    ReadContext,
    RecoveryModel,
    ToSnapshot,
    Undo,
    await_open,
    is_free,
    is_open,
    is_returned,
    prove_return,
    settled,
)


@dataclass(frozen=True)
class ProveReverted(Undo):
    """Prove that the database holds what it held before the scripts. Where the proof failed, revert once more."""

    server: str
    database: str
    snapshot: str
    aside: str = ""
    """Backup of what is there before it is reverted once more. Empty in older journals: then nothing is reverted."""
    rebase: str = ""

    def run(self, ctx: Context) -> None:
        """Wait until it can be read. There is nothing to change unless the look found something else than before: a
        revert that did nothing, or what an administrator wrote after it, which is kept beside like all that was
        written behind the gate."""
        info = settled(ctx, self.server, self.database)
        if self.aside and info is not None:
            self._once_more(ctx, info)
        await_open(ctx, self.server, self.database)

    def _once_more(self, ctx: Context, info: DatabaseInfo) -> None:
        way = ToSnapshot(self.server, self.database, self.snapshot, self.aside, self.rebase)
        if self._is_due(ctx, info):
            way.revert(ctx)
            way.begin_chain(ctx)
        elif self._has_no_chain(ctx, info):
            way.begin_chain(ctx)

    def _is_due(self, ctx: Context, info: DatabaseInfo) -> bool:
        if ctx.reader(self.server).database(self.snapshot) is None:
            return False
        if info.state is DatabaseState.RESTORING:
            return True  # this very way back was cut off in the middle of it
        failed = bool(ctx.failed_before) and is_open(info)
        return failed and not is_returned(ctx, self.server, self.database, self.snapshot)

    def _has_no_chain(self, ctx: ReadContext, info: DatabaseInfo) -> bool:
        """True when it was reverted, and cut off before a full backup began the chain anew."""
        reader = ctx.reader(self.server)
        if not is_open(info) or info.recovery_model is RecoveryModel.SIMPLE or reader.log_chain_starts(self.database):
            return False
        return not is_free(reader, self.aside)

    def verify(self, ctx: ReadContext) -> Outcome:
        """REACHED, or StepFailed naming every difference: after a revert none is innocent."""
        return prove_return(ctx, self.server, self.database, snapshot=self.snapshot)
