"""What steps took in one run, from its journal: the first time each was done, and its way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from runbook.errors import RunbookError
from runbook.events import Kind
from runbook.journal.log import fold
from runbook.journal.reading import Row
from runbook.runview import RunView
from runbook.states import RunState

MOSTLY = (Kind.STATEMENT, Kind.STATEMENT_ENDED, Kind.NOTE)
"""Not needed for it."""


class Reader(Protocol):
    """A journal, read."""

    def rows(self, run_id: str, after: int = 0, *, without: Sequence[str] = ()) -> list[Row]: ...
    def run_ids(self) -> list[str]: ...


@dataclass(frozen=True)
class Took:
    """One thing that was done: ``what`` is ``do``, ``look`` (there was nothing to do) or ``undo``; seconds from the
    first look to the last."""

    step: str
    what: str
    seconds: float
    budget: float


BEGINS = {Kind.STEP_LOOKING: False, Kind.UNDO_STARTED: True}
"""Whether it is on the way back."""
ENDS = {
    Kind.STEP_DONE: "do",
    Kind.STEP_PASSED: "look",
    Kind.UNDO_DONE: "undo",
}


def folded(reader: Reader, run_id: str, without: tuple[Kind, ...] = MOSTLY) -> tuple[RunView, list[Row]]:
    """The state of a run, and its rows."""
    rows = reader.rows(run_id, without=without)
    return fold(rows), rows


def paired(view: RunView, rows: Iterable[Row]) -> Iterator[Took]:
    """Each beginning with its end. What failed, was cut off or skipped says nothing of how long it takes."""
    began: dict[tuple[str, bool], datetime] = {}
    for row in rows:
        at, kind = datetime.fromisoformat(row.at), Kind(row.kind)
        if kind in BEGINS:
            began[row.step, BEGINS[kind]] = at
        elif kind in ENDS and (row.step, kind is Kind.UNDO_DONE) in began:
            node, since = view.graph[row.step], began.pop((row.step, kind is Kind.UNDO_DONE))
            budget = node.undo_budget if kind is Kind.UNDO_DONE else node.do_budget
            yield Took(row.step, ENDS[kind], round((at - since).total_seconds(), 3), budget)


def by_step(*nights: Iterable[Took]) -> dict[str, dict[str, float]]:
    """What a step took the first time that it was done in each night, and its way back: seconds, the mean of the
    nights. Where it did something in one, those that found nothing to do do not count."""
    found: dict[tuple[str, str], list[float]] = {}
    for night in nights:
        seen = set[tuple[str, bool]]()
        for took in night:
            if (took.step, took.what == "undo") not in seen:
                seen.add((took.step, took.what == "undo"))
                found.setdefault((took.step, took.what), []).append(took.seconds)
    steps: dict[str, dict[str, float]] = {}
    for (step, what), seconds in found.items():
        if what != "look" or (step, "do") not in found:
            steps.setdefault(step, {})[f"{what}_s"] = round(sum(seconds) / len(seconds), 3)
    return steps


RUNS_LOOKED_AT, RUNS_TAKEN = 6, 3
ENDED = frozenset({RunState.UPGRADED, RunState.REVERTED})


def finished(reader: Reader, plan: str) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """When the last runs of a plan of that name ended, upgraded or reverted, and what they took, newest first; nothing
    where there is no journal that can be read."""
    with suppress(RunbookError):
        views = (folded(reader, one) for one in reader.run_ids()[: -RUNS_LOOKED_AT - 1 : -1])
        ended = ((view, rows) for view, rows in views if view.plan_name == plan and view.ending in ENDED)
        for view, rows in islice(ended, RUNS_TAKEN):
            if view.ended_at:
                yield view.ended_at, {"steps": by_step(paired(view, rows)), "sizes": view.opening["sizes"]}
