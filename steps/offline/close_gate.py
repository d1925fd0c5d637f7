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
    hosts_of,
    noted,
)

COMMAND = 5.0
"""Seconds for a command that closes or opens something, and for hosts: a service, a rule of a load balancer."""


@dataclass(frozen=True)
class Facts:
    """The gate, and what stands where the maintenance text goes."""

    kind: str
    state: GateState = GateState.OPEN
    earlier: str = ""


@dataclass(frozen=True)
class Goal:
    """The gate is closed by this run; ``earlier`` is what the gate says while nothing was touched."""

    kind: str
    earlier: str = ""


class CloseGate(Step):
    """Close the gate: users get the maintenance text."""

    phase = Phase.OFFLINE
    after = ("pin-exchange", "seed-restore", "fetch-packages", "create-container", "count-held")
    undoes_with = (OpenGateAgain,)
    Intent = Goal

    def budget(self, sizes: Sizes) -> Budget:
        del sizes
        if self.plan.gate.kind == "command" or hosts_of(self.plan.gate):
            return Budget(COMMAND, COMMAND)
        return Budget(LEAST, 1.0)

    def observe(self, ctx: ReadContext) -> Facts:
        gate = ctx.gate_reader
        facts = Facts(ctx.plan.gate.kind, gate.observe(), gate.earlier())
        noted(ctx, gate.missing())
        return facts

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
        return Apply(Goal(facts.kind, facts.earlier), OpenGateAgain(facts.earlier), keep=GateBefore(facts.earlier))

    def apply(self, ctx: Context, intent: Goal) -> None:
        del intent
        ctx.gate.close(ctx.public_text(), ctx.public_rules())

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        gate = ctx.gate_reader
        state = gate.observe()
        if state is GateState.CLOSED:
            return Outcome.REACHED
        # Else a page of somebody else stands there by now, or some of what was there has been changed.
        untouched = state is GateState.OPEN and gate.earlier() == intent.earlier
        return Outcome.UNTOUCHED if untouched else Outcome.PARTIAL
