"""The way back of ``carry-jobs``: the new server has the jobs it had."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, Outcome, ReadContext, Undo


@dataclass(frozen=True)
class DeleteCarriedJobs(Undo):
    """Delete exactly the jobs this run created on the new server."""

    server: str
    jobs: tuple[str, ...]

    def run(self, ctx: Context) -> None:
        for name in self._left(ctx):
            ctx.server(self.server).delete_job(name)

    def _left(self, ctx: ReadContext) -> tuple[str, ...]:
        created = {name.casefold() for name in self.jobs}
        return tuple(job.name for job in ctx.reader(self.server).jobs() if job.name.casefold() in created)

    def verify(self, ctx: ReadContext) -> Outcome:
        left = len(self._left(ctx))
        if not left:
            return Outcome.REACHED
        return Outcome.UNTOUCHED if left == len(self.jobs) else Outcome.PARTIAL
