"""The way back of ``begin-setup``: the whole machine is what it was when its snapshot was taken."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    Engine,
    HostError,
    Outcome,
    ReadContext,
    Service,
    StepFailed,
    Undo,
    UnitPhase,
    Unreachable,
    await_host,
    installed,
    service_state,
    wayback,
    windowssetup,
)


@dataclass(frozen=True)
class GoBack(Undo):
    """Have the machine put back by the declared hook, and see on the machine that it went back."""

    engine: Engine
    product: str
    hook: wayback.Hook
    directories: tuple[str, ...]

    def run(self, ctx: Context) -> None:
        if self._is_back(ctx):
            return
        self._stop(ctx)
        wayback.go_back(ctx, self.hook)
        await_host(ctx, self.engine.host)
        left = wayback.not_back(ctx, self.engine.host, self.directories)
        if left:
            raise StepFailed(
                f"way_back.back ended well, but on {self.engine.host} these did not go back: {', '.join(left)}",
                hint="Look what the snapshot covers, and put the machine back by hand; then: runbook resume",
            )

    def verify(self, ctx: ReadContext) -> Outcome:
        engine = self.engine
        if ctx.host_reader(self.hook.host).unit(wayback.GO_BACK).phase is UnitPhase.RUNNING:
            return Outcome.PARTIAL
        if wayback.not_back(ctx, engine.host, self.directories):
            return Outcome.PARTIAL
        down = service_state(ctx, engine) is Service.BARRED
        return Outcome.REACHED if down and installed(ctx, engine).version == self.product else Outcome.PARTIAL

    def _is_back(self, ctx: ReadContext) -> bool:
        """Also False when the machine does not answer: that is no reason not to put it back."""
        try:
            return self.verify(ctx) is Outcome.REACHED
        except (HostError, Unreachable):
            return False

    def _stop(self, ctx: Context) -> None:
        """What is still under way would be ended by going back anyhow."""
        try:
            ctx.host(self.engine.host).stop_unit(windowssetup.UNIT)
        except (HostError, Unreachable) as error:
            ctx.note(f"setup could not be stopped before going back: {error.message}")
