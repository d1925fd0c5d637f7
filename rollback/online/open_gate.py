"""The way back of ``open-gate``, which only a person can decide on: users are kept out again."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    GateState,
    Outcome,
    ReadContext,
    StepFailed,
    Undo,
    await_gate,
    gate_is_seen,
)

PATIENCE = 10.0
"""Seconds a front end gets to notice that the gate is closed."""


@dataclass(frozen=True)
class CloseGateAgain(Undo):
    """Close the gate again, with a text that says what goes on, and see from outside that users are kept out."""

    kind: str

    def run(self, ctx: Context) -> None:
        if self.kind == "none":
            return  # the databases are restricted next: that is all there is to keep anybody out
        if ctx.gate.observe() is GateState.FOREIGN:
            raise StepFailed(
                "something stands at the gate that this run did not put there",
                hint="Somebody keeps users out on purpose: talk to them, take it away, then: runbook resume.",
            )
        ctx.gate.close(ctx.public_text(), ctx.public_rules())
        hint = "Look whether the front end honours the gate, then: runbook resume."
        await_gate(ctx, "closed", PATIENCE, "users are not kept out", hint)

    def verify(self, ctx: ReadContext) -> Outcome:
        if self.kind == "none":
            return Outcome.REACHED
        state = ctx.gate_reader.observe()
        if state is GateState.OPEN:
            return Outcome.UNTOUCHED
        out = state is GateState.CLOSED and gate_is_seen(ctx, "closed")
        return Outcome.REACHED if out else Outcome.PARTIAL
