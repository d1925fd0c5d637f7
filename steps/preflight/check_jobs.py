"""SQL Server Agent: what runs now, and whether the jobs can go along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runbook.api import Decision, Finding, LightStep, Phase, ReadContext, job_clashes, jobs_of, judged, noted


@dataclass(frozen=True)
class Facts:
    """The jobs of the source. ``target`` is empty when none are carried; ``clashes`` and ``refused`` say why some
    of them cannot be."""

    source: str
    has_agent: bool = True
    jobs: int = 0
    running: tuple[str, ...] = ()
    target: str = ""
    target_has_agent: bool = True
    clashes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class CheckJobs(LightStep):
    """Check which Agent jobs run, and that they can be carried along."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.plan.servers)

    def observe(self, ctx: ReadContext) -> Facts:
        reader = ctx.reader(ctx.plan.source)
        there = reader.has_agent()
        running = tuple(job.name for job in reader.jobs() if job.running) if there else ()
        facts = Facts(ctx.plan.source, there, len(reader.jobs()) if there else 0, running)
        if there and ctx.plan.target is not None and ctx.plan.carry.jobs:
            facts = _carried(ctx, facts, ctx.plan.target)
        noted(ctx, _remarks(facts))
        return facts

    def decide(self, facts: Facts) -> Decision:
        if not facts.has_agent:
            return judged((), f"{facts.source} has no SQL Server Agent")
        return judged(_problems(facts), f"{facts.source} has {facts.jobs} jobs, of which {len(facts.running)} run now")


def _carried(ctx: ReadContext, facts: Facts, target: str) -> Facts:
    jobs, refused = jobs_of(ctx.reader(facts.source))
    there = ctx.reader(target).has_agent()
    existing = jobs_of(ctx.reader(target))[0] if there else ()
    return Facts(
        source=facts.source,
        jobs=facts.jobs,
        running=facts.running,
        target=target,
        target_has_agent=there or not jobs,
        clashes=job_clashes(jobs, existing),
        refused=refused,
    )


def _problems(facts: Facts) -> Iterator[Finding]:
    yourself = "or carry jobs yourself (carry: {jobs: false})."
    if facts.target and not facts.target_has_agent:
        yield Finding(f"{facts.target} has no SQL Server Agent to carry jobs to", f"Choose another edition, {yourself}")
    for clash in facts.clashes:
        yield Finding(
            f"jobs cannot be carried to {facts.target}: {clash}", f"Rename or drop it on the new server, {yourself}"
        )
    for why in facts.refused:
        yield Finding(why, f"Create that job on the new server yourself, disabled, {yourself}")


def _remarks(facts: Facts) -> Iterator[str]:
    if facts.running:
        yield f"jobs run now on {facts.source}, which the window would wait for or stop: {', '.join(facts.running)}"
