"""The new engine starts and converts everything: from here on only the cold copy goes back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollback.upgrade.start_engine import PutCopyBack
from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Engine,
    FileKind,
    Installed,
    LogMark,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Service,
    Sizes,
    Step,
    await_engine,
    begin_anew,
    engine_of,
    enginefit,
    in_place_of,
    installed,
    log_mark,
    service_state,
    start_service,
    version_now,
)

CONVERTS_WITHIN = 120.0
"""Seconds for upgrade scripts of the system databases, whatever the size of the others."""
PUT_BACK = "put-copy-back"


@dataclass(frozen=True)
class Facts:
    """What would be started, and whether there is a way back from it."""

    engine: Engine
    state: Service
    found: Installed
    new: str
    product: str
    has_copy: bool
    log: LogMark


@dataclass(frozen=True)
class Goal:
    """It answers as that version. ``log`` is where its error log stood."""

    engine: Engine
    product: str
    log: LogMark


class StartEngine(Step):
    """Start the new engine, and wait until its upgrade scripts are through and it answers logins."""

    phase = Phase.UPGRADE
    after = ("upgrade-packages",)
    strategies = frozenset({"in-place"})
    undoes_with = (PutCopyBack,)
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where packages are upgraded."""
        return enginefit.for_packages(plan)

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (measured, not computed)
        return Budget(CONVERTS_WITHIN, in_place_of(self.plan).way_back_measured.seconds)

    def observe(self, ctx: ReadContext) -> Facts:
        plan, engine = in_place_of(ctx.plan), engine_of(ctx)
        found = ctx.host_reader(engine.host).stat(f"{engine.kept}/data", root=True)
        return Facts(
            engine=engine,
            state=service_state(ctx, engine),
            found=installed(ctx, engine),
            new=plan.to.version,
            product=plan.to.product,
            has_copy=found is not None and found.kind is FileKind.DIRECTORY,
            log=log_mark(ctx, engine),
        )

    def decide(self, facts: Facts) -> Decision:
        engine = facts.engine
        if not facts.has_copy:
            return Block(f"the cold copy {engine.kept}/data on {engine.host} is gone", "Find out who did that.")
        if facts.state is not Service.BARRED:
            return Block(f"{engine.service} on {engine.host} is {facts.state}", "Find out who did that.")
        if not facts.found.is_whole(facts.new):
            found = f"{facts.found.version} ({facts.found.status})"
            return Block(f"{engine.package} on {engine.host} is {found} by now", "Find out who did that.")
        return Apply(Goal(engine, facts.product, facts.log), PutCopyBack(engine))

    def apply(self, ctx: Context, intent: Goal) -> None:
        begin_anew(ctx, intent.engine.host, PUT_BACK)
        start_service(ctx, intent.engine)
        await_engine(ctx, intent.engine, intent.product, intent.log)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        state = service_state(ctx, intent.engine)
        if state is Service.BARRED:
            return Outcome.UNTOUCHED  # only its way back bars it, and that is asked apart
        reached = state is Service.RUNNING and version_now(ctx, intent.engine) == intent.product
        return Outcome.REACHED if reached else Outcome.PARTIAL
