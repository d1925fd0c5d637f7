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
ASIDES = 3
"""How many backups beside an attempt takes while the log keeps moving."""


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

    def _revert(self, ctx: Context) -> None:
        """Somebody may get in before any try; what was written until then goes into a file first, each time."""
        beside: dict[str, str] = {}
        for attempt in range(1, TRIES + 1):
            self._clear(ctx)
            self._keep_aside(ctx, beside)
            try:
                ctx.server(self.server).revert_to_snapshot(self.database, self.snapshot)
            except ServerError as error:
                if attempt == TRIES or error.number not in BUSY or error.in_doubt:
                    raise
            else:
                return
            ctx.sleep(PAUSE)

    def _keep_aside(self, ctx: Context, beside: dict[str, str]) -> None:
        """What the scripts did, and whatever else was written since the snapshot, is in a file before it goes.

        ``beside`` holds the files of this attempt and where the log stood after each. Those of an attempt that was cut
        off prove nothing: anybody may have written while nobody ran.
        """
        if not is_open(ctx.reader(self.server).database(self.database)):
            return
        while self._has_moved(ctx, beside):
            if len(beside) == ASIDES:
                newest = list(beside)[-1]
                ctx.note(
                    f"the log of {self.database} kept moving while it was to be reverted: what was written after"
                    f" {newest} is in no file"
                )
                beside[newest] = ctx.reader(self.server).log_sequence(self.database)
                return
            self._back_up_aside(ctx, beside)
            self._clear(ctx)

    def _has_moved(self, ctx: ReadContext, beside: dict[str, str]) -> bool:
        """True when something may have been written since the newest file beside, or when there is none."""
        return not beside or ctx.reader(self.server).log_sequence(self.database) != list(beside.values())[-1]

    def _back_up_aside(self, ctx: Context, beside: dict[str, str]) -> None:
        server = ctx.server(self.server)
        path = next_free(server, self.aside)
        server.backup_full(self.database, path, name=backup_name(ctx.run_id, "aside"), copy_only=True)
        mark = server.log_sequence(self.database)
        if not mark:
            ctx.note(f"nothing tells where the log of {self.database} stands: see to it that nobody writes there")
        earlier = list(beside)[-1] if beside else ""
        beside[path] = mark
        if earlier:
            ctx.note(f"the log of {self.database} moved on after {earlier}: the database as it was then is in {path}")
        else:
            ctx.note(f"{self.database} as the scripts left it is kept in {path}")

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
