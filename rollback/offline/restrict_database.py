"""The way back of ``restrict-database``: whoever could enter before can enter again."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    Outcome,
    ReadContext,
    StepFailed,
    Undo,
    UserAccess,
    await_open,
    end_sessions,
    is_open,
)


@dataclass(frozen=True)
class RestoreAccess(Undo):
    """Let those into the database again who could enter before."""

    server: str
    database: str
    user_access: UserAccess

    def run(self, ctx: Context) -> None:
        await_open(ctx, self.server, self.database)
        info = ctx.reader(self.server).database(self.database)
        if info is None:
            raise StepFailed(f"{self.database} is gone from {self.server}", hint="Restore it from the run's backups.")
        if info.user_access is self.user_access:
            return
        if info.user_access is UserAccess.SINGLE_USER:
            end_sessions(ctx, self.server, self.database)  # whoever has the one place would refuse the change (5064)
        ctx.server(self.server).set_user_access(self.database, self.user_access)

    def verify(self, ctx: ReadContext) -> Outcome:
        info = ctx.reader(self.server).database(self.database)
        back = info is not None and is_open(info) and info.user_access is self.user_access
        return Outcome.REACHED if back else Outcome.UNTOUCHED
