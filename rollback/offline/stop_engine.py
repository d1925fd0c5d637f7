"""The way back of ``stop-engine``: the old engine runs and answers."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    Engine,
    Outcome,
    ReadContext,
    Service,
    Undo,
    await_engine,
    await_host,
    log_mark,
    service_state,
    services_as_before,
    start_dependents,
    start_service,
    version_now,
    windowsengine,
)


@dataclass(frozen=True)
class StartEngineAgain(Undo):
    """Start the old engine, and wait until it answers logins."""

    engine: Engine
    product: str
    services: tuple[windowsengine.ServiceSeen, ...] = ()
    """Windows: its services, as they were."""

    def run(self, ctx: Context) -> None:
        await_host(ctx, self.engine.host)
        since = log_mark(ctx, self.engine)
        start_service(ctx, self.engine, self.services)
        await_engine(ctx, self.engine, self.product, since)
        start_dependents(ctx, self.engine, self.services)

    def verify(self, ctx: ReadContext) -> Outcome:
        if service_state(ctx, self.engine) is not Service.RUNNING:
            return Outcome.UNTOUCHED
        if version_now(ctx, self.engine) != self.product:
            return Outcome.PARTIAL
        return Outcome.REACHED if services_as_before(ctx, self.engine, self.services) else Outcome.PARTIAL
