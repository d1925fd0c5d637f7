"""Room for everything the run writes, the way back included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runbook.api import (
    DatabaseInfo,
    Decision,
    LightStep,
    Need,
    Phase,
    Place,
    ReadContext,
    exchange_needs,
    judged,
    noted,
    own_directory,
    restored_needs,
    scripts_needs,
    shortages,
    unmeasured,
)


@dataclass(frozen=True)
class Facts:
    """What will be written where; ``headroom`` times of it must be free."""

    headroom: float
    needs: tuple[Need, ...]
    places: tuple[Place, ...]


class CheckSpace(LightStep):
    """Check that the volumes have room for backups, restored files and snapshots."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.plan.servers)

    def observe(self, ctx: ReadContext) -> Facts:
        reader = ctx.reader(ctx.plan.source)
        found = (reader.database(database.name) for database in ctx.plan.databases)
        needs = tuple(need for info in found if info is not None for need in _needs(ctx, info))
        directories = dict.fromkeys((need.server, need.directory) for need in needs)
        places = tuple(_place(ctx, server, directory) for server, directory in directories)
        noted(ctx, unmeasured(places))
        return Facts(ctx.plan.preflight.headroom, needs, places)

    def decide(self, facts: Facts) -> Decision:
        measured = sorted({f"{place.mount} of {place.server}" for place in facts.places if place.mount is not None})
        room = f"there is room on {', '.join(measured)}" if measured else "no volume could be measured"
        return judged(shortages(facts.needs, facts.places, facts.headroom), room)


def _needs(ctx: ReadContext, info: DatabaseInfo) -> Iterator[Need]:
    plan, files = ctx.plan, ctx.reader(ctx.plan.source).files(info.name)
    source, target = plan.exchange_directories()
    default = own_directory(ctx, plan.source)
    if plan.target is None:
        yield from scripts_needs(info, files, plan.source, source or default)
        return
    seen = ((plan.source, source or default), (plan.target, target or source or default))
    yield from exchange_needs(info, seen)
    identity = ctx.reader(plan.target).identity()
    yield from restored_needs(files, plan.target, identity, plan.servers[plan.target].data_directory)


def _place(ctx: ReadContext, server: str, directory: str) -> Place:
    volumes = ctx.reader(server).volumes([directory])
    if not volumes:
        return Place(server, directory)
    return Place(server, directory, volumes[0].mount, volumes[0].available_bytes)
