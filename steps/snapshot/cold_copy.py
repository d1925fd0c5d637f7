"""The copy that a major upgrade goes back to: everything the engine keeps, while nothing moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runbook.api import (
    COPY,
    LEAST,
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Engine,
    FileKind,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Service,
    Sizes,
    Step,
    carry_out,
    engine_of,
    enginefit,
    script,
    service_state,
)

UNIT = "cold-copy"
COPY_MIB_S = 40.0
"""Read twice, written once, read back once: what one spindle does of that."""


@dataclass(frozen=True)
class Facts:
    """Whether anything can move."""

    engine: Engine
    state: Service


@dataclass(frozen=True)
class Goal:
    """All of its files are in the run's directory, with a manifest."""

    engine: Engine


class ColdCopy(Step):
    """Copy everything the engine keeps, with checksums; the copy stays when the night is over."""

    phase = Phase.SNAPSHOT
    after = ("stop-engine",)
    strategies = frozenset({"in-place"})
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where packages are upgraded."""
        return enginefit.for_packages(plan)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(LEAST + sizes.gib(None) * 1024.0 / COPY_MIB_S)

    def observe(self, ctx: ReadContext) -> Facts:
        engine = engine_of(ctx)
        return Facts(engine, service_state(ctx, engine))

    def decide(self, facts: Facts) -> Decision:
        engine = facts.engine
        if facts.state is not Service.BARRED:
            return Block(f"{engine.service} on {engine.host} is {facts.state}", "Find out who did that.")
        return Apply(Goal(engine), undo=None)

    def apply(self, ctx: Context, intent: Goal) -> None:
        engine = intent.engine
        carry_out(ctx, engine.host, UNIT, script(COPY, engine.data, engine.kept, engine.service))

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        host = ctx.host_reader(intent.engine.host)
        found = host.stat(f"{intent.engine.kept}/data", root=True)
        whole = found is not None and found.kind is FileKind.DIRECTORY and host.unit(UNIT).succeeded
        return Outcome.REACHED if whole else Outcome.UNTOUCHED
