"""The way back of ``run-scripts``: the database is what the snapshot holds, and its log chain begins anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runbook.api import (
    BUSY,
    Context,
    DatabaseInfo,
    Outcome,
    ReadContext,
    ServerError,
    StepFailed,
    Undo,
    UserAccess,
    backup_name,
    end_sessions,
    is_free,
    is_open,
    next_free,
    restrict,
    settled,
    sound_attempt,
)

TRIES = 5
PAUSE = 1.0
"""Seconds before another try."""


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
        self._keep_aside(ctx, info)
        self._revert(ctx)
        self._rebase(ctx)

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

    def _keep_aside(self, ctx: Context, info: DatabaseInfo) -> None:
        """What the scripts did, and whatever else was written since the snapshot, goes into a file first."""
        if not is_open(info) or self._holds(ctx, self.aside, "aside"):
            return
        end_sessions(ctx, self.server, self.database)
        server = ctx.server(self.server)
        path = next_free(server, self.aside)
        server.backup_full(self.database, path, name=backup_name(ctx.run_id, "aside"), copy_only=True)
        ctx.note(f"{self.database} as the scripts left it is kept in {path}")

    def _revert(self, ctx: Context) -> None:
        for _ in range(TRIES - 1):
            if self._reverted(ctx):
                return
            ctx.sleep(PAUSE)
        self._clear(ctx)
        ctx.server(self.server).revert_to_snapshot(self.database, self.snapshot)

    def _reverted(self, ctx: Context) -> bool:
        self._clear(ctx)
        try:
            ctx.server(self.server).revert_to_snapshot(self.database, self.snapshot)
        except ServerError as error:
            if error.number not in BUSY or error.in_doubt:
                raise
            return False
        return True

    def _clear(self, ctx: Context) -> None:
        """Nobody may be in the database, nor in the snapshot."""
        for name in (self.database, self.snapshot):
            if is_open(ctx.reader(self.server).database(name)):
                end_sessions(ctx, self.server, name)

    def _rebase(self, ctx: Context) -> None:
        """The revert broke the log chain (4214) and the base of differentials: a new full backup begins both."""
        info = settled(ctx, self.server, self.database)
        if not is_open(info):
            raise StepFailed(f"{self.database} did not come online after the revert", hint="Look at the error log.")
        server = ctx.server(self.server)
        if info.user_access is not UserAccess.RESTRICTED_USER:
            restrict(ctx, self.server, self.database)
        path = next_free(server, self.rebase)
        server.backup_full(self.database, path, name=backup_name(ctx.run_id, "rebase"), copy_only=False)
        ctx.note(f"the backups of {self.database} begin anew with {path}")

    def verify(self, ctx: ReadContext) -> Outcome:
        info = ctx.reader(self.server).database(self.database)
        if info is None or not is_open(info):
            return Outcome.PARTIAL
        return Outcome.REACHED if self._is_back(ctx, info) else Outcome.UNTOUCHED
