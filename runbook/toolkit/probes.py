"""Looking at pages from outside, as users do, until they answer as they should."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from runbook.errors import StepFailed
from runbook.front import GateState
from runbook.plan.models import Plan
from runbook.ports import WebAnswer
from runbook.step import ReadContext
from runbook.toolkit.proof import named_lines

PAUSE = 0.5
"""Seconds between two looks."""
ANSWER_WITHIN = 5.0
"""Seconds one page may take: users give up as well."""

GateSide = Literal["open", "closed"]


@dataclass(frozen=True)
class Page:
    """One page and what it must show."""

    url: str
    status: int
    contains: str | None = None
    name: str = ""


GATE_IS_GONE = "the gate stands open, although this run closed it"
GATE_HINT = "Somebody took it away while users had to stay out: find out who, then start again."


def gate_is_gone(ctx: ReadContext) -> bool:
    """The plan has a gate, this run closed it, and it is open: users may come in before anything is validated."""
    return ctx.plan.gate.kind != "none" and ctx.gate_reader.observe() in {GateState.OPEN, GateState.PARTIAL}


def gate_pages(plan: Plan, state: GateSide) -> tuple[Page, ...]:
    """What the plan's probes, and those of every impact, must see while the gate is in that state."""
    probes = () if plan.gate.kind == "none" else plan.gate.probes
    wanted = [(probe.url, probe.open if state == "open" else probe.closed, "") for probe in probes]
    for impact in plan.impacts:
        for look in impact.probes:
            expected = look.after if state == "open" else look.during
            wanted.append((look.url, expected, f"{impact.name} ({impact.impact})"))
    return tuple(Page(url, expected.status, expected.contains, name) for url, expected, name in wanted)


def complaint(page: Page, answer: WebAnswer) -> str:
    """What is wrong with an answer; empty when nothing is."""
    label = f"{page.name}: {page.url}" if page.name else page.url
    if answer.status == 0:
        return f"{label} does not answer: {answer.body}"
    if answer.status != page.status:
        return f"{label} answers {answer.status}, not {page.status}"
    if page.contains and page.contains not in answer.body:
        return f"{label} answers {answer.status} without {page.contains!r}"
    return ""


def complaints(ctx: ReadContext, pages: Sequence[Page]) -> tuple[str, ...]:
    """What is wrong with the pages now."""
    found = [complaint(page, ctx.web.get(page.url, timeout=ANSWER_WITHIN)) for page in pages]
    return tuple(one for one in found if one)


def await_pages(ctx: ReadContext, pages: Sequence[Page], seconds: float) -> tuple[str, ...]:
    """Look again and again until all is well or ``seconds`` have passed; return what is still wrong."""
    return await_silence(ctx, lambda: complaints(ctx, pages), seconds)


def await_gate(ctx: ReadContext, state: GateSide, seconds: float, trouble: str, hint: str) -> None:
    """Wait until the gate is seen in that state from outside; StepFailed with ``trouble`` and what is seen instead."""
    wrong = await_pages(ctx, gate_pages(ctx.plan, state), seconds)
    if wrong:
        raise StepFailed(f"{trouble}: {named_lines(wrong)}", hint=hint)


def gate_is_seen(ctx: ReadContext, state: GateSide) -> bool:
    """Whether the gate is in that state as seen from outside, now; true where the plan has no probes."""
    return not complaints(ctx, gate_pages(ctx.plan, state))


def await_silence(ctx: ReadContext, look: Callable[[], tuple[str, ...]], seconds: float) -> tuple[str, ...]:
    """Call ``look`` until it has nothing to say, at least once, for at most that many seconds."""
    waited = 0.0
    while True:
        ctx.checkpoint()
        found = look()
        if not found or waited >= seconds:
            return found
        ctx.sleep(PAUSE)
        waited += PAUSE
