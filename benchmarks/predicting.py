"""What rehearsals of the example at a hundredth of its size say of the whole: prediction and outcome, step by step.

Both nights, forward and back, are played on throwaway servers: with a hundredth of the data, with that grown sixteen
times (``--grow``; a hundredth of this small example alone is nothing but the fixed part of every step), and with all of
it. The first two say what the third takes; the third says what it took.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, scratch
from runbook.adapters.clock import SystemClock
from runbook.commands.rehearsing import Rehearsal, Wish
from runbook.home import Home
from runbook.plan.compile import compile_plan, worst_way_back
from runbook.plan.load import load_plan
from runbook.registry import step_kinds
from runbook.rehearsal.predicting import experience
from runbook.step import Sizes

EXAMPLE = ROOT / "examples" / "mailer"
SMALL, WHOLE, GROW = 0.01, 1.0, 16
WORTH = 0.5
"""Seconds: what takes less says nothing of a model, only of the machine's mood."""


@dataclass(frozen=True)
class Compared:
    """One step, or its way back: seconds."""

    step: str
    what: str
    rehearsed: float
    predicted: float
    granted: float
    took: float


@dataclass(frozen=True)
class Found:
    """All of it; the turn-back points as seconds before the window closes, computed from each."""

    compared: tuple[Compared, ...]
    turn_back_predicted: float
    turn_back_by_outcome: float
    turn_back_computed: float

    def off(self, *whats: str) -> tuple[float, float, float]:
        """How far the sum of what was predicted is off, in ratio; the two sums in seconds."""
        of_it = [one for one in self.compared if one.what in whats]
        predicted, took = sum(one.predicted for one in of_it), sum(one.took for one in of_it)
        return abs(predicted / took - 1), predicted, took

    def granted(self) -> tuple[int, int]:
        """How many steps and ways back took no longer than they would have been granted, of how many."""
        return sum(one.took <= one.granted for one in self.compared), len(self.compared)


def compared() -> Found:
    """Rehearse small, rehearse whole, compare."""
    with scratch() as directory:
        small, whole = _rehearsed(directory, SMALL, GROW), _rehearsed(directory, WHOLE, 0)
        plan = load_plan(directory / str(SMALL) / "mailer" / "runbook.yaml")
        sizes = _sizes(whole)
        now = SystemClock().now()
        homes = {scale: Home(directory / str(scale) / "home", "sqlite://") for scale in (SMALL, WHOLE)}
        steps = compile_plan(plan, step_kinds(), sizes).steps
        known = experience(homes[SMALL], None, plan, now)
        assert known is not None
        graphs = [
            compile_plan(plan, step_kinds(), sizes, experience(homes[scale], None, plan, now)).graph for scale in homes
        ]
        found = []
        for identity, took in whole["steps"].items():
            for what in ("do", "look", "undo"):
                predicted = known.predicted(steps[identity], what, sizes)
                if predicted is not None and f"{what}_s" in took:
                    rehearsed = small["steps"].get(identity, {}).get(f"{what}_s", float("nan"))
                    found.append(
                        Compared(identity, what, rehearsed, predicted.seconds, predicted.budget, took[f"{what}_s"])
                    )
        computed = worst_way_back(compile_plan(plan, step_kinds(), sizes).graph)
        return Found(tuple(found), worst_way_back(graphs[0]), worst_way_back(graphs[1]), computed)


def _rehearsed(directory: Path, scale: float, grow: int) -> Mapping[str, Any]:
    place = directory / str(scale)
    shutil.copytree(EXAMPLE, place / "mailer", ignore=shutil.ignore_patterns("state", "__pycache__"))
    path = place / "mailer" / "runbook.yaml"
    text = path.read_text(encoding="utf-8")
    assert '"--scale", "0.01"' in text
    path.write_text(text.replace('"--scale", "0.01"', f'"--scale", "{scale}"'), encoding="utf-8")
    home = Home(place / "home", f"sqlite:///{place / 'home' / 'journal.db'}")
    report = Rehearsal(home, path, Wish(faults=(), grow=grow)).rehearse()
    assert report.code == 0, json.dumps(report.to_json(), indent=1)
    return report.measured


def _sizes(measured: Mapping[str, Any]) -> Sizes:
    return Sizes({name.lower(): size for name, size in measured["sizes"].items()})


def rows(found: Found) -> Iterator[str]:
    """The table."""
    yield f"   {'step':<34} {'':<5} {'at 1 %':>8} {'predicted':>10} {'took':>8} {'granted':>8}"
    for one in sorted(found.compared, key=lambda one: -one.took):
        if max(one.took, one.predicted) >= WORTH:
            yield (
                f"   {one.step:<34} {one.what:<5} {one.rehearsed:>7.2f}s {one.predicted:>9.2f}s {one.took:>7.2f}s "
                f"{one.granted:>7.2f}s"
            )
