"""Exactly the jobs that ran before run again, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.online.enable_jobs import DisableJobsAgain
from runbook.api import (
    OF_EVERY_SERVER,
    AgentJob,
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    JobMark,
    JobsBefore,
    JobsEnabled,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    Skip,
    Step,
    named_lines,
    upgraded_of,
)


@dataclass(frozen=True)
class Facts:
    """The jobs that were enabled before, and those of the server that serves now."""

    server: str
    moved: bool
    carried: bool
    before: tuple[JobMark, ...]
    jobs: tuple[AgentJob, ...]
    earlier: tuple[JobMark, ...] = ()
    """What earlier attempts of this step set out to enable."""


@dataclass(frozen=True)
class Goal:
    """These jobs are enabled, no others are touched."""

    server: str
    jobs: tuple[JobMark, ...]


class EnableJobs(Step):
    """Enable exactly the Agent jobs that were enabled before; on the old server they stay disabled."""

    phase = Phase.ONLINE
    after = ("probe-open",)
    irreversible = True
    undoes_with = (DisableJobsAgain,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (upgraded_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(1.0)

    def observe(self, ctx: ReadContext) -> Facts:
        server = upgraded_of(ctx.plan)
        before = ctx.find_kept("disable-jobs", JobsBefore)
        return Facts(
            server=server,
            moved=ctx.plan.strategy == "side-by-side",
            carried=ctx.plan.carry.jobs,
            before=() if before is None else before.enabled,
            jobs=ctx.reader(server).jobs(),
            earlier=(ctx.find_kept(self.id, JobsEnabled) or JobsEnabled()).enabled,
        )

    def decide(self, facts: Facts) -> Decision:
        if not facts.before:
            return Skip("no job was enabled before")
        if facts.moved and not facts.carried:
            return Skip("the plan carries no jobs: whoever brought them to the new server enables them")
        due_here = [mark for mark in facts.before if not (facts.moved and mark.name in OF_EVERY_SERVER)]
        found = [(mark, _find(mark, facts)) for mark in due_here]
        missing = [mark.name for mark, job in found if job is None]
        if missing:
            return Block(
                f"jobs are missing on {facts.server}: {named_lines(missing)}",
                "Create them there, disabled, then: runbook resume.",
            )
        due = tuple(mark for _, job in found if job is not None and (mark := _due(job, facts.earlier)))
        if not due:
            return Skip("every job that was enabled before is enabled")
        return Apply(Goal(facts.server, due), DisableJobsAgain(facts.server, due), keep=JobsEnabled(due))

    def apply(self, ctx: Context, intent: Goal) -> None:
        server = ctx.server(intent.server)
        enabled = {job.job_id for job in server.jobs() if job.enabled}
        for job in intent.jobs:
            if job.job_id not in enabled:
                server.set_job_enabled(job.job_id, enabled=True)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        enabled = {job.job_id for job in ctx.reader(intent.server).jobs() if job.enabled}
        done = sum(job.job_id in enabled for job in intent.jobs)
        if done == len(intent.jobs):
            return Outcome.REACHED
        return Outcome.PARTIAL if done else Outcome.UNTOUCHED


def _due(job: AgentJob, earlier: tuple[JobMark, ...]) -> JobMark | None:
    """The job when it is disabled, or enabled by an earlier attempt of this run."""
    ours = any(mark.job_id.lower() == job.job_id.lower() for mark in earlier)
    return JobMark(job.job_id, job.name) if ours or not job.enabled else None


def _find(mark: JobMark, facts: Facts) -> AgentJob | None:
    """The job on the server that serves now: by id where it always was, by name where it was carried."""
    if facts.moved:
        return next((job for job in facts.jobs if job.name.casefold() == mark.name.casefold()), None)
    return next((job for job in facts.jobs if job.job_id == mark.job_id), None)
