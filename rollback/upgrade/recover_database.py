"""The way back of ``recover-database``: nobody writes to the new database any more, and what was written is named.

It stands between a failure and the old system's return, so it is quick, and a new server that does not answer does
not stop it. The copy of what was written is made by ``drop-restored``, right before the database goes: by then the
old system is in service again.
"""

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
    named_lines,
    restrict,
    rows_since_reference,
    settled,
)


@dataclass(frozen=True)
class SetAside(Undo):
    """Close the new database to everybody and name what was written there."""

    server: str
    database: str

    def run(self, ctx: Context) -> None:
        if not answers(ctx, self.server):
            ctx.note(f"{self.server} does not answer; {self.database} there stays as it is for now")
            return
        info = settled(ctx, self.server, self.database, seconds=1.0)
        if not is_open(info):
            return
        if info.user_access is not UserAccess.RESTRICTED_USER:
            restrict(ctx, self.server, self.database)
        self._throw_out(ctx)
        writes = rows_since_reference(ctx, self.server, self.database)
        if writes:
            ctx.note(
                f"{self.database} on {self.server} is given up and differs from the reference: {named_lines(writes)};"
                " it is backed up before it is dropped"
            )

    def _throw_out(self, ctx: Context) -> None:
        """Administrators too; whoever stays is met again before the database is dropped."""
        server = ctx.server(self.server)
        for session in server.sessions(self.database):
            server.kill(session.session_id)

    def verify(self, ctx: ReadContext) -> Outcome:
        if not answers(ctx, self.server):
            return Outcome.REACHED  # nobody gets in there now; drop-restored does not let it pass
        return Outcome.REACHED if _closed(ctx.reader(self.server).database(self.database)) else Outcome.UNTOUCHED


def _closed(info: DatabaseInfo | None) -> bool:
    return not is_open(info) or info.user_access is UserAccess.RESTRICTED_USER
