"""The way back of ``stop-services``: every service on every host as it was."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    Outcome,
    ReadContext,
    ServiceMark,
    ServicePlace,
    Undo,
    are_back,
    came_back,
    noted,
    put_services_back,
    see_services,
)


@dataclass(frozen=True)
class StartServicesAgain(Undo):
    """Start exactly the services this run stopped, and let start by itself what did before."""

    marks: tuple[ServiceMark, ...]
    missing: tuple[ServicePlace, ...] = ()
    """Where no look was possible, as the plan accepts."""

    def run(self, ctx: Context) -> None:
        put_services_back(ctx, self.marks)
        if self.missing:
            noted(ctx, came_back(see_services(ctx), self.missing))

    def verify(self, ctx: ReadContext) -> Outcome:
        return are_back(ctx, self.marks)
