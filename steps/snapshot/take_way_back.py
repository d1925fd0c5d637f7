"""The snapshot that a Windows machine goes back to: everything on it, while the engine is stopped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Engine,
    MachineBefore,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Service,
    Sizes,
    Step,
    UnitPhase,
    engine_of,
    enginefit,
    service_state,
    wayback,
)

TAKEN_WITHIN = 300.0


@dataclass(frozen=True)
class Facts:
    """Whether anything can move, and whether it was taken by an attempt before."""

    engine: Engine
    state: Service
    hook: wayback.Hook
    directories: tuple[str, ...]
    there: bool = False
    begun: bool = False


@dataclass(frozen=True)
class Goal:
    """The probe says that it is there, and the marks on the machine tell what came after it."""

    engine: Engine
    hook: wayback.Hook
    directories: tuple[str, ...]


class TakeWayBack(Step):
    """Take the declared way back (a snapshot of the machine), and see that it is there; it stays."""

    phase = Phase.SNAPSHOT
    after = ("stop-engine",)
    strategies = frozenset({"in-place"})
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where a setup program upgrades."""
        return enginefit.for_setup(plan)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (a snapshot does not copy)
        return Budget(TAKEN_WITHIN)

    def observe(self, ctx: ReadContext) -> Facts:
        engine, hook = engine_of(ctx), wayback.hook_of(ctx)
        return Facts(
            engine=engine,
            state=service_state(ctx, engine),
            hook=hook,
            directories=ctx.kept("check-setup", MachineBefore).directories,
            there=wayback.is_there(ctx, hook),
            begun=ctx.host_reader(hook.host).unit(wayback.TAKE).phase is not UnitPhase.ABSENT,
        )

    def decide(self, facts: Facts) -> Decision:
        engine = facts.engine
        if facts.state is not Service.BARRED:
            return Block(f"{engine.service} on {engine.host} is {facts.state}", "Find out who did that.")
        if facts.there and not facts.begun:
            return Block(
                f"somebody else has taken the way back of this run on {facts.hook.host}", "Find out who did that."
            )
        return Apply(Goal(engine, facts.hook, facts.directories), undo=None)

    def apply(self, ctx: Context, intent: Goal) -> None:
        host, places = intent.engine.host, intent.directories
        busy = ctx.host_reader(intent.hook.host).unit(wayback.TAKE).phase is UnitPhase.RUNNING
        if not busy and not wayback.is_there(ctx, intent.hook):
            wayback.mark(ctx, host, places, wayback.BEFORE)
        wayback.take(ctx, intent.hook)
        wayback.mark(ctx, host, places, wayback.AFTER)
        ctx.note(f"to remove the way back one day, on {intent.hook.host}: {' '.join(intent.hook.off)}")

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        busy = ctx.host_reader(intent.hook.host).unit(wayback.TAKE).phase is UnitPhase.RUNNING
        if busy or not wayback.is_there(ctx, intent.hook):
            return Outcome.UNTOUCHED
        said = set(wayback.marks(ctx, intent.engine.host, intent.directories).values())
        return Outcome.REACHED if said == {wayback.AFTER} else Outcome.UNTOUCHED
