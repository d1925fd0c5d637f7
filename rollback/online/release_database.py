"""The way back of ``release-database``."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, DatabaseInfo, Outcome, ReadContext, Undo, UserAccess, is_open


@dataclass(frozen=True)
class RestrictAgain(Undo):
    """Let nobody but administrators into the upgraded database."""

    server: str
    database: str

    def run(self, ctx: Context) -> None:
        if not self._closed(ctx.reader(self.server).database(self.database)):
            ctx.server(self.server).set_user_access(self.database, UserAccess.RESTRICTED_USER)

    def _closed(self, info: DatabaseInfo | None) -> bool:
        """True when nobody gets in: it is gone, not open, or restricted."""
        return not is_open(info) or info.user_access is UserAccess.RESTRICTED_USER

    def verify(self, ctx: ReadContext) -> Outcome:
        closed = self._closed(ctx.reader(self.server).database(self.database))
        return Outcome.REACHED if closed else Outcome.UNTOUCHED
