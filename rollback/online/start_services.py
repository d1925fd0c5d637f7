"""The way back of ``start-early-services`` and ``start-services``."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, Outcome, ReadContext, ServiceMark, Undo, are_stopped, stop_services


@dataclass(frozen=True)
class StopServicesAgain(Undo):
    """Stop the services again that this run started on the new setup."""

    marks: tuple[ServiceMark, ...]

    def run(self, ctx: Context) -> None:
        stop_services(ctx, self.marks, patient=True)

    def verify(self, ctx: ReadContext) -> Outcome:
        return are_stopped(ctx, self.marks)
