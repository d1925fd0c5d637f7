"""Jobs that still run are waited for, then stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runbook.api import (
    AgentJob,
    Apply,
    Context,
    Decision,
    JobMark,
    LightStep,
    Outcome,
    Pass,
    Phase,
    ReadContext,
    SqlServer,
    StepFailed,
    await_silence,
    named_lines,
    source_of,
)

SOME_JOB = "00000000-0000-0000-0000-000000000000"
"""Stands for a job where only the form of a statement is shown."""
STOPS_WITHIN = 60.0
"""Seconds a job gets to end once it was told to: sp_stop_job only asks, and its work is rolled back first."""


@dataclass(frozen=True)
class Facts:
    """The jobs that run; ``wait`` is how many seconds they get to end by themselves."""

    server: str
    wait: float
    running: tuple[JobMark, ...] = ()


@dataclass(frozen=True)
class Goal:
    """No job runs."""

    server: str
    wait: float
    running: tuple[JobMark, ...]


class StopJobs(LightStep):
    """Wait for running Agent jobs, and stop what does not end."""

    phase = Phase.OFFLINE
    after = ("disable-jobs",)
    Intent = Goal
    # The budget leaves the waiting out: on most nights nothing runs, and the turn-back point ends any wait.

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        server(source_of(self.plan)).stop_job(SOME_JOB)

    def observe(self, ctx: ReadContext) -> Facts:
        server, jobs = source_of(ctx.plan), ctx.plan.jobs
        running = tuple(JobMark(job.job_id, job.name) for job in _running(ctx, server))
        return Facts(server, jobs.wait.seconds if jobs.running == "wait" else 0.0, running)

    def decide(self, facts: Facts) -> Decision:
        if not facts.running:
            return Pass(f"no Agent job runs on {facts.server}")
        # A job that was stopped is not started again by a way back: only its owner knows whether it may be.
        return Apply(Goal(facts.server, facts.wait, facts.running), undo=None)

    def apply(self, ctx: Context, intent: Goal) -> None:
        if not await_silence(ctx, lambda: _names(ctx, intent.server), intent.wait):
            return
        for job in _running(ctx, intent.server):
            ctx.note(f"job {job.name} on {intent.server} was stopped while it ran; this run does not start it again")
            ctx.server(intent.server).stop_job(job.job_id)
        left = await_silence(ctx, lambda: _names(ctx, intent.server), STOPS_WITHIN)
        if left:
            raise StepFailed(
                f"jobs on {intent.server} do not stop: {named_lines(left)}",
                hint="Look at what they do; stop them by hand before the next try.",
            )

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        running = {job.job_id.lower() for job in _running(ctx, intent.server)}
        if not running:
            return Outcome.REACHED
        meant = {job.job_id.lower() for job in intent.running}
        return Outcome.UNTOUCHED if meant <= running else Outcome.PARTIAL


def _running(ctx: ReadContext, server: str) -> tuple[AgentJob, ...]:
    return tuple(job for job in ctx.reader(server).jobs() if job.running)


def _names(ctx: ReadContext, server: str) -> tuple[str, ...]:
    return tuple(job.name for job in _running(ctx, server))
