"""The way back of ``start-engine``: every file is what it was when the old engine had stopped."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    PUT_BACK,
    Context,
    Engine,
    Outcome,
    ReadContext,
    Service,
    Undo,
    await_host,
    carry_out,
    script,
    service_state,
    stop_engine,
)

UNIT = "put-copy-back"


@dataclass(frozen=True)
class PutCopyBack(Undo):
    """Stop the new engine, and put the cold copy back, compared with its manifest."""

    engine: Engine

    def run(self, ctx: Context) -> None:
        await_host(ctx, self.engine.host)
        stop_engine(ctx, self.engine)
        if self.verify(ctx) is not Outcome.REACHED:
            engine = self.engine
            carry_out(ctx, engine.host, UNIT, script(PUT_BACK, engine.data, engine.kept, engine.service))

    def verify(self, ctx: ReadContext) -> Outcome:
        if service_state(ctx, self.engine) is not Service.BARRED:
            return Outcome.UNTOUCHED
        return Outcome.REACHED if ctx.host_reader(self.engine.host).unit(UNIT).succeeded else Outcome.PARTIAL
