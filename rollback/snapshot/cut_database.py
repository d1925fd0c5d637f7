"""The way back of ``cut-database``: the old database is open again, exactly as it was cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook.api import (
    Context,
    DatabaseInfo,
    DatabaseState,
    Outcome,
    ReadContext,
    StepFailed,
    Undo,
    UserAccess,
    header_of,
    is_open,
    leave_single_user,
    settled,
)


@dataclass(frozen=True)
class ReturnSource(Undo):
    """Bring the old database back online, still closed to users."""

    server: str
    database: str
    path: str
    """The file of the cut, as this server sees it."""
    options: Mapping[str, str] = field(default_factory=dict)
    """As they were before the cut: a recovery switches the broker off."""

    def run(self, ctx: Context) -> None:
        server = ctx.server(self.server)
        info = settled(ctx, self.server, self.database)
        if info is None:
            raise StepFailed(
                f"{self.database} is gone from {self.server}",
                hint=f"Somebody dropped it: restore it from the run's backups beside {self.path}.",
            )
        if info.state is DatabaseState.RESTORING:
            server.recover(self.database)
            self._note_chain(ctx)
        elif info.state is DatabaseState.OFFLINE:
            server.set_online(self.database)
        info = settled(ctx, self.server, self.database)
        # Who may enter is as it was at the cut: nobody but administrators. Only the slot of the differential cut is
        # widened again; anything else was set by a later way back and stays.
        if info is not None and is_open(info) and info.user_access is UserAccess.SINGLE_USER:
            leave_single_user(ctx, self.server, self.database, UserAccess.RESTRICTED_USER)
        for name, value in self._changed(server.database(self.database)).items():
            server.set_option(self.database, name, value)

    def _changed(self, info: DatabaseInfo | None) -> dict[str, str]:
        found = info.options if info is not None else {}
        return {name: value for name, value in self.options.items() if name in found and found[name] != value}

    def _note_chain(self, ctx: Context) -> None:
        if header_of(ctx.reader(self.server), self.path) is not None:
            ctx.note(f"the log chain of {self.database} now runs through {self.path}: keep it with your log backups")

    def verify(self, ctx: ReadContext) -> Outcome:
        info = ctx.reader(self.server).database(self.database)
        if info is None or info.state in {DatabaseState.RESTORING, DatabaseState.OFFLINE}:
            return Outcome.UNTOUCHED
        back = is_open(info) and info.user_access is not UserAccess.SINGLE_USER and not self._changed(info)
        return Outcome.REACHED if back else Outcome.PARTIAL
