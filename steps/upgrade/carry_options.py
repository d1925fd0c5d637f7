"""Owner and options that a restore does not carry, or that an upgrade may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollback.upgrade.carry_options import ReturnOwner
from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    DatabaseBefore,
    DatabaseInfo,
    DatabaseStep,
    Decision,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    Skip,
    before_of,
    is_known,
    is_open,
    login_marks,
    target_of,
)


@dataclass(frozen=True)
class Facts:
    """The settings on the source before the cut, and the database on the target."""

    server: str
    database: str
    before: DatabaseBefore
    info: DatabaseInfo | None
    logins: tuple[str, ...]


@dataclass(frozen=True)
class Goal:
    """Owner (None: stays) and options as they were."""

    server: str
    database: str
    owner: str | None
    options: Mapping[str, str] = field(default_factory=dict)
    ownerless: str = ""
    """The earlier owner, when the target has no such login."""


class CarryOptions(DatabaseStep):
    """Set owner and options on the new server as they were on the old one."""

    phase = Phase.UPGRADE
    after = ("recover-database", "carry-logins")
    strategies = frozenset({"side-by-side"})
    undoes_with = (ReturnOwner,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (target_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(1.0, 0.5)

    def observe(self, ctx: ReadContext) -> Facts:
        server = target_of(ctx.plan)
        reader = ctx.reader(server)
        return Facts(
            server=server,
            database=self.key,
            before=before_of(ctx, self.key),
            info=reader.database(self.key),
            logins=tuple(login.name for login in login_marks(reader)),
        )

    def decide(self, facts: Facts) -> Decision:
        info, before = facts.info, facts.before
        if info is None or not is_open(info):
            return Block(f"{facts.database} on {facts.server} is not online", "Its error log says why.")
        options = {name: value for name, value in before.options.items() if info.options.get(name) != value}
        differs = before.owner is not None and before.owner != info.owner
        known = before.owner is not None and is_known(before.owner, facts.logins)
        owner = before.owner if differs and known else None
        ownerless = before.owner or "" if differs and not known else ""
        if not options and owner is None:
            why = f"; the new server has no login {ownerless}, so {info.owner} owns it" if ownerless else ""
            return Skip(f"owner and options are as they were{why}")
        # Options go with the database when it is dropped. The owner is put back before that: a carried login
        # cannot be dropped while it owns something.
        undo = None if owner is None else ReturnOwner(facts.server, info.name, info.owner, owner)
        return Apply(Goal(facts.server, info.name, owner, options, ownerless), undo)

    def apply(self, ctx: Context, intent: Goal) -> None:
        server = ctx.server(intent.server)
        info = server.database(intent.database)
        for name, value in intent.options.items():
            if info is None or info.options.get(name) != value:
                server.set_option(intent.database, name, value)
        if intent.owner is not None and (info is None or info.owner != intent.owner):
            server.set_owner(intent.database, intent.owner)
        if intent.ownerless:
            ctx.note(f"{intent.database} was owned by {intent.ownerless}, a login that {intent.server} does not have")

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        info = ctx.reader(intent.server).database(intent.database)
        if info is None:
            return Outcome.PARTIAL
        wanted = dict(intent.options) | ({} if intent.owner is None else {"owner": intent.owner})
        found = {**info.options, "owner": info.owner}
        left = [name for name, value in wanted.items() if found.get(name) != value]
        if not left:
            return Outcome.REACHED
        return Outcome.UNTOUCHED if len(left) == len(wanted) else Outcome.PARTIAL
