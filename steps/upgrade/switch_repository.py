"""Where packages of the engine come from, from now on."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from rollback.upgrade.switch_repository import SwitchBack
from runbook.api import (
    Apply,
    Block,
    Context,
    Decision,
    LightStep,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    enginefit,
    packages_of,
)


@dataclass(frozen=True)
class Facts:
    """The file as it is, in base64 so that every byte of it comes back; None when there is none."""

    host: str
    path: str
    earlier: str | None
    line: str


@dataclass(frozen=True)
class Goal:
    """The file holds that line."""

    host: str
    path: str
    line: str
    earlier: str


class SwitchRepository(LightStep):
    """Let apt take the engine's packages from the new repository."""

    phase = Phase.UPGRADE
    after = ("cold-copy",)
    strategies = frozenset({"in-place"})
    undoes_with = (SwitchBack,)
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where packages are upgraded."""
        return enginefit.for_packages(plan)

    def observe(self, ctx: ReadContext) -> Facts:
        plan = packages_of(ctx.plan)
        found = ctx.host_reader(plan.host).read(plan.sources, root=True)
        earlier = None if found is None else base64.b64encode(found).decode("ascii")
        return Facts(plan.host, plan.sources, earlier, plan.to.source)

    def decide(self, facts: Facts) -> Decision:
        if facts.earlier is None:
            return Block(f"{facts.path} is gone from {facts.host}", "Find out who did that.")
        goal = Goal(facts.host, facts.path, facts.line, facts.earlier)
        return Apply(goal, SwitchBack(facts.host, facts.path, facts.earlier))

    def apply(self, ctx: Context, intent: Goal) -> None:
        ctx.host(intent.host).write(intent.path, f"{intent.line}\n".encode(), root=True)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        found = ctx.host_reader(intent.host).read(intent.path, root=True)
        if found == f"{intent.line}\n".encode():
            return Outcome.REACHED
        return Outcome.UNTOUCHED if found == base64.b64decode(intent.earlier) else Outcome.PARTIAL
