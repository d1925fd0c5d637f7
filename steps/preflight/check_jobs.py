"""SQL Server Agent: what runs now, and whether the jobs can go along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from runbook.api import (
    Decision,
    Finding,
    LightStep,
    Phase,
    ReadContext,
    is_local,
    job_clashes,
    jobs_of,
    judged,
    left_behind,
    login_marks,
    noted,
)


@dataclass(frozen=True)
class Facts:
    """The jobs of the source; ``target`` is empty where nothing moves. ``clashes`` and ``refused`` say why some of
    them cannot be carried, ``left_behind`` which belong to databases that stay."""

    source: str
    has_agent: bool = True
    enabled: int = 0
    jobs: int = 0
    running: tuple[str, ...] = ()
    target: str = ""
    carried: bool = True
    target_has_agent: bool = True
    clashes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()


class CheckJobs(LightStep):
    """Check which Agent jobs run, and that they can be carried along."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.plan.servers)

    def observe(self, ctx: ReadContext) -> Facts:
        facts = _source(ctx)
        if facts.has_agent and ctx.plan.target is not None:
            facts = _moved(ctx, replace(facts, target=ctx.plan.target, carried=ctx.plan.carry.jobs))
        noted(ctx, _remarks(facts))
        return facts

    def decide(self, facts: Facts) -> Decision:
        if not facts.has_agent:
            return judged((), f"{facts.source} has no SQL Server Agent")
        return judged(_problems(facts), f"{facts.source} has {facts.jobs} jobs, of which {len(facts.running)} run now")


def _source(ctx: ReadContext) -> Facts:
    reader = ctx.reader(ctx.plan.source)
    if not reader.has_agent():
        return Facts(ctx.plan.source, has_agent=False)
    jobs = reader.jobs()
    return Facts(
        source=ctx.plan.source,
        enabled=sum(job.enabled for job in jobs),
        jobs=len(jobs),
        running=tuple(job.name for job in jobs if job.running),
    )


def _moved(ctx: ReadContext, facts: Facts) -> Facts:
    """What becomes of the jobs on the new server."""
    reader = ctx.reader(facts.target)
    jobs, refused = jobs_of(ctx.reader(facts.source))
    left = tuple(left_behind(jobs, [database.name for database in ctx.plan.databases]))
    if not facts.carried:
        return replace(facts, left_behind=left)
    there = reader.has_agent()
    existing = jobs_of(reader)[0] if there else ()
    return replace(
        facts,
        target_has_agent=there or not jobs,
        clashes=job_clashes(jobs, existing, _logins(ctx, facts)),
        refused=refused,
        left_behind=left,
    )


def _logins(ctx: ReadContext, facts: Facts) -> tuple[str, ...]:
    """Who can own a job on the new server once the logins are carried."""
    source = ctx.reader(facts.source)
    machine = source.identity().machine_name
    carried = login_marks(source) if ctx.plan.carry.logins else ()
    there = login_marks(ctx.reader(facts.target))
    return tuple(login.name for login in (*there, *(one for one in carried if not is_local(one, machine))))


def _problems(facts: Facts) -> Iterator[Finding]:
    yourself = "or carry jobs yourself (carry: {jobs: false})."
    if facts.target and not facts.target_has_agent:
        yield Finding(f"{facts.target} has no SQL Server Agent to carry jobs to", f"Choose another edition, {yourself}")
    for clash in facts.clashes:
        yield Finding(
            f"jobs cannot be carried to {facts.target}: {clash}",
            f"Rename or drop the job on the new server, or give it an owner that is there, {yourself}",
        )
    for why in facts.refused:
        yield Finding(why, f"Create that job on the new server yourself, disabled, {yourself}")


def _remarks(facts: Facts) -> Iterator[str]:
    if facts.running:
        yield f"jobs run now on {facts.source}, which the window would wait for or stop: {', '.join(facts.running)}"
    for what in facts.left_behind:
        yield f"{what}; it is disabled on {facts.source} for good: enable it there afterwards if it belongs there"
    if facts.target and not facts.carried and facts.enabled:
        yield f"the plan carries no jobs: {facts.enabled} enabled jobs of {facts.source} are disabled and stay so"
