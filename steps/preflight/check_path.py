"""The way from version to version, and whether the databases are in a state to go it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from runbook.api import (
    YEARS,
    DatabaseInfo,
    DatabaseState,
    Decision,
    Finding,
    LightStep,
    Phase,
    ReadContext,
    ServerIdentity,
    SqlServerReader,
    UserAccess,
    build_of,
    is_local,
    judged,
    login_clashes,
    login_marks,
    noted,
)

OLDEST_LEVEL = 100
"""Compatibility levels below are raised to it by every version since 2012: that changes what queries do."""
INSTANCES = frozenset({2, 3, 4})
"""SERVERPROPERTY('EngineEdition') of what can be backed up and restored freely; the others are Azure services."""


@dataclass(frozen=True)
class ServerSeen:
    """What matters of a server; ``name`` is the plan's."""

    name: str
    version: str
    collation: str
    engine_edition: int = 3
    platform: str = "Linux"

    @classmethod
    def of(cls, name: str, identity: ServerIdentity) -> ServerSeen:
        """From what the server says."""
        return cls(name, identity.version, identity.collation, identity.engine_edition, identity.platform)

    @property
    def build(self) -> tuple[int, ...]:
        """Its version as numbers."""
        return build_of(self.version)


@dataclass(frozen=True)
class DatabaseSeen:
    """A database of the plan; ``name`` as the source spells it, None when it is not there."""

    planned: str
    name: str | None
    state: DatabaseState = DatabaseState.ONLINE
    user_access: UserAccess = UserAccess.MULTI_USER
    is_read_only: bool = False
    is_in_standby: bool = False
    compatibility_level: int = 150
    snapshot_of: str | None = None
    on_target: DatabaseState | None = None
    """State of the database that has the name on the target already; None when the name is free."""


@dataclass(frozen=True)
class Facts:
    """Both ends of the way; ``target`` None for scripts. ``clashes``: logins that cannot be carried, and why."""

    source: ServerSeen
    target: ServerSeen | None
    databases: tuple[DatabaseSeen, ...]
    clashes: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    """Windows accounts of the old machine itself, which mean nothing elsewhere."""


