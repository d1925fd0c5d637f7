"""``runbook plan``: the steps in order, with budgets, ways back and the turn-back point."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from runbook.adapters.sqlserver.scribe import Scribe
from runbook.errors import RunbookError
from runbook.executor import Executor, fit_of
from runbook.plan.compile import Compiled, Fit
from runbook.plan.load import load_plan
from runbook.step import Sizes


@dataclass(frozen=True)
class Outline:
    """What a plan compiles to. ``unknown`` says why sizes are not known, empty when they are."""

    plan: str
    strategy: str
    compiled: Compiled
    fit: Fit
    unknown: str

    def to_json(self) -> dict[str, Any]:
        """The documented schema: budgets in seconds."""
        fit = self.fit
        return {
            "plan": self.plan,
            "strategy": self.strategy,
            "window_s": fit.window,
            "reserve_s": fit.reserve,
            "forward_s": fit.forward,
            "way_back_s": fit.way_back,
            "turn_back_after_s": fit.window - fit.way_back - fit.reserve,
            "fits": fit.fits,
            "sizes_unknown": self.unknown,
            "steps": [self._step(identity) for identity in self.compiled.graph.nodes],
        }

    def _step(self, identity: str) -> dict[str, Any]:
        node, step = self.compiled.graph[identity], self.compiled.steps[identity]
        return {
            "id": identity,
            "phase": node.phase,
            "does": step.describe(),
            "after": list(node.after),
            "servers": list(node.servers),
            "budget_s": node.do_budget,
            "undo_budget_s": node.undo_budget,
            "budget_from": node.source,
            "undo": [undo.name for undo in step.undoes_with],
            "pivot": node.pivot,
            "irreversible": node.irreversible,
        }

    def statements(self) -> list[tuple[str, str, str]]:
        """(step, server, T-SQL) in order, as far as the plan alone tells."""
        found: list[tuple[str, str, str]] = []
        for identity, step in self.compiled.steps.items():

            def write(server: str, text: str, identity: str = identity) -> None:
                found.append((identity, server, text))

            def scribe(server: str, write: Any = write) -> Any:
                return Scribe(server, write)

            step.preview(scribe)
        return found


def plan(executor: Executor, plan_path: Path, window: timedelta | None, *, offline: bool = False) -> Outline:
    """Compile a plan. Sizes are asked of the servers; where they cannot be had, budgets are for empty databases."""
    loaded = load_plan(plan_path)
    sizes, unknown = Sizes(), "not asked" if offline else ""
    if not offline:
        try:
            sizes, _ = executor.world(loaded).survey()
        except RunbookError as error:
            unknown = error.message
    compiled = executor.compiled(loaded, sizes)
    length = (loaded.window.length if window is None else window).total_seconds()
    return Outline(loaded.name, loaded.strategy, compiled, fit_of(loaded, compiled.graph, length), unknown)
