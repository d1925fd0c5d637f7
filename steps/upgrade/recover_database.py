"""The database opens on the new version, to administrators only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollback.upgrade.recover_database import SetAside
from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    DatabaseInfo,
    DatabaseState,
    DatabaseStep,
    Decision,
    Outcome,
    Phase,
    ReadContext,
    ServerError,
    Sizes,
    SqlServer,
    UserAccess,
    is_open,
    restrict,
    settled,
    target_of,
)

CONVERSION = 2.0
"""Seconds to convert the file format by one version: fixed work on system tables, whatever the size of the data."""


@dataclass(frozen=True)
class Facts:
    """The restored database."""

    server: str
    database: str
    info: DatabaseInfo | None


@dataclass(frozen=True)
class Goal:
    """ONLINE and RESTRICTED_USER."""

    server: str
    database: str


class RecoverDatabase(DatabaseStep):
    """Recover the database on the new server; it is converted to the new version."""

    phase = Phase.UPGRADE
    after = ("restore-tail",)
    strategies = frozenset({"side-by-side"})
    undoes_with = (SetAside,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (target_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (fixed work)
        return Budget(CONVERSION, 0.5)

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        target = server(target_of(self.plan))
        target.recover(self.key)
        target.set_user_access(self.key, UserAccess.RESTRICTED_USER)

    def observe(self, ctx: ReadContext) -> Facts:
        server = target_of(ctx.plan)
        return Facts(server, self.key, settled(ctx, server, self.key))

    def decide(self, facts: Facts) -> Decision:
        # ONLINE: recovered by an earlier attempt that was cut off before it closed the door.
        info = facts.info
        if info is None or info.state not in {DatabaseState.RESTORING, DatabaseState.ONLINE}:
            state = "not there" if info is None else info.state
            return Block(
                f"{facts.database} on {facts.server} is {state} and cannot be recovered",
                "Its error log says why; the old server still has everything.",
            )
        return Apply(Goal(facts.server, info.name), SetAside(facts.server, info.name))

    def apply(self, ctx: Context, intent: Goal) -> None:
        server = ctx.server(intent.server)
        info = server.database(intent.database)
        if info is not None and info.state is DatabaseState.RESTORING:
            info = self._recovered(ctx, intent)
        # A backup of a database in SINGLE_USER comes back in SINGLE_USER: so it is after the cut by a differential.
        if is_open(info) and info.user_access is not UserAccess.RESTRICTED_USER:
            restrict(ctx, intent.server, intent.database)

    def _recovered(self, ctx: Context, intent: Goal) -> DatabaseInfo | None:
        """Recover; when the answer is lost, what counts is whether the database is open."""
        try:
            ctx.server(intent.server).recover(intent.database)
        except ServerError as error:
            info = settled(ctx, intent.server, intent.database) if error.in_doubt else None
            if not is_open(info):
                raise
            return info
        return settled(ctx, intent.server, intent.database)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        info = ctx.reader(intent.server).database(intent.database)
        if info is None or info.state is DatabaseState.RESTORING:
            return Outcome.UNTOUCHED
        closed = is_open(info) and info.user_access is UserAccess.RESTRICTED_USER
        return Outcome.REACHED if closed else Outcome.PARTIAL
