"""The way back of ``release-database``."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    DatabaseInfo,
    Outcome,
    ReadContext,
    Undo,
    UserAccess,
    answers,
    is_open,
    restrict,
    source_of,
)


@dataclass(frozen=True)
class RestrictAgain(Undo):
    """Let nobody but administrators into the upgraded database."""

    server: str
    database: str

    def run(self, ctx: Context) -> None:
        if self._out_of_reach(ctx):
            ctx.note(f"{self.server} does not answer; {self.database} there stays as it is for now")
        elif not self._closed(ctx.reader(self.server).database(self.database)):
            restrict(ctx, self.server, self.database)

    def _out_of_reach(self, ctx: ReadContext) -> bool:
        """A new server that is gone must not keep the old one from coming back."""
        return self.server != source_of(ctx.plan) and not answers(ctx, self.server)

    def _closed(self, info: DatabaseInfo | None) -> bool:
        """True when nobody gets in: it is gone, not open, or restricted."""
        return not is_open(info) or info.user_access is UserAccess.RESTRICTED_USER

    def verify(self, ctx: ReadContext) -> Outcome:
        if self._out_of_reach(ctx):
            return Outcome.REACHED
        closed = self._closed(ctx.reader(self.server).database(self.database))
        return Outcome.REACHED if closed else Outcome.UNTOUCHED