class CheckPath(LightStep):
    """Check that versions, databases and logins can go the way the plan wants."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.plan.servers)

    def observe(self, ctx: ReadContext) -> Facts:
        source, target = ctx.reader(ctx.plan.source), None
        identity = source.identity()
        new: ServerSeen | None = None
        if ctx.plan.target is not None:
            target = ctx.reader(ctx.plan.target)
            new = ServerSeen.of(ctx.plan.target, target.identity())
        databases = tuple(_seen(database.name, source, target) for database in ctx.plan.databases)
        facts = Facts(ServerSeen.of(ctx.plan.source, identity), new, databases)
        if target is not None and ctx.plan.carry.logins:
            facts = _logins(facts, source, target, identity.machine_name)
        noted(ctx, _remarks(facts))
        return facts

    def decide(self, facts: Facts) -> Decision:
        names = ", ".join(database.planned for database in facts.databases)
        to = "" if facts.target is None else f" and can go from there to {facts.target.version}"
        return judged(_problems(facts), f"{names} on {facts.source.name} ({facts.source.version}) can be upgraded{to}")


def _logins(facts: Facts, source: SqlServerReader, target: SqlServerReader, machine: str) -> Facts:
    logins = login_marks(source)
    local = tuple(login.name for login in logins if is_local(login, machine))
    return replace(facts, clashes=login_clashes(logins, login_marks(target), machine), local=local)


def _seen(planned: str, source: SqlServerReader, target: SqlServerReader | None) -> DatabaseSeen:
    info = source.database(planned) or _spelled_otherwise(planned, source)
    there = None if target is None else target.database(planned)
    if info is None:
        return DatabaseSeen(planned, None, on_target=None if there is None else there.state)
    return DatabaseSeen(
        planned=planned,
        name=info.name,
        state=info.state,
        user_access=info.user_access,
        is_read_only=info.is_read_only,
        is_in_standby=info.is_in_standby,
        compatibility_level=info.compatibility_level,
        snapshot_of=info.snapshot_of,
        on_target=None if there is None else there.state,
    )


def _spelled_otherwise(planned: str, source: SqlServerReader) -> DatabaseInfo | None:
    """On a case-sensitive instance another spelling is another name."""
    return next((one for name, one in source.databases().items() if name.casefold() == planned.casefold()), None)


def _problems(facts: Facts) -> Iterator[Finding]:
    for server in filter(None, (facts.source, facts.target)):
        if server.build[0] not in YEARS:
            yield Finding(
                f"{server.name} runs version {server.version}, which is not known here",
                f"Supported are {', '.join(map(str, YEARS.values()))}.",
            )
        if server.engine_edition not in INSTANCES:
            yield Finding(
                f"{server.name} is an Azure service (engine edition {server.engine_edition}), not an instance",
                "Only SQL Server instances can be upgraded this way.",
            )
    if facts.target is not None and facts.target.build[0] < facts.source.build[0]:
        yield Finding(
            f"the way goes down, from {facts.source.version} to {facts.target.version}",
            "A database never goes back to an older version: choose a newer target.",
        )
    for database in facts.databases:
        yield from _database(database, facts)
    for clash in facts.clashes:
        yield Finding(
            f"logins cannot be carried: {clash}",
            "Drop or rename the login on the new server, or carry logins yourself (carry: {logins: false}).",
        )


def _database(database: DatabaseSeen, facts: Facts) -> Iterator[Finding]:
    source, planned = facts.source.name, database.planned
    if database.on_target is not None and facts.target is not None:
        yield Finding(
            f"{planned} is on {facts.target.name} already ({database.on_target})",
            "Look whose it is, then rename or drop it there: a run never overwrites a database.",
        )
    if database.name is None:
        yield Finding(f"{planned} is not on {source}", "Correct the name in the plan.")
    elif database.snapshot_of is not None:
        yield Finding(f"{planned} is a snapshot of {database.snapshot_of}", "Name the database itself in the plan.")
    elif database.name != planned:
        yield Finding(f"{planned} is spelled {database.name} on {source}", "Spell it in the plan as the server does.")
    else:
        yield from _condition(database, source)


def _condition(database: DatabaseSeen, source: str) -> Iterator[Finding]:
    name = database.planned
    if database.state is not DatabaseState.ONLINE:
        yield Finding(f"{name} on {source} is {database.state}", "Bring it online, or leave it out of the plan.")
        return
    if database.is_in_standby:
        yield Finding(f"{name} is in standby", "Recover it, or leave it out of the plan: it belongs to another server.")
    elif database.is_read_only:
        yield Finding(
            f"{name} is read-only, and a read-only database cannot be converted (3415)",
            "Set it READ_WRITE until the night is over.",
        )
    if database.user_access is UserAccess.SINGLE_USER:
        yield Finding(f"{name} is SINGLE_USER: its one place may be taken", "Set it MULTI_USER or RESTRICTED_USER.")
    if database.compatibility_level < OLDEST_LEVEL:
        yield Finding(
            f"{name} has compatibility level {database.compatibility_level}, which a newer version raises by itself",
            "Raise it to 100 and test the application first.",
        )


def _remarks(facts: Facts) -> Iterator[str]:
    source, target = facts.source, facts.target
    for database in facts.databases:
        if database.user_access is UserAccess.RESTRICTED_USER:
            yield f"{database.planned} is RESTRICTED_USER, and will be so again afterwards"
    if target is None:
        return
    if source.collation != target.collation:
        yield (
            f"the collations of {source.name} ({source.collation}) and {target.name} ({target.collation}) differ:"
            " queries that join with temporary tables may fail there (468)"
        )
    if source.build[0] == target.build[0] and target.build < source.build:
        yield f"{target.name} runs an older build ({target.version}) than {source.name} ({source.version})"
    if facts.local:
        yield f"accounts of the old machine itself stay behind: {', '.join(facts.local)}"
    if source.platform != target.platform:
        yield f"{source.name} runs on {source.platform}, {target.name} on {target.platform}: paths and accounts differ"
