"""When the database was last found sound: damage must not be carried along."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook.api import (
    Block,
    Decision,
    LightDatabaseStep,
    Pass,
    Phase,
    ReadContext,
    Skip,
    is_open,
    source_of,
)

NEVER = 1900
"""The year SQL Server gives for a check that never was."""


@dataclass(frozen=True)
class Facts:
    """The last DBCC CHECKDB that found nothing; ``longest`` is the age the plan allows, in seconds."""

    database: str
    server: str
    now: datetime
    checked_at: datetime | None
    longest: float
    is_open: bool = True


class CheckCheckdb(LightDatabaseStep):
    """Check that the last clean DBCC CHECKDB is recent enough."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        reader = ctx.reader(server)
        there = is_open(reader.database(self.key))
        checked = reader.last_good_checkdb(self.key) if there else None
        return Facts(self.key, server, ctx.now(), checked, ctx.plan.preflight.checkdb_max_age.seconds, there)

    def decide(self, facts: Facts) -> Decision:
        if not facts.is_open:
            return Skip(f"{facts.database} is not online, as check-path says")
        name = facts.database.replace("]", "]]")
        remedy = f"Run DBCC CHECKDB ([{name}]) WITH DATA_PURITY on {facts.server} and mend what it finds."
        if facts.checked_at is None or facts.checked_at.year <= NEVER:
            return Block(f"{facts.database} was never found sound by DBCC CHECKDB", remedy)
        when = f"{facts.checked_at:%Y-%m-%d %H:%M} UTC"
        if facts.now - facts.checked_at > timedelta(seconds=facts.longest):
            days = facts.longest / 86400
            return Block(f"DBCC CHECKDB of {facts.database} is from {when}, older than {days:g} days", remedy)
        return Pass(f"{facts.database} was found sound at {when}")
