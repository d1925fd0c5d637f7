"""The binaries are replaced; the files of the databases are what they were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollback.upgrade.upgrade_packages import OldPackages
from runbook.api import (
    INSTALL,
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Engine,
    Installed,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Service,
    Sizes,
    Step,
    UnitPhase,
    carry_out,
    engine_of,
    enginefit,
    installed,
    packages_of,
    script,
    service_state,
)

UNIT = "upgrade-packages"


@dataclass(frozen=True)
class Facts:
    """What is installed, and whether the engine could be started by it."""

    engine: Engine
    state: Service
    found: Installed
    old: str
    new: str


@dataclass(frozen=True)
class Goal:
    """The new version is installed whole."""

    engine: Engine
    old: str
    new: str


class UpgradePackages(Step):
    """Install the new packages; the engine is not started by it."""

    phase = Phase.UPGRADE
    after = ("switch-repository",)
    strategies = frozenset({"in-place"})
    undoes_with = (OldPackages,)
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where packages are upgraded."""
        return enginefit.for_packages(plan)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (packages are of one size)
        return Budget(180.0, 60.0)

    def observe(self, ctx: ReadContext) -> Facts:
        plan, engine = packages_of(ctx.plan), engine_of(ctx)
        state = service_state(ctx, engine)
        return Facts(engine, state, installed(ctx, engine), plan.from_.version, plan.to.version)

    def decide(self, facts: Facts) -> Decision:
        engine = facts.engine
        if facts.state is not Service.BARRED:
            return Block(f"{engine.service} on {engine.host} is {facts.state}", "Find out who did that.")
        if not facts.found.is_whole(facts.old):
            found = f"{facts.found.version} ({facts.found.status})"
            return Block(f"{engine.package} on {engine.host} is {found} by now", "Find out who did that.")
        return Apply(Goal(engine, facts.old, facts.new), OldPackages(engine, facts.old))

    def apply(self, ctx: Context, intent: Goal) -> None:
        carry_out(ctx, intent.engine.host, UNIT, script(INSTALL, intent.engine.kept))

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        found = installed(ctx, intent.engine)
        phase = ctx.host_reader(intent.engine.host).unit(UNIT).phase
        if phase is UnitPhase.RUNNING:
            return Outcome.PARTIAL
        if found.is_whole(intent.new):
            return Outcome.REACHED
        return Outcome.UNTOUCHED if found.is_whole(intent.old) else Outcome.PARTIAL
