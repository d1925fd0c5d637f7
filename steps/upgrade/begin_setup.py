"""Setup begins: from here on only the snapshot goes back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PureWindowsPath

from rollback.upgrade.begin_setup import GoBack
from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Engine,
    LightStep,
    LogMark,
    MachineBefore,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Service,
    SetupBegun,
    Sizes,
    UnitPhase,
    engine_of,
    enginefit,
    in_place_of,
    installed,
    log_mark,
    service_state,
    setup_of,
    wayback,
    windowssetup,
)


@dataclass(frozen=True)
class Facts:
    """What would be begun, and whether there is a way back from it. ``marks``: what the marks on the machine say."""

    engine: Engine
    state: Service
    found: str
    old: str
    hook: wayback.Hook
    there: bool
    marks: tuple[str, ...]
    directories: tuple[str, ...]
    setup: str
    line: str
    log: LogMark
    boot_id: str


@dataclass(frozen=True)
class Goal:
    """That program runs on that machine, or has run."""

    engine: Engine
    setup: str
    line: str


class BeginSetup(LightStep):
    """Start the setup program, as work that outlives the connection and this program."""

    phase = Phase.UPGRADE
    after = ("take-way-back",)
    strategies = frozenset({"in-place"})
    undoes_with = (GoBack,)
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where a setup program upgrades."""
        return enginefit.for_setup(plan)

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(super().budget(sizes).do, in_place_of(self.plan).way_back_measured.seconds)

    def observe(self, ctx: ReadContext) -> Facts:
        plan, engine, hook = setup_of(ctx.plan), engine_of(ctx), wayback.hook_of(ctx)
        places = ctx.kept("check-setup", MachineBefore).directories
        return Facts(
            engine=engine,
            state=service_state(ctx, engine),
            found=installed(ctx, engine).version,
            old=plan.from_.version,
            hook=hook,
            there=wayback.is_there(ctx, hook),
            marks=tuple(wayback.marks(ctx, engine.host, places).values()),
            directories=places,
            setup=plan.setup,
            line=windowssetup.command_line(plan),
            log=log_mark(ctx, engine),
            boot_id=ctx.host_reader(engine.host).facts().boot_id,
        )

    def decide(self, facts: Facts) -> Decision:
        engine = facts.engine
        if not facts.there:
            return Block(f"the way back is not there any more on {facts.hook.host}", "Find out who removed it.")
        if set(facts.marks) != {wayback.AFTER}:
            return Block(f"the marks of the way back on {engine.host} are gone", "Find out who did that.")
        if facts.state is not Service.BARRED:
            return Block(f"{engine.service} on {engine.host} is {facts.state}", "Find out who did that.")
        if facts.found != facts.old:
            return Block(f"{engine.instance} on {engine.host} is {facts.found} by now", "Find out who did that.")
        undo = GoBack(engine, facts.old, facts.hook, facts.directories)
        keep = SetupBegun(facts.log.first, facts.log.length, facts.boot_id)
        return Apply(Goal(engine, facts.setup, facts.line), undo, keep)

    def apply(self, ctx: Context, intent: Goal) -> None:
        engine = intent.engine
        argv = windowssetup.setup_unit(intent.setup, intent.line, ctx.run_id, engine.instance)
        given = windowssetup.configuration(setup_of(ctx.plan).secrets)
        place = str(PureWindowsPath(intent.setup).parent)
        ctx.host(engine.host).start_unit(windowssetup.UNIT, argv, directory=place, stdin=given)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        phase = ctx.host_reader(intent.engine.host).unit(windowssetup.UNIT).phase
        return Outcome.UNTOUCHED if phase is UnitPhase.ABSENT else Outcome.REACHED
