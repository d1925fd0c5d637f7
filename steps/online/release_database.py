"""Whoever could enter before can enter again; the gate still keeps users out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollback.online.release_database import RestrictAgain
from runbook.api import (
    GATE_HINT,
    GATE_IS_GONE,
    AccessBefore,
    Apply,
    Block,
    Budget,
    Context,
    DatabaseInfo,
    DatabaseStep,
    Decision,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    Skip,
    SqlServer,
    UserAccess,
    gate_is_gone,
    is_open,
    upgraded_of,
)


@dataclass(frozen=True)
class Facts:
    """The upgraded database, and who could enter before."""

    server: str
    database: str
    info: DatabaseInfo | None
    before: UserAccess
    gate_is_gone: bool = False


@dataclass(frozen=True)
class Goal:
    """Who can enter."""

    server: str
    database: str
    user_access: UserAccess


class ReleaseDatabase(DatabaseStep):
    """Let in again whoever could enter the database before."""

    phase = Phase.ONLINE
    after = ("expect-loss", "repoint", "check-version", "compare-proof", "check-database", "run-queries")
    undoes_with = (RestrictAgain,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (upgraded_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(0.5, 0.5)

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        server(upgraded_of(self.plan)).set_user_access(self.key, UserAccess.MULTI_USER)

    def observe(self, ctx: ReadContext) -> Facts:
        server = upgraded_of(ctx.plan)
        before = ctx.kept(f"restrict-database[{self.key}]", AccessBefore).user_access
        return Facts(server, self.key, ctx.reader(server).database(self.key), before, gate_is_gone(ctx))

    def decide(self, facts: Facts) -> Decision:
        info = facts.info
        if facts.gate_is_gone:
            return Block(GATE_IS_GONE, GATE_HINT)
        if info is None or not is_open(info):
            state = "not there" if info is None else info.state
            return Block(f"{facts.database} on {facts.server} is {state}", "Its error log says why.")
        if info.user_access is facts.before:
            return Skip(f"{facts.database} is {facts.before} as before")
        return Apply(Goal(facts.server, info.name, facts.before), RestrictAgain(facts.server, info.name))

    def apply(self, ctx: Context, intent: Goal) -> None:
        ctx.server(intent.server).set_user_access(intent.database, intent.user_access)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        info = ctx.reader(intent.server).database(intent.database)
        if info is None:
            return Outcome.PARTIAL
        return Outcome.REACHED if info.user_access is intent.user_access else Outcome.UNTOUCHED
