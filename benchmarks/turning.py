"""(c) From the turn-back point to the first undo effect, while a statement hangs."""

from __future__ import annotations

from datetime import datetime, timedelta

from benchmarks import toys
from benchmarks.measure import Samples, rounds, scratch
from runbook.engine import Engine
from runbook.events import Event, Kind

HANGS = timedelta(seconds=2)
"""How long the statement hangs before the turn-back point; its step's budget of a second must fit in."""
KEPT_FREE = timedelta(seconds=5.0 + 3.0 * (1 + 1 / 4 + 1 / 8))
"""Before the window closes: the reserve, and a chain of three undos of a second (see ``RunView.way_back``)."""


def hanging(samples: Samples, seconds: float) -> None:
    """The last of a chain of steps hangs as in a driver's call; pairs are seconds since (point, decision)."""
    nodes = toys.chain(3)
    for _ in rounds(seconds, at_least=3, at_most=5):
        with (
            scratch() as directory,
            toys.engine(directory / "j.db", nodes, hanging=nodes[-1].id, window=KEPT_FREE + HANGS) as engine,
        ):
            toys.ROOM.undone.clear()
            points: list[datetime] = []

            def listen(event: Event, points: list[datetime] = points, engine: Engine = engine) -> None:
                if event.kind is Kind.TURNED_BACK:
                    points.extend((engine.view.turn_back_at, event.at))

            engine.log.listeners.append(listen)
            engine.drive()
            point, decided = points
            first = toys.ROOM.undone[0]
            samples.add("hang", (first - point).total_seconds(), (first - decided).total_seconds())
