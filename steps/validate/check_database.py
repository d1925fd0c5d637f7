"""DBCC CHECKDB on what will serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from runbook.api import (
    CHECKDB_MIB_S,
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
    SqlServer,
    StepFailed,
    is_open,
    named_lines,
    seconds,
    upgraded_of,
)


@dataclass(frozen=True)
class Facts:
    """The database, and when it was last found clean."""

    server: str
    database: str
    info: DatabaseInfo | None
    last_good: datetime | None = None


@dataclass(frozen=True)
class Goal:
    """Found clean later than that."""

    server: str
    database: str
    last_good: datetime | None = None


class CheckDatabase(DatabaseStep):
    """Run DBCC CHECKDB on the upgraded database."""

    phase = Phase.VALIDATE
    after = ("carry-options", "run-scripts", "check-engine")
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (upgraded_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(seconds(sizes, self.key, CHECKDB_MIB_S))

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        server(upgraded_of(self.plan)).check_database(self.key)

    def observe(self, ctx: ReadContext) -> Facts:
        server = upgraded_of(ctx.plan)
        reader = ctx.reader(server)
        info = reader.database(self.key)
        return Facts(server, self.key, info, reader.last_good_checkdb(self.key) if is_open(info) else None)

    def decide(self, facts: Facts) -> Decision:
        if facts.info is None or not is_open(facts.info):
            state = "not there" if facts.info is None else facts.info.state
            return Block(f"{facts.database} on {facts.server} is {state}", "Its error log says why.")
        # It only reads; the server notes the time of a clean one by itself.
        return Apply(Goal(facts.server, facts.info.name, facts.last_good), undo=None)

    def apply(self, ctx: Context, intent: Goal) -> None:
        findings = ctx.server(intent.server).check_database(intent.database)
        if findings:
            raise StepFailed(
                f"CHECKDB of {intent.database} on {intent.server} found: {named_lines(findings)}",
                hint="The old server is checked as well before the next run: find out where the damage comes from.",
            )

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        reader = ctx.reader(intent.server)
        if not is_open(reader.database(intent.database)):
            return Outcome.UNTOUCHED
        now = reader.last_good_checkdb(intent.database)
        later = now is not None and (intent.last_good is None or now > intent.last_good)
        return Outcome.REACHED if later else Outcome.UNTOUCHED
