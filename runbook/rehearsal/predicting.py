"""What rehearsals of a plan say its steps will take: the budgets that check, plan and execute compute with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from runbook.home import Home
from runbook.plan.compile import Expected
from runbook.plan.models import Plan
from runbook.rehearsal.certificate import records
from runbook.rehearsal.scaling import Point, Prediction, predict
from runbook.step import Budget, Sizes, Step

PROBE = 2.0
"""Times the sizes at which a step is asked whether its budget depends on them."""


@dataclass(frozen=True)
class Rehearsed:
    """What one rehearsal measured: seconds by step and ``do`` or ``undo``, bytes by database (lower-case names)."""

    at: datetime
    steps: Mapping[str, Mapping[str, float]]
    sizes: Sizes

    def points(self, kind: str, what: str) -> Iterator[Point]:
        """Every step of that kind."""
        for identity, took in self.steps.items():
            name, _, key = identity.partition("[")
            if name == kind and f"{what}_s" in took:
                yield Point(_bytes(self.sizes, key.removesuffix("]") or None), took[f"{what}_s"])


class Experience:
    """Implements :class:`runbook.plan.compile.Experience` with the rehearsals of one plan, newest first."""

    def __init__(self, rehearsed: list[Rehearsed]) -> None:
        self._rehearsed = rehearsed

    def expected(self, step: Step, sizes: Sizes) -> Expected | None:
        """See the protocol; None where no rehearsal did that step."""
        found = {what: self.predicted(step, what, sizes) for what in ("do", "undo")}
        if found["do"] is None:
            return None
        undo = found["undo"]
        newest = self._rehearsed[0].at
        worst = max(one.error for one in found.values() if one is not None)
        return Expected(
            found["do"].budget,
            undo.budget if undo else None,
            f"rehearsed {newest:%Y-%m-%d} (sizes: {found['do'].sizes}, error up to {worst:.0%})",
        )

    def predicted(self, step: Step, what: str, sizes: Sizes) -> Prediction | None:
        """What the model says; None where no rehearsal did that."""
        points = [point for one in self._rehearsed for point in one.points(step.name, what)]
        if not points:
            return None
        return predict(points, _bytes(sizes, step.key), grows=_grows(step, what, self._rehearsed[0].sizes))


def experience(home: Home, plan: Plan, now: datetime) -> Experience | None:
    """What is known of this plan; None when nothing fresh is."""
    found = [
        Rehearsed(at, measured["steps"], Sizes({name.lower(): size for name, size in measured["sizes"].items()}))
        for at, measured in records(home, plan.name)
        if now - at <= plan.rehearsal.max_age and measured.get("steps")
    ]
    return Experience(found) if found else None


def _grows(step: Step, what: str, sizes: Sizes) -> bool:
    """Whether its own computed budget depends on sizes."""
    larger = Sizes({name: int(size * PROBE) + 2**40 for name, size in sizes.used.items()})
    return _of(step.budget(larger), what) > _of(step.budget(sizes), what)


def _of(budget: Budget, what: str) -> float:
    return budget.do if what == "do" else budget.undo


def _bytes(sizes: Sizes, database: str | None) -> int:
    return int(sizes.gib(database) * 2**30)
