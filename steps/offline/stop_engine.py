"""The engine stops: from here on its files hold still."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.offline.stop_engine import StartEngineAgain
from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    DatabaseBefore,
    Decision,
    Engine,
    EngineBefore,
    Outcome,
    Phase,
    ReadContext,
    Service,
    Sizes,
    Step,
    engine_of,
    service_state,
    services_as_before,
    stop_engine,
    windowsengine,
)


@dataclass(frozen=True)
class Facts:
    """The engine as it runs, with every database it has."""

    engine: Engine
    state: Service
    before: EngineBefore


@dataclass(frozen=True)
class Goal:
    """It is down, and nobody can start it. ``services``: those of Windows, as they were."""

    engine: Engine
    services: tuple[windowsengine.ServiceSeen, ...] = ()


class StopEngine(Step):
    """Stop the engine, and keep everybody from starting it, also through a reboot."""

    phase = Phase.OFFLINE
    after = ("prove-quiet", "prove-reference", "backup-database", "fetch-packages")
    strategies = frozenset({"in-place"})
    undoes_with = (StartEngineAgain,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (what is in memory, not on disk, decides)
        return Budget(60.0, 60.0)

    def observe(self, ctx: ReadContext) -> Facts:
        engine = engine_of(ctx)
        reader = ctx.reader(engine.server)
        databases = tuple(DatabaseBefore.of(info) for _, info in sorted(reader.databases().items()))
        seen = windowsengine.look(ctx, engine.host, engine.instance) if engine.instance else None
        identity, services = reader.identity(), seen.services if seen else ()
        before = EngineBefore(identity.version, databases, identity.edition, services)
        return Facts(engine, service_state(ctx, engine), before)

    def decide(self, facts: Facts) -> Decision:
        engine = facts.engine
        if facts.state is not Service.RUNNING:
            return Block(f"{engine.service} on {engine.host} is {facts.state}", "Find out who did that.")
        before = facts.before
        return Apply(
            Goal(engine, before.services), StartEngineAgain(engine, before.version, before.services), keep=before
        )

    def apply(self, ctx: Context, intent: Goal) -> None:
        stop_engine(ctx, intent.engine)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        state = service_state(ctx, intent.engine)
        if state is Service.BARRED:
            return Outcome.REACHED
        untouched = state is Service.RUNNING and services_as_before(ctx, intent.engine, intent.services)
        return Outcome.UNTOUCHED if untouched else Outcome.PARTIAL
