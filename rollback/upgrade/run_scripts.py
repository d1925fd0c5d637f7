"""The way back of ``run-scripts``: the database is what the snapshot holds, and its log chain begins anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runbook.api import (
    Context,
    DatabaseInfo,
    Outcome,
    ReadContext,
    StepFailed,
    ToSnapshot,
    Undo,
    backup_name,
    is_free,
    is_open,
    settled,
    sound_attempt,
)


@dataclass(frozen=True)
class RevertScripts(Undo):
    """Revert the database to the run's snapshot; what was written since is kept in a backup."""

    server: str
    database: str
    snapshot: str
    log_sequence: str
    aside: str
    rebase: str
    backup: str
    """The full backup beneath the snapshot, if all else fails."""

    def run(self, ctx: Context) -> None:
        info = settled(ctx, self.server, self.database)
        if info is None or self._is_back(ctx, info):
            return
        if ctx.reader(self.server).database(self.snapshot) is None:
            raise StepFailed(
                f"the snapshot {self.snapshot} is gone",
                hint=f"Restore {self.database} from {self.backup} yourself: it was taken before the scripts.",
            )
        self._way.revert(ctx)
        self._way.begin_chain(ctx)

    def _is_back(self, ctx: ReadContext, info: DatabaseInfo) -> bool:
        """True when it was never touched, or is reverted: the rebase backup is the last thing written."""
        if not is_open(info):
            return False
        reader = ctx.reader(self.server)
        # Where the log stands says nothing once a way back has begun: its first trace is the file beside.
        untouched = bool(self.log_sequence) and reader.log_sequence(self.database) == self.log_sequence
        return (untouched and is_free(reader, self.aside)) or self._holds(ctx, self.rebase, "rebase")

    def _holds(self, ctx: ReadContext, path: str, kind: Literal["aside", "rebase"]) -> bool:
        name = backup_name(ctx.run_id, kind)
        reader = ctx.reader(self.server)
        return bool(sound_attempt(reader, path, name=name, kind="full", database=self.database))

    @property
    def _way(self) -> ToSnapshot:
        return ToSnapshot(self.server, self.database, self.snapshot, self.aside, self.rebase)

    def verify(self, ctx: ReadContext) -> Outcome:
        info = ctx.reader(self.server).database(self.database)
        if info is None or not is_open(info):
            return Outcome.PARTIAL
        return Outcome.REACHED if self._is_back(ctx, info) else Outcome.UNTOUCHED
