"""``runbook check``: go or no-go, read-only, at any time of the day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from runbook.engine import Engine
from runbook.events import Draft, Kind
from runbook.executor import Executor, fit_of
from runbook.graph import Graph, Node
from runbook.journal.log import RunLog
from runbook.journal.store import open_store
from runbook.plan.compile import Compiled, Fit
from runbook.plan.load import load_plan
from runbook.plan.models import Plan
from runbook.states import StepState
from runbook.step import Phase
from runbook.workers import ThreadWorkers


@dataclass(frozen=True)
class Finding:
    """One check. ``ok`` false is a no-go; ``what`` the diagnosis, ``hint`` the remedy."""

    check: str
    ok: bool
    what: str
    hint: str = ""


@dataclass(frozen=True)
class Report:
    """All checks, dated; instants are aware UTC."""

    plan: str
    checked_at: datetime
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    fit: Fit

    @property
    def go(self) -> bool:
        """Nothing speaks against it."""
        return all(finding.ok for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The documented schema."""
        return {
            "plan": self.plan,
            "checked_at": self.checked_at.isoformat(timespec="seconds"),
            "go": self.go,
            "findings": [vars(finding) for finding in self.findings],
            "notes": list(self.notes),
            "fit": vars(self.fit),
        }


def check(
    executor: Executor, plan_path: Path, window: timedelta | None, unrehearsed: Callable[[Plan], str] = lambda _: ""
) -> Report:
    """Run the preflight steps of the plan against the servers; changes nothing, leaves nothing in the journal.
    ``unrehearsed`` says why execute will ask for a rehearsal: that speaks not against it, but there is time for one."""
    plan = load_plan(plan_path)
    world = executor.world(plan)
    world.sizes, servers = world.survey()
    compiled = executor.compiled(plan, world.sizes)
    length = (plan.window.length if window is None else window).total_seconds()
    fit = fit_of(plan, compiled.graph, length)
    opening = {
        "plan_name": plan.name,
        "closes_at": (executor.now() + timedelta(seconds=length)).isoformat(),
        "reserve": fit.reserve,
        "graph": _preflight(compiled).to_json(),
        "servers": servers,
    }
    draft = Draft(Kind.RUN_OPENED, None, opening)
    log = RunLog.open_run(open_store("sqlite://"), "check", draft, actor=executor.actor, now=executor.now)
    workers = ThreadWorkers(plan.limits.workers)
    world.attach(log)
    Engine(log, compiled.steps, {}, world, executor.clock, executor.now, workers, executor.watcher).drive()
    why = unrehearsed(plan)
    notes = [*log.view.findings, *([f"execute will ask for a rehearsal: {why}"] if why else [])]
    return Report(plan.name, executor.now(), (*_findings(log), _window(fit), _journal(executor)), tuple(notes), fit)


def _preflight(compiled: Compiled) -> Graph:
    """The checks that only look; what moves something, such as the exercise of a standby, is for a run."""
    graph = compiled.graph
    kept = {node.id for node in graph if node.phase == Phase.PREFLIGHT and compiled.steps[node.id].Intent is None}
    nodes = [
        Node(node.id, node.phase, tuple(b for b in node.after if b in kept), node.servers, node.do_budget)
        for node in graph
        if node.id in kept
    ]
    return Graph(nodes, graph.limits)


def _findings(log: RunLog) -> list[Finding]:
    good = (StepState.PASSED, StepState.SKIPPED)
    return [
        Finding(identity, step.state in good, step.why or _NOT_LOOKED, step.hint)
        for identity, step in log.view.steps.items()
    ]


_NOT_LOOKED = "not looked at: a check before it found something"


def _window(fit: Fit) -> Finding:
    what = (
        f"forward {fit.forward:.0f} s, way back {fit.way_back:.0f} s, reserve {fit.reserve:.0f} s, "
        f"window {fit.window:.0f} s"
    )
    return Finding("fits-window", fit.fits, what, "" if fit.fits else "Give a longer window or measured budgets.")


def _journal(executor: Executor) -> Finding:
    """A run that cannot write its journal may do nothing more, also nothing of the way back."""
    missing = executor.store.unreserved
    if not missing:
        return Finding("journal-room", True, "the journal has room for the record of a way back")
    hint = "Make room there, or put the journal elsewhere with RUNBOOK_HOME, RUNBOOK_JOURNAL or --journal."
    return Finding("journal-room", False, missing, hint)
