"""The way back of ``disable-jobs``: the jobs that were enabled are enabled, and no others."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import AgentJob, Context, JobMark, Outcome, ReadContext, Undo


@dataclass(frozen=True)
class EnableJobsAgain(Undo):
    """Enable exactly the jobs this run disabled."""

    server: str
    jobs: tuple[JobMark, ...]

    def run(self, ctx: Context) -> None:
        server, found = ctx.server(self.server), self._found(ctx)
        for mark in self.jobs:
            job = found.get(mark.job_id.lower())
            if job is None:
                ctx.note(f"job {mark.name} was deleted from {self.server} by somebody else; it stays so")
            elif not job.enabled:
                server.set_job_enabled(mark.job_id, enabled=True)

    def verify(self, ctx: ReadContext) -> Outcome:
        found = self._found(ctx)
        disabled = sum(not job.enabled for job in found.values())
        if not disabled:
            return Outcome.REACHED
        return Outcome.UNTOUCHED if disabled == len(found) else Outcome.PARTIAL

    def _found(self, ctx: ReadContext) -> dict[str, AgentJob]:
        """Those of the jobs that are still there, by id."""
        meant = {mark.job_id.lower() for mark in self.jobs}
        jobs = ctx.reader(self.server).jobs()
        return {job.job_id.lower(): job for job in jobs if job.job_id.lower() in meant}
