"""How long things took in a rehearsed night, from its journal: what later nights are planned with."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

from runbook.commands.status import find_run, open_reader
from runbook.events import Kind
from runbook.graph import makespan
from runbook.home import Home
from runbook.journal.reading import Row
from runbook.plan.compile import up_to_pivot, worst_way_back
from runbook.rehearsal.taking import MOSTLY, Took, by_step, folded, paired
from runbook.runview import RunView


def durations(home: Home) -> list[Took]:
    """Of the newest run there, in order; what failed or was cut off is left out."""
    view, rows = _run(home)
    return list(paired(view, rows))


def effective(home: Home) -> set[str]:
    """Steps that changed something there. The others were skipped, only look, or only owe a way back: what strikes
    them when they are about to act keeps nothing from being as they want it."""
    _, rows = _run(home, without=(Kind.STATEMENT, Kind.NOTE))
    acting, found = set[str](), set[str]()
    for row in rows:
        kind = Kind(row.kind)
        if kind is Kind.STEP_STARTED:
            acting.add(row.step)
        elif kind is Kind.STATEMENT_ENDED and row.step in acting:
            found.add(row.step)
    return found


def overdue(home: Home) -> list[str]:
    """Ways back that took longer than their budget."""
    slow = (one for one in durations(home) if one.what == "undo" and one.seconds > one.budget)
    return [f"{one.step} ({one.seconds:.1f} s of {one.budget:.1f} s)" for one in slow]


def _run(home: Home, without: tuple[Kind, ...] = MOSTLY) -> tuple[RunView, list[Row]]:
    reader = open_reader(home)
    try:
        return folded(reader, find_run(reader, None), without)
    finally:
        reader.close()


def measured(forward: Home, back: Home) -> dict[str, Any]:
    """For the record of the rehearsal: seconds of each step and of its way back, by step, with the sizes of databases
    in bytes and what the machine is."""
    view, _ = _run(forward)
    steps = by_step(durations(forward), durations(back))
    return {"steps": steps, "sizes": dict(view.opening["sizes"]), "machine": machine()}


def machine() -> Mapping[str, Any]:
    """What a duration depends on besides the data."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": os.cpu_count(), "memory_bytes": memory, "platform": platform.platform()}


def shortest_window(home: Home, seconds: float, reserve: float) -> float:
    """A window in which the night that took ``seconds`` can go forward to the pivot and all the way back."""
    graph = _run(home)[0].graph
    return max(makespan(up_to_pivot(graph)), SLACK * seconds) + worst_way_back(graph) + reserve + 1.0


SLACK = 1.5
"""Times what the night forward took: other nights go on beside it."""
