"""Clients are told where the new server is, while the gate still keeps them out."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.online.repoint import PointBack
from runbook.api import (
    GATE_HINT,
    GATE_IS_GONE,
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    Skip,
    Step,
    gate_is_gone,
)


@dataclass(frozen=True)
class Facts:
    """Where clients point; ``earlier`` puts back exactly what is there."""

    wanted: bool
    points_to: str = "source"
    earlier: str = ""
    gate_is_gone: bool = False


@dataclass(frozen=True)
class Goal:
    """Clients point to the target."""

    earlier: str


class Repoint(Step):
    """Point clients to the new server."""

    phase = Phase.ONLINE
    after = ("check-version", "compare-proof", "check-database", "run-queries", "carry-jobs")
    strategies = frozenset({"side-by-side"})
    undoes_with = (PointBack,)
    Intent = Goal

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(1.0, 1.0)

    def observe(self, ctx: ReadContext) -> Facts:
        if ctx.plan.repoint is None:
            return Facts(wanted=False)
        return Facts(True, ctx.pointer_reader.observe(), ctx.pointer_reader.earlier(), gate_is_gone(ctx))

    def decide(self, facts: Facts) -> Decision:
        if not facts.wanted:
            return Skip("the plan does not point clients anywhere")
        if facts.gate_is_gone:
            return Block(GATE_IS_GONE, GATE_HINT)
        if facts.points_to != "source":
            where = "the target already" if facts.points_to == "target" else "neither server"
            return Block(f"clients point to {where}", "Somebody changed it since the run began: put it back first.")
        return Apply(Goal(facts.earlier), PointBack(facts.earlier))

    def apply(self, ctx: Context, intent: Goal) -> None:  # noqa: ARG002  (the pointer knows both ends)
        ctx.pointer.forward()

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:  # noqa: ARG002  (the pointer knows both ends)
        found = ctx.pointer_reader.observe()
        return {"target": Outcome.REACHED, "source": Outcome.UNTOUCHED}.get(found, Outcome.PARTIAL)
