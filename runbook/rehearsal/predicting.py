"""What rehearsals and runs of a plan say its steps will take: the budgets that check, plan and execute compute with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook.home import Home
from runbook.plan.compile import Expected
from runbook.plan.models import Plan
from runbook.rehearsal.certificate import is_fresh, records
from runbook.rehearsal.scaling import Point, Prediction, load, predict
from runbook.rehearsal.taking import Reader, finished
from runbook.step import Budget, Sizes, Step

PROBE = 2.0
"""Times the sizes at which a step is asked whether its budget depends on them."""


REHEARSED, RUN = "rehearsed", "run"
RUNS_COUNT_FOR = timedelta(days=365)
"""Real runs tell of real servers: of those that ended in the last year the newest count."""


@dataclass(frozen=True)
class Measured:
    """What one rehearsal or real run took: seconds by step and ``do``, ``look`` or ``undo``, bytes by database
    (lower-case names). ``stand_in``: on servers of another kind than the plan's."""

    origin: str
    at: datetime
    steps: Mapping[str, Mapping[str, float]]
    sizes: Sizes
    stand_in: bool = False

    def points(self, kind: str, what: str) -> Iterator[Point]:
        """Every step of that kind."""
        for identity, took in self.steps.items():
            name, _, key = identity.partition("[")
            if name == kind and f"{what}_s" in took:
                yield Point(identity, _load(self.sizes, key.removesuffix("]") or None), took[f"{what}_s"])


class Experience:
    """Implements :class:`runbook.plan.compile.Experience` with what was measured of one plan."""

    def __init__(self, measured: Sequence[Measured], now: datetime) -> None:
        self._measured, self._now = measured, now

    def expected(self, step: Step, sizes: Sizes) -> Expected | None:
        """See the protocol; None where nobody measured that step. Where it only looked, because there was nothing to
        do, it is granted no less than what is computed; so it is where the sandbox stood in for real servers, and
        where the databases are much larger than those that were measured."""
        computed, done, undo = (
            step.budget(sizes),
            self.predicted(step, "do", sizes),
            self.predicted(step, "undo", sizes),
        )
        looked = None if done else self.predicted(step, "look", sizes)
        found = done or looked
        if found is None:
            return None
        about = f"loads: {found.loads}, error up to {max(found.error, undo.error if undo else 0.0):.0%}"
        if undo is None and computed.undo:
            about += ", way back computed"
        stand_in = any(one.stand_in for one in self._measured)
        whose = self._whose(step, "look" if looked else "do")
        do = max(found.budget, computed.do if looked or stand_in or found.far else 0.0)
        back = max(undo.budget, computed.undo if stand_in or undo.far else 0.0) if undo else None
        return Expected(do, back, f"{whose} ({about})")

    def predicted(self, step: Step, what: str, sizes: Sizes) -> Prediction | None:
        """What the model says; None where nobody measured that."""
        points = [point for one in self._measured for point in one.points(step.name, what)]
        if not points:
            return None
        grows = _grows(step, what, self._measured[0].sizes)
        return predict(points, step.id, _load(sizes, step.key), grows=grows)

    def _whose(self, step: Step, what: str) -> str:
        newest = {
            one.origin: one.at
            for one in sorted(self._measured, key=lambda one: one.at)
            if any(one.points(step.name, what))
        }
        return "; ".join(f"{origin} {at:%Y-%m-%d}, {_age(self._now - at)}" for origin, at in sorted(newest.items()))


def experience(home: Home, journal: Reader | None, plan: Plan, now: datetime) -> Experience | None:
    """What is known of this plan, from rehearsals and from the runs in the journal; None when nothing fresh is."""
    real = any(one.url.scheme != "sandbox" for one in plan.servers.values())
    rehearsed = (
        Measured(REHEARSED, at, took.steps, _sizes(took.sizes), stand_in=real and on == "sandbox")
        for at, on, took in records(home, plan.name)
        if is_fresh(at, now, plan.rehearsal.max_age) and took.steps
    )
    ran = (
        Measured(RUN, at, measured["steps"], _sizes(measured["sizes"]))
        for at, measured in (finished(journal, plan.name) if journal else ())
        if is_fresh(at, now, RUNS_COUNT_FOR)
    )
    found = [*rehearsed, *ran]
    return Experience(found, now) if found else None


def _sizes(found: Mapping[str, int]) -> Sizes:
    return Sizes({name.lower(): size for name, size in found.items()})


def _age(span: timedelta) -> str:
    return "today" if span.days < 1 else "1 day old" if span.days == 1 else f"{span.days} days old"


def _grows(step: Step, what: str, sizes: Sizes) -> bool:
    """Whether its own computed budget depends on sizes."""
    larger = Sizes({name: int(size * PROBE) + 2**40 for name, size in sizes.used.items()})
    return _of(step.budget(larger), what) > _of(step.budget(sizes), what)


def _of(budget: Budget, what: str) -> float:
    return budget.undo if what == "undo" else budget.do


def _load(sizes: Sizes, database: str | None) -> int:
    """A step that is about no database goes through all of them."""
    if database is None:
        return sum(sizes.used.values())
    return load(sizes.used.get(database.lower(), 0), sizes.used.values())
