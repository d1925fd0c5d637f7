"""The way back of ``seed-restore``: the new server is as empty as it was."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    DatabaseInfo,
    DatabaseState,
    Outcome,
    ReadContext,
    SqlServerReader,
    Undo,
    UserAccess,
    end_sessions,
    is_open,
    restrict,
    set_aside,
    settled,
    writes_since_reference,
)


def restored_here(reader: SqlServerReader, info: DatabaseInfo, files: tuple[str, ...]) -> bool:
    """True when a database lies in the files this run chose for it; their names belong to one run alone.

    One that is RESTORING and has no files yet can only be ours: the name was free, and a restore that was cut
    off at its very start leaves that behind.
    """
    own = {path.lower() for path in files}
    found = {file.path.lower() for file in reader.files(info.name)}
    return bool(own & found) or (not found and info.state is DatabaseState.RESTORING)


@dataclass(frozen=True)
class DropRestored(Undo):
    """Drop the database this run restored on the new server, and only that one."""

    server: str
    database: str
    files: tuple[str, ...]
    directory: str

    def run(self, ctx: Context) -> None:
        info = settled(ctx, self.server, self.database)
        if info is None:
            return
        if not restored_here(ctx.reader(self.server), info, self.files):
            ctx.note(f"{self.database} on {self.server} is not the one this run restored; it stays")
            return
        self._empty(ctx, info)
        ctx.server(self.server).drop_database(self.database)

    def _empty(self, ctx: Context, info: DatabaseInfo) -> None:
        """Get everybody out, and keep what somebody wrote there meanwhile."""
        server = ctx.server(self.server)
        if info.state is DatabaseState.OFFLINE:
            server.set_online(self.database)  # dropped while offline, it would leave its files behind
            info = settled(ctx, self.server, self.database) or info
        if not is_open(info):
            return
        if info.user_access is not UserAccess.RESTRICTED_USER:
            restrict(ctx, self.server, self.database)
        end_sessions(ctx, self.server, self.database)
        writes = writes_since_reference(ctx, self.server, self.database)
        if writes:
            set_aside(ctx, self.server, self.database, self.directory, writes)

    def verify(self, ctx: ReadContext) -> Outcome:
        reader = ctx.reader(self.server)
        info = reader.database(self.database)
        gone = info is None or not restored_here(reader, info, self.files)
        return Outcome.REACHED if gone else Outcome.UNTOUCHED
