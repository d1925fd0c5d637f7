"""The way back of ``recover-database``: nobody writes to the new database any more, and what was written is named.

The copy of what was written is made by ``drop-restored``, right before the database goes: by then the old system is
in service again, so that the copy costs no downtime.
"""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    Outcome,
    ReadContext,
    Undo,
    UserAccess,
    end_sessions,
    is_open,
    named_lines,
    settled,
    writes_since_reference,
)


@dataclass(frozen=True)
class SetAside(Undo):
    """Close the new database to everybody and name what was written there."""

    server: str
    database: str

    def run(self, ctx: Context) -> None:
        info = settled(ctx, self.server, self.database)
        if info is None or not is_open(info):
            return
        if info.user_access is not UserAccess.RESTRICTED_USER:
            ctx.server(self.server).set_user_access(self.database, UserAccess.RESTRICTED_USER)
        end_sessions(ctx, self.server, self.database)
        writes = writes_since_reference(ctx, self.server, self.database)
        if writes:
            ctx.note(
                f"{self.database} on {self.server} was written to before it was given up: {named_lines(writes)};"
                " it is backed up before it is dropped"
            )

    def verify(self, ctx: ReadContext) -> Outcome:
        info = ctx.reader(self.server).database(self.database)
        closed = info is None or not is_open(info) or info.user_access is UserAccess.RESTRICTED_USER
        return Outcome.REACHED if closed else Outcome.UNTOUCHED
