"""The Agent's enabled jobs are disabled, exactly those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollback.offline.disable_jobs import EnableJobsAgain
from runbook.api import (
    AgentJob,
    Apply,
    Context,
    Decision,
    JobMark,
    JobsBefore,
    LightStep,
    Outcome,
    Pass,
    Phase,
    ReadContext,
    SqlServer,
    source_of,
)

SOME_JOB = "00000000-0000-0000-0000-000000000000"
"""Stands for a job where only the form of a statement is shown."""


@dataclass(frozen=True)
class Facts:
    """The jobs of the source; none where there is no Agent."""

    server: str
    jobs: tuple[AgentJob, ...] = ()


@dataclass(frozen=True)
class Goal:
    """These jobs are disabled."""

    server: str
    jobs: tuple[JobMark, ...]


class DisableJobs(LightStep):
    """Disable exactly the Agent jobs that are enabled."""

    phase = Phase.OFFLINE
    after = ("probe-closed",)
    undoes_with = (EnableJobsAgain,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        server(source_of(self.plan)).set_job_enabled(SOME_JOB, enabled=False)

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        return Facts(server, ctx.reader(server).jobs())

    def decide(self, facts: Facts) -> Decision:
        enabled = tuple(JobMark(job.job_id, job.name) for job in facts.jobs if job.enabled)
        keep = JobsBefore(enabled)
        if not enabled:
            return Pass(f"no Agent job is enabled on {facts.server}", keep=keep)
        return Apply(Goal(facts.server, enabled), EnableJobsAgain(facts.server, enabled), keep=keep)

    def apply(self, ctx: Context, intent: Goal) -> None:
        server = ctx.server(intent.server)
        enabled = _enabled(ctx, intent)
        for job in intent.jobs:
            ctx.checkpoint()
            if job.job_id.lower() in enabled:
                server.set_job_enabled(job.job_id, enabled=False)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        left = len(_enabled(ctx, intent))
        if not left:
            return Outcome.REACHED
        return Outcome.UNTOUCHED if left == len(intent.jobs) else Outcome.PARTIAL


def _enabled(ctx: ReadContext, intent: Goal) -> frozenset[str]:
    """Ids of the jobs meant that are enabled; one that somebody deleted is not."""
    meant = {job.job_id.lower() for job in intent.jobs}
    jobs = ctx.reader(intent.server).jobs()
    return frozenset(job.job_id.lower() for job in jobs if job.enabled and job.job_id.lower() in meant)
