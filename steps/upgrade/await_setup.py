"""Setup has done its work, and the engine has converted everything and answers."""

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
    Step,
    StepFailed,
    UnitPhase,
    UnitState,
    Unreachable,
    await_engine,
    await_unit,
    engine_of,
    enginefit,
    fatal_lines,
    services_as_before,
    setup_of,
    start_dependents,
    start_service,
    version_now,
    windowsengine,
    windowssetup,
)

RUNS_WITHIN = {"upgrade": 2700.0, "patch": 1500.0}
"""Seconds setup takes, upgrade scripts included, until somebody has measured it."""


@dataclass(frozen=True)
class Facts:
    """What is waited for; ``services`` as they were before, ``log``: where the error log stood."""

    engine: Engine
    product: str
    major: int
    restart: bool
    services: tuple[windowsengine.ServiceSeen, ...]
    log: LogMark


@dataclass(frozen=True)
class Goal:
    """Setup ended well, and the engine answers as that version, or the machine is to be restarted first, which
    ``restart`` allows."""

    engine: Engine
    product: str
    major: int
    restart: bool
    services: tuple[windowsengine.ServiceSeen, ...]
    log: LogMark


class AwaitSetup(Step):
    """Wait until setup has ended, read its exit code and its logs, and wait until the new engine answers logins."""

    phase = Phase.UPGRADE
    after = ("begin-setup",)
    strategies = frozenset({"in-place"})
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where a setup program upgrades."""
        return enginefit.for_setup(plan)

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (programs are of one size)
        return Budget(RUNS_WITHIN[setup_of(self.plan).action])

    def observe(self, ctx: ReadContext) -> Facts:
        plan, begun = setup_of(ctx.plan), ctx.kept("begin-setup", SetupBegun)
        return Facts(
            engine=engine_of(ctx),
            product=plan.to.product,
            major=plan.to.major,
            restart=plan.restart == "during-window",
            services=ctx.kept("stop-engine", EngineBefore).services,
            log=LogMark(begun.log_first, begun.log_length),
        )

    def decide(self, facts: Facts) -> Decision:
        goal = Goal(facts.engine, facts.product, facts.major, facts.restart, facts.services, facts.log)
        return Apply(goal, undo=None)

    def apply(self, ctx: Context, intent: Goal) -> None:
        engine = intent.engine
        state = await_unit(ctx, ctx.host_reader(engine.host), windowssetup.UNIT)
        code = windowssetup.signed(state.exit_code)
        if state.phase is not UnitPhase.EXITED or code not in windowssetup.GOOD:
            raise _failed(ctx, intent, state)
        if code in windowssetup.RESTART:
            if not intent.restart:
                raise StepFailed(
                    f"setup on {engine.host} wants the machine restarted ({windowssetup.meaning(code)})",
                    hint="Say in_place.restart: during-window, with a window long enough for it.",
                )
            return
        start_service(ctx, engine, intent.services)
        await_engine(ctx, engine, intent.product, intent.log)
        start_dependents(ctx, engine, intent.services)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        engine = intent.engine
        state = ctx.host_reader(engine.host).unit(windowssetup.UNIT)
        code = windowssetup.signed(state.exit_code)
        if state.phase is not UnitPhase.EXITED or code not in windowssetup.GOOD:
            return Outcome.UNTOUCHED
        if code in windowssetup.RESTART:
            return Outcome.REACHED if intent.restart else Outcome.UNTOUCHED
        reached = version_now(ctx, engine) == intent.product and services_as_before(ctx, engine, intent.services)
        return Outcome.REACHED if reached else Outcome.UNTOUCHED


def _failed(ctx: ReadContext, intent: Goal, state: UnitState) -> StepFailed:
    """With all that setup and the engine themselves say."""
    engine = intent.engine
    how = state.reason or windowssetup.meaning(state.exit_code)
    if state.phase is UnitPhase.ABSENT:
        how = "its record is gone"
    said, folder = "", "Setup Bootstrap\\Log"
    try:
        logs = windowssetup.setup_logs(ctx, engine.host, engine.instance, intent.major)
        started_at = state.started_at.timestamp() if state.started_at else 0.0
        said, folder = windowssetup.excerpt(logs, started_at), logs.folder
    except (HostError, Unreachable) as error:
        ctx.note(f"the logs of setup could not be read: {error.message}")
    lines = [line.strip() for line in state.last_output.splitlines() if line.strip()]
    told = [said or "; ".join(lines[-2:]), *fatal_lines(ctx, engine, intent.log)]
    text = windowssetup.without_secrets("; ".join(one for one in told if one), setup_of(ctx.plan).secrets)
    return StepFailed(
        f"setup on {engine.host} failed ({how}){f': {text}' if text else ''}",
        hint=f"Its logs are on that machine until it is put back: {folder}; the record has what matters of them.",
    )
