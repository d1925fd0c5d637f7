"""Sessions that a restricted database still admits leave, or are ended."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Apply,
    Context,
    Decision,
    LightDatabaseStep,
    Outcome,
    Pass,
    Phase,
    ReadContext,
    await_silence,
    end_sessions,
    named_lines,
    source_of,
)


@dataclass(frozen=True)
class Facts:
    """Who is in the database; ``grace`` is how many seconds they get to leave."""

    server: str
    database: str
    grace: float
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Goal:
    """Nobody is in the database."""

    server: str
    database: str
    grace: float


class DrainSessions(LightDatabaseStep):
    """Wait until the last sessions leave the database, then end them."""

    phase = Phase.OFFLINE
    after = ("restrict-database",)
    Intent = Goal
    # The budget leaves the grace out: ordinary users are out by now, and the turn-back point ends any wait.

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        return Facts(server, self.key, ctx.plan.sessions.grace.seconds, _inside(ctx, server, self.key))

    def decide(self, facts: Facts) -> Decision:
        if not facts.sessions:
            return Pass(f"nobody is in {facts.database} on {facts.server}")
        # Who was thrown out connects again when the database is open again: there is nothing to put back.
        return Apply(Goal(facts.server, facts.database, facts.grace), undo=None)

    def apply(self, ctx: Context, intent: Goal) -> None:
        left = await_silence(ctx, lambda: _inside(ctx, intent.server, intent.database), intent.grace)
        if left:
            ctx.note(f"sessions in {intent.database} on {intent.server} were ended: {named_lines(left)}")
            end_sessions(ctx, intent.server, intent.database)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        inside = _inside(ctx, intent.server, intent.database)
        return Outcome.PARTIAL if inside else Outcome.REACHED


def _inside(ctx: ReadContext, server: str, database: str) -> tuple[str, ...]:
    return tuple(
        f"{one.login} ({one.program} on {one.host}, {one.open_transactions} open transactions)"
        for one in ctx.reader(server).sessions(database)
    )
