"""The way back of ``enable-jobs``, which only a person can decide on: what this run enabled is disabled again."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import AgentJob, Context, JobMark, Outcome, ReadContext, Undo, answers, await_silence

STOPS_WITHIN = 60.0
"""Seconds a job gets to end once it was told to."""


@dataclass(frozen=True)
class DisableJobsAgain(Undo):
    """Disable exactly the jobs this run enabled, and stop those that run."""

    # Before the gate closes, as the reversed graph has it, although going forward the gate closes first. A job may
    # take its time to end, or not end at all: that is waited for, or found out and held, while users are still served.
    # With the gate closed first they would stand outside all that time. What they write meanwhile is not given up
    # unseen: it is counted once everybody is out, and a person has accepted that many rows or the run goes forward.
    server: str
    jobs: tuple[JobMark, ...]

    def run(self, ctx: Context) -> None:
        if not answers(ctx, self.server):
            ctx.note(f"{self.server} does not answer; the jobs there stay as they are for now")
            return
        server = ctx.server(self.server)
        for job in self._left(ctx):
            if job.enabled:
                server.set_job_enabled(job.job_id, enabled=False)
        patience = ctx.plan.jobs.wait.seconds if ctx.plan.jobs.running == "wait" else 0.0
        await_silence(ctx, lambda: self._running(ctx), patience)
        for job in self._left(ctx):
            ctx.note(f"job {job.name} on {self.server} was stopped while it ran")
            server.stop_job(job.job_id)
        await_silence(ctx, lambda: self._running(ctx), STOPS_WITHIN)

    def verify(self, ctx: ReadContext) -> Outcome:
        if not answers(ctx, self.server):
            return Outcome.REACHED  # nothing runs there now
        left = len(self._left(ctx))
        if not left:
            return Outcome.REACHED
        return Outcome.UNTOUCHED if left == len(self.jobs) else Outcome.PARTIAL

    def _running(self, ctx: ReadContext) -> tuple[str, ...]:
        return tuple(job.name for job in self._left(ctx))

    def _left(self, ctx: ReadContext) -> tuple[AgentJob, ...]:
        """Those that are enabled or run; one that somebody deleted does neither."""
        meant = {mark.job_id.lower() for mark in self.jobs}
        jobs = ctx.reader(self.server).jobs()
        return tuple(job for job in jobs if job.job_id.lower() in meant and (job.enabled or job.running))
