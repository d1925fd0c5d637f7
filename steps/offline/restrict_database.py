"""The databases close to everybody but administrators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollback.offline.restrict_database import RestoreAccess
from runbook.api import (
    AccessBefore,
    Apply,
    Block,
    Context,
    DatabaseState,
    Decision,
    LightDatabaseStep,
    Outcome,
    Pass,
    Phase,
    ReadContext,
    SqlServer,
    UserAccess,
    source_of,
)


@dataclass(frozen=True)
class Facts:
    """The database and who may enter; ``state`` None when it is not there."""

    server: str
    database: str
    state: DatabaseState | None = DatabaseState.ONLINE
    user_access: UserAccess = UserAccess.MULTI_USER


@dataclass(frozen=True)
class Goal:
    """Only administrators may enter."""

    server: str
    database: str


class RestrictDatabase(LightDatabaseStep):
    """Let only administrators into the database, and throw everybody else out."""

    phase = Phase.OFFLINE
    after = ("stop-jobs", "stop-services")
    undoes_with = (RestoreAccess,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        server(source_of(self.plan)).set_user_access(self.key, UserAccess.RESTRICTED_USER)

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        info = ctx.reader(server).database(self.key)
        if info is None:
            return Facts(server, self.key, None)
        return Facts(server, self.key, info.state, info.user_access)

    def decide(self, facts: Facts) -> Decision:
        where = f"{facts.database} on {facts.server}"
        if facts.state is not DatabaseState.ONLINE:
            return Block(f"{where} is {facts.state or 'not there'}", "Bring it online, then start again.")
        keep = AccessBefore(facts.user_access)
        if facts.user_access is UserAccess.RESTRICTED_USER:
            return Pass(f"{where} was open to administrators only before", keep=keep)
        if facts.user_access is UserAccess.SINGLE_USER:
            return Block(f"{where} is SINGLE_USER by somebody else", "Find out who needs it alone, then start again.")
        undo = RestoreAccess(facts.server, facts.database, facts.user_access)
        return Apply(Goal(facts.server, facts.database), undo, keep=keep)

    def apply(self, ctx: Context, intent: Goal) -> None:
        ctx.server(intent.server).set_user_access(intent.database, UserAccess.RESTRICTED_USER)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        info = ctx.reader(intent.server).database(intent.database)
        if info is None or info.user_access is UserAccess.SINGLE_USER:
            return Outcome.PARTIAL
        return Outcome.REACHED if info.user_access is UserAccess.RESTRICTED_USER else Outcome.UNTOUCHED
