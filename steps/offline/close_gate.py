"""The gate closes: from here on nobody waits for less than the whole window."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.offline.close_gate import OpenGateAgain
from runbook.api import (
    LEAST,
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    GateBefore,
    GateState,
    Outcome,
    Pass,
    Phase,
    ReadContext,
    Sizes,
    Step,
)

COMMAND = 5.0
"""Seconds for a command that closes or opens something: a service, a rule of a load balancer."""


@dataclass(frozen=True)
class Facts:
    """The gate, and what stands where the maintenance text goes."""

    kind: str
    state: GateState = GateState.OPEN
    earlier: str = ""


@dataclass(frozen=True)
class Goal:
    """The gate is closed by this run."""

    kind: str


class CloseGate(Step):
    """Close the gate: users get the maintenance text."""

    phase = Phase.OFFLINE
    after = ("pin-exchange", "seed-restore", "fetch-packages")
    undoes_with = (OpenGateAgain,)
    Intent = Goal

    def budget(self, sizes: Sizes) -> Budget:
        del sizes
        return Budget(COMMAND, COMMAND) if self.plan.gate.kind == "command" else Budget(LEAST, 1.0)

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts(ctx.plan.gate.kind, ctx.gate_reader.observe(), ctx.gate_reader.earlier())

    def decide(self, facts: Facts) -> Decision:
        if facts.kind == "none":
            return Pass("the plan has no gate: users are not kept out", keep=GateBefore(facts.earlier))
        if facts.state is GateState.FOREIGN:
            return Block(
                "something that this run did not put there stands where the gate is",
                "Look at what it is and take it away, then start again.",
            )
        if facts.state is GateState.CLOSED and facts.earlier:
            return Block(
                "somebody else has closed the gate since it was checked",
                "Find out why; open it and start again.",
            )
        return Apply(Goal(facts.kind), OpenGateAgain(facts.earlier), keep=GateBefore(facts.earlier))

    def apply(self, ctx: Context, intent: Goal) -> None:
        del intent
        ctx.gate.close(ctx.public_text())

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        del intent
        state = ctx.gate_reader.observe()
        if state is GateState.CLOSED:
            return Outcome.REACHED
        # A page of somebody else stands there by now: neither open nor closed by this run.
        return Outcome.UNTOUCHED if state is GateState.OPEN else Outcome.PARTIAL
