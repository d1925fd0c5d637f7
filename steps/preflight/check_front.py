"""The front: what users see now must be what they are to see again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runbook.api import (
    Decision,
    Finding,
    GateState,
    LightStep,
    Phase,
    ReadContext,
    await_pages,
    gate_pages,
    judged,
    noted,
)

PATIENCE = 5.0
"""Seconds a page gets to answer as it should: one slow answer is no reason to refuse a night."""


@dataclass(frozen=True)
class Facts:
    """Gate, pages and pointer as they are; ``pointer`` empty where the plan has none."""

    kind: str = "file"
    gate: GateState = GateState.OPEN
    probes: int = 1
    complaints: tuple[str, ...] = ()
    pointer: str = ""
    troubles: tuple[str, ...] = ()


class CheckFront(LightStep):
    """Check that the gate is open, the pages answer, and clients go to the old server."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity", "check-hosts")

    def observe(self, ctx: ReadContext) -> Facts:
        pages = gate_pages(ctx.plan, "open")
        facts = Facts(
            kind=ctx.plan.gate.kind,
            gate=ctx.gate_reader.observe(),
            probes=len(pages),
            complaints=await_pages(ctx, pages, PATIENCE),
            troubles=ctx.gate_reader.troubles(),
            pointer="" if ctx.plan.repoint is None else ctx.pointer_reader.observe(),
        )
        noted(ctx, _remarks(facts))
        return facts

    def decide(self, facts: Facts) -> Decision:
        seen = f", {facts.probes} pages answer as in service" if facts.probes else ""
        points = ", clients go to the source" if facts.pointer else ""
        return judged(_problems(facts), f"the gate is open{seen}{points}")


def _problems(facts: Facts) -> Iterator[Finding]:
    if facts.gate is GateState.FOREIGN:
        yield Finding(
            "something that this run did not put there stands where the gate is",
            "Look at what it is: take it away, or end the run that left it (runbook runs).",
        )
    elif facts.gate in {GateState.CLOSED, GateState.PARTIAL}:
        yield Finding("the gate is closed already", "Open it first: the way back ends with an open gate.")
    for trouble in facts.troubles:
        yield Finding(f"the gate could not be closed: {trouble}", "Mend it, or correct the gate in the plan.")
    for complaint in facts.complaints:
        yield Finding(f"not in service: {complaint}", "Bring the page back, or correct gate.probes in the plan.")
    if facts.pointer == "target":
        yield Finding("clients are sent to the target already", "Point them to the source, or correct repoint.")
    elif facts.pointer not in {"", "source"}:
        yield Finding(
            "it cannot be told where clients are sent",
            "Each text of repoint.replace must occur exactly once, in the form of the source; a probe must end with 1.",
        )


def _remarks(facts: Facts) -> Iterator[str]:
    if facts.kind == "none":
        yield "there is no gate: what users write during the window may be lost by turning back"
    elif not facts.probes:
        yield "the gate has no probes: nobody looks from outside whether users are kept out"
