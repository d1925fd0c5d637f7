"""The way back of ``upgrade-packages``: the old version is installed whole, from the package that was kept."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    DOWNGRADE,
    Context,
    Engine,
    Outcome,
    ReadContext,
    Undo,
    UnitPhase,
    await_host,
    carry_out,
    installed,
    script,
)

FORWARD, BACK = "upgrade-packages", "old-packages"


@dataclass(frozen=True)
class OldPackages(Undo):
    """Install the old packages again."""

    engine: Engine
    package_version: str

    def run(self, ctx: Context) -> None:
        await_host(ctx, self.engine.host)
        ctx.host(self.engine.host).stop_unit(FORWARD)
        if self.verify(ctx) is not Outcome.REACHED:
            carry_out(ctx, self.engine.host, BACK, script(DOWNGRADE, self.engine.kept))

    def verify(self, ctx: ReadContext) -> Outcome:
        host = ctx.host_reader(self.engine.host)
        busy = any(host.unit(name).phase is UnitPhase.RUNNING for name in (FORWARD, BACK))
        whole = installed(ctx, self.engine).is_whole(self.package_version)
        return Outcome.REACHED if whole and not busy else Outcome.PARTIAL
