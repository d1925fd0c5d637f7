"""The Agent jobs, disabled until the new server serves."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.upgrade.carry_jobs import DeleteCarriedJobs
from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    JobFacts,
    JobMark,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    Skip,
    Step,
    is_known,
    job_marks,
    login_marks,
    named_lines,
    source_of,
    target_of,
)


@dataclass(frozen=True)
class Facts:
    """The jobs of both servers, and the logins that can own jobs on the target."""

    source: str
    target: str
    wanted: bool
    jobs: tuple[JobFacts, ...]
    existing: tuple[JobFacts, ...]
    logins: tuple[str, ...]


@dataclass(frozen=True)
class Goal:
    """These jobs exist on the target. What they do is read from the source when they are made."""

    source: str
    target: str
    jobs: tuple[JobMark, ...]


class CarryJobs(Step):
    """Create the Agent jobs on the new server, all of them disabled."""

    phase = Phase.UPGRADE
    # Nothing of the offline phase comes before it: they are created disabled, whether or not the gate is closed by
    # then, and a new server that is gone must not stand between the old one's jobs and their way back.
    after = ("carry-logins",)
    strategies = frozenset({"side-by-side"})
    undoes_with = (DeleteCarriedJobs,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (source_of(self.plan), target_of(self.plan))

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(1.0, 1.0)

    def observe(self, ctx: ReadContext) -> Facts:
        source, target = source_of(ctx.plan), target_of(ctx.plan)
        return Facts(
            source=source,
            target=target,
            wanted=ctx.plan.carry.jobs,
            jobs=job_marks(ctx.reader(source)),
            existing=job_marks(ctx.reader(target)),
            logins=tuple(login.name for login in login_marks(ctx.reader(target))),
        )

    def decide(self, facts: Facts) -> Decision:
        if not facts.wanted:
            return Skip("the plan carries no jobs")
        existing = {job.name.casefold(): job for job in facts.existing}
        missing = [job for job in facts.jobs if job.name.casefold() not in existing]
        problems = [
            *(_clash(job, existing[job.name.casefold()]) for job in facts.jobs if job not in missing),
            *("" if is_known(job.owner, facts.logins) else f"{job.name} is owned by {job.owner}" for job in missing),
        ]
        found = [problem for problem in problems if problem]
        if found:
            return Block(
                f"jobs of {facts.source} cannot be created on {facts.target}: {named_lines(found)}",
                "Rename or drop the job on the new server, give it an owner that is there,"
                " or carry jobs yourself (carry: {jobs: false}).",
            )
        if not missing:
            return Skip(f"every job is on {facts.target} already")
        jobs = tuple(JobMark(job.job_id, job.name) for job in missing)
        return Apply(
            Goal(facts.source, facts.target, jobs), DeleteCarriedJobs(facts.target, tuple(j.name for j in jobs))
        )

    def apply(self, ctx: Context, intent: Goal) -> None:
        source, target = ctx.reader(intent.source), ctx.server(intent.target)
        existing = {job.name.casefold() for job in target.jobs()}
        for job in intent.jobs:
            ctx.checkpoint()
            if job.name.casefold() not in existing:
                target.create_job(source.job_definition(job.job_id))

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        existing = {job.name.casefold() for job in ctx.reader(intent.target).jobs()}
        made = sum(job.name.casefold() in existing for job in intent.jobs)
        if made == len(intent.jobs):
            return Outcome.REACHED
        return Outcome.PARTIAL if made else Outcome.UNTOUCHED


def _clash(job: JobFacts, other: JobFacts) -> str:
    """Why a job that is there already is not the one meant; somebody may have prepared it."""
    if job.digest != other.digest:
        return f"{other.name} exists and does something else"
    return f"{other.name} exists and is enabled" if other.enabled else ""
