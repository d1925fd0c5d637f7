"""The way back of ``close-gate``: users are in again, and it is seen from outside."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Context,
    GateState,
    Outcome,
    ReadContext,
    Undo,
    await_gate,
    gate_is_seen,
)

PATIENCE = 30.0
"""Seconds the application gets to find its databases again."""


@dataclass(frozen=True)
class OpenGateAgain(Undo):
    """Open the gate, put back what stood there, and see from outside that users are served."""

    earlier: str

    def run(self, ctx: Context) -> None:
        state = ctx.gate.observe()
        if state is GateState.FOREIGN and not self.earlier:
            ctx.note("something else stood where this run had put the maintenance text; it was taken away")
        if state is not GateState.OPEN or self.earlier:
            ctx.gate.open(self.earlier)
        gate = ctx.gate
        if gate.observe() is not GateState.OPEN:
            return  # what stood there before is not for this run to look behind
        for told in gate.missing():
            ctx.note(told)
        hint = "The databases are back as they were: look at the application, then resume."
        await_gate(ctx, "open", PATIENCE, "the gate is open, but users are not served", hint)

    def verify(self, ctx: ReadContext) -> Outcome:
        state = ctx.gate_reader.observe()
        if state is GateState.CLOSED and not self.earlier:
            return Outcome.UNTOUCHED
        if state is GateState.PARTIAL or ctx.gate_reader.earlier() != self.earlier:
            return Outcome.PARTIAL
        # An open gate before a page that does not answer is no service.
        served = state is not GateState.OPEN or gate_is_seen(ctx, "open")
        return Outcome.REACHED if served else Outcome.PARTIAL
