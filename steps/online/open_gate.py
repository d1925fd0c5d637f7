"""The point of no return."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    GateBefore,
    GateOpened,
    GateState,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    Step,
    gate_is_gone,
)


@dataclass(frozen=True)
class Facts:
    """What the gate says, and what stood there before this run closed it."""

    state: GateState
    earlier: str = ""


@dataclass(frozen=True)
class Goal:
    """The gate is open, as it was before the run."""

    earlier: str


class OpenGate(Step):
    """Open the gate: users come in, and from here nothing goes back by itself."""

    phase = Phase.ONLINE
    after = ("last-look",)
    pivot = True
    irreversible = True
    Intent = Goal

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(0.5)

    def observe(self, ctx: ReadContext) -> Facts:
        before = ctx.find_kept("close-gate", GateBefore)
        if gate_is_gone(ctx):
            ctx.note("the gate stood open already when it was to be opened: somebody took it away a moment before")
        return Facts(ctx.gate_reader.observe(), "" if before is None else before.earlier)

    def decide(self, facts: Facts) -> Decision:
        if facts.state is GateState.FOREIGN:
            return Block(
                "something stands at the gate that this run did not put there",
                "Somebody keeps users out on purpose: talk to them, then start again.",
            )
        return Apply(Goal(facts.earlier), undo=None, keep=GateOpened(facts.earlier))

    def apply(self, ctx: Context, intent: Goal) -> None:
        ctx.gate.open(intent.earlier)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:  # noqa: ARG002  (the gate says it all)
        state = ctx.gate_reader.observe()
        return {GateState.OPEN: Outcome.REACHED, GateState.CLOSED: Outcome.UNTOUCHED}.get(state, Outcome.PARTIAL)
