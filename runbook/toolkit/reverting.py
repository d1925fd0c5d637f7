"""Back to the run's own snapshot: what was written since is kept in a file first, and the log chain begins anew."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.errors import ServerError, StepFailed
from runbook.ports import UserAccess
from runbook.step import Context, ReadContext
from runbook.toolkit.files import backup_name, header_of, is_backup, next_free
from runbook.toolkit.sessions import BUSY, end_sessions, is_open, restrict, settled

TRIES = 5
PAUSE = 1.0
"""Seconds before another try."""
ASIDES = 3
"""How many backups beside an attempt takes while the log keeps moving."""


@dataclass(frozen=True)
class ToSnapshot:
    """A database, its snapshot, and the names of the files that come with going back to it."""

    server: str
    database: str
    snapshot: str
    aside: str
    rebase: str

    def revert(self, ctx: Context) -> None:
        """Somebody may get in before any try; what was written until then goes into a file first, each time."""
        beside: dict[str, str] = {}
        for attempt in range(1, TRIES + 1):
            self._clear(ctx)
            self._keep_aside(ctx, beside)
            stood = self._log_end(ctx)
            try:
                ctx.server(self.server).revert_to_snapshot(self.database, self.snapshot)
            except ServerError as error:
                if attempt == TRIES or error.number not in BUSY or error.in_doubt:
                    raise
            else:
                self._see(ctx, stood)
                return
            ctx.sleep(PAUSE)

    def _see(self, ctx: ReadContext, stood: str) -> None:
        """A revert builds the log anew. Where its end has not moved, nothing happened, whatever was answered. A look
        at the content takes as long as a proof: ``expect-return`` takes it, for what this one cannot tell."""
        if stood and self._log_end(ctx) == stood:
            raise StepFailed(
                f"success was reported for the revert of {self.database} to {self.snapshot} on {self.server}, but a"
                " look shows that nothing was put back",
                hint="Look at the error log of the server, then: runbook resume (it reverts again).",
            )

    def _log_end(self, ctx: ReadContext) -> str:
        """Empty where nothing tells."""
        reader = ctx.reader(self.server)
        return reader.log_sequence(self.database) if is_open(reader.database(self.database)) else ""

    def begin_chain(self, ctx: Context) -> None:
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
        name = backup_name(ctx.run_id, "aside")
        server.backup_full(self.database, path, name=name, copy_only=True)
        if not is_backup(header_of(server, path), name=name, kind="full", database=self.database, family_guid=None):
            raise StepFailed(
                f"success was reported for the backup of {self.database} to {path} on {self.server}, but a look shows"
                " none there: nothing is reverted before what was written is in a file",
                hint="Look at the disk and the error log of the server, then: runbook resume (it is written again).",
            )
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
