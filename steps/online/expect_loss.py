"""Nobody is let in before it is settled that what they write is counted before it is ever given up."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.online.expect_loss import WeighLoss
from runbook.api import (
    LEAST,
    Apply,
    AtPivot,
    Budget,
    Context,
    Decision,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    Step,
    login_marks,
    upgraded_of,
)


@dataclass(frozen=True)
class Facts:
    """Jobs and logins of the server that will serve, as they are before anybody is let in."""

    server: str
    now: AtPivot


@dataclass(frozen=True)
class Goal:
    """Nothing is changed."""

    server: str


class ExpectLoss(Step):
    """Owe a count of what users write before any of it is given up."""

    # It stands between what keeps users out (released after it) and everything else: on a way back past the pivot
    # users are out when its undo counts, and nothing is put back before.
    phase = Phase.ONLINE
    after = ("repoint", "check-version", "compare-proof", "prove-upgraded", "check-database", "run-queries")
    undoes_with = (WeighLoss,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (upgraded_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (only a way back that a person decided on counts)
        return Budget(LEAST)

    def observe(self, ctx: ReadContext) -> Facts:
        server = upgraded_of(ctx.plan)
        kept = ctx.find_kept(self.id, AtPivot)
        if kept is not None:
            return Facts(server, kept)  # users were in since: what counts is what was there before them
        reader = ctx.reader(server)
        jobs = tuple(job.name for job in reader.jobs())
        return Facts(server, AtPivot(jobs, tuple(login.name for login in login_marks(reader))))

    def decide(self, facts: Facts) -> Decision:
        return Apply(Goal(facts.server), WeighLoss(facts.server), keep=facts.now)

    def apply(self, ctx: Context, intent: Goal) -> None:
        """Nothing: what counts is the way back that is durable by now."""

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:  # noqa: ARG002  (nothing to look at)
        return Outcome.REACHED
