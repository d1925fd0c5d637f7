"""Backups: one that runs now is in the way, and a log chain that has not begun is worth knowing of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runbook.api import (
    Decision,
    Finding,
    LightStep,
    Phase,
    ReadContext,
    RecoveryModel,
    is_open,
    judged,
    noted,
)


@dataclass(frozen=True)
class Running:
    """A BACKUP or RESTORE under way; ``database`` None when the server does not say which."""

    server: str
    session_id: int
    command: str
    database: str | None
    percent: float = 0.0


@dataclass(frozen=True)
class Chain:
    """How a database is backed up; ``begun``: a log backup is possible."""

    database: str
    recovery_model: RecoveryModel
    begun: bool = True


@dataclass(frozen=True)
class Facts:
    """What runs on the servers, and the chains of the plan's databases."""

    databases: tuple[str, ...]
    strategy: str = "side-by-side"
    running: tuple[Running, ...] = ()
    chains: tuple[Chain, ...] = ()


class CheckBackups(LightStep):
    """Check that nobody is backing up or restoring one of the databases."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.plan.servers)

    def observe(self, ctx: ReadContext) -> Facts:
        names = tuple(database.name for database in ctx.plan.databases)
        running = tuple(
            Running(server, one.session_id, one.command, one.database, one.percent)
            for server in ctx.plan.servers
            for one in ctx.reader(server).running_backups()
        )
        facts = Facts(names, ctx.plan.strategy, running, tuple(_chains(ctx, names)))
        noted(ctx, _remarks(facts))
        return facts

    def decide(self, facts: Facts) -> Decision:
        wanted = {name.casefold() for name in facts.databases}
        problems = (
            Finding(
                f"{one.command} of {one.database} runs on {one.server} (session {one.session_id}, {one.percent:.0f} %)",
                "Wait until it has ended, and keep backup jobs away from the window.",
            )
            for one in facts.running
            if one.database is not None and one.database.casefold() in wanted
        )
        return judged(problems, f"nobody backs up or restores {', '.join(facts.databases)}")


def _chains(ctx: ReadContext, names: tuple[str, ...]) -> Iterator[Chain]:
    reader = ctx.reader(ctx.plan.source)
    for name in names:
        info = reader.database(name)
        if info is not None and is_open(info):
            yield Chain(name, info.recovery_model, reader.log_chain_starts(name))


def _remarks(facts: Facts) -> Iterator[str]:
    for one in facts.running:
        if one.database is None:
            yield f"{one.command} of an unknown database runs on {one.server} (session {one.session_id})"
    for chain in facts.chains:
        if chain.recovery_model is RecoveryModel.SIMPLE:
            if facts.strategy == "side-by-side":
                yield f"{chain.database} is in SIMPLE recovery: the run's full backup becomes its differential base"
        elif not chain.begun:
            yield f"the log chain of {chain.database} has not begun: a full backup of this run begins it"
