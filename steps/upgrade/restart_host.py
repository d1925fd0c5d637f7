"""The machine starts anew, when setup wants it and the plan allows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runbook.api import (
    Apply,
    Budget,
    Context,
    Decision,
    Engine,
    EngineBefore,
    HostError,
    LogMark,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    SetupBegun,
    Sizes,
    Skip,
    Step,
    StepFailed,
    Unreachable,
    await_engine,
    engine_of,
    enginefit,
    services_as_before,
    setup_of,
    start_dependents,
    start_service,
    version_now,
    windowsengine,
    windowssetup,
)

RESTARTS_WITHIN = 900.0
"""Seconds; updates that Windows finishes on the way are part of it."""
LATEST = 1800.0
POLL = 5.0
UNDER_WAY = (0, 1115, 1190)
"""Exit codes of shutdown.exe: ordered, under way, ordered already."""


@dataclass(frozen=True)
class Facts:
    """How setup ended, and which boot it was when it began."""

    engine: Engine
    product: str
    code: int | None
    boot_id: str
    services: tuple[windowsengine.ServiceSeen, ...]
    log: LogMark


@dataclass(frozen=True)
class Goal:
    """Another boot than that one, and the engine answers as that version."""

    engine: Engine
    product: str
    boot_id: str
    services: tuple[windowsengine.ServiceSeen, ...]
    log: LogMark


class RestartHost(Step):
    """Restart the machine when setup ended with 3010, and wait until the engine answers again."""

    phase = Phase.UPGRADE
    after = ("await-setup",)
    strategies = frozenset({"in-place"})
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where the plan allows it."""
        return (None,) if enginefit.for_setup(plan) and setup_of(plan).restart == "during-window" else ()

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (a boot is a boot)
        return Budget(RESTARTS_WITHIN)

    def observe(self, ctx: ReadContext) -> Facts:
        engine, begun = engine_of(ctx), ctx.kept("begin-setup", SetupBegun)
        return Facts(
            engine=engine,
            product=setup_of(ctx.plan).to.product,
            code=windowssetup.signed(ctx.host_reader(engine.host).unit(windowssetup.UNIT).exit_code),
            boot_id=begun.boot_id,
            services=ctx.kept("stop-engine", EngineBefore).services,
            log=LogMark(begun.log_first, begun.log_length),
        )

    def decide(self, facts: Facts) -> Decision:
        if facts.code not in windowssetup.RESTART:
            return Skip("setup wants no restart")
        return Apply(Goal(facts.engine, facts.product, facts.boot_id, facts.services, facts.log), undo=None)

    def apply(self, ctx: Context, intent: Goal) -> None:
        engine = intent.engine
        if not _restarted(ctx, intent):
            _order(ctx, engine)
        waited = 0.0
        while not _restarted(ctx, intent):
            if waited > LATEST:
                raise StepFailed(f"{engine.host} does not start anew", hint="Look at its console.")
            ctx.sleep(POLL)
            waited += POLL
        start_service(ctx, engine, intent.services)
        await_engine(ctx, engine, intent.product, intent.log)
        start_dependents(ctx, engine, intent.services)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        engine = intent.engine
        if not _restarted(ctx, intent) or version_now(ctx, engine) != intent.product:
            return Outcome.UNTOUCHED
        return Outcome.REACHED if services_as_before(ctx, engine, intent.services) else Outcome.UNTOUCHED


def _restarted(ctx: ReadContext, intent: Goal) -> bool:
    """False while it does not answer."""
    try:
        now = ctx.host_reader(intent.engine.host).facts().boot_id
    except (HostError, Unreachable):
        return False
    return windowsengine.is_another_boot(intent.boot_id, now)


def _order(ctx: Context, engine: Engine) -> None:
    """Its connection may be cut before the answer comes: whether it was heard is seen by the boot."""
    argv = ("shutdown.exe", "/r", "/t", "5", "/d", "p:4:2", "/c", f"runbook {ctx.run_id}: setup wants it")
    try:
        done = ctx.host(engine.host).run(argv, timeout=windowsengine.SHORT, effect=True, root=True)
    except HostError as error:
        if not error.in_doubt:
            raise
        return
    if done.exit_code not in UNDER_WAY:
        raise StepFailed(f"{engine.host} is not restarted: {done.said()}", hint="Look there: shutdown.exe /r.")
