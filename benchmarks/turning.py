"""(c) From the turn-back point to the first undo effect, while a statement hangs."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import toys
from benchmarks.measure import Samples, rounds, scratch
from runbook.adapters.sqlserver import ServerTarget, open_server
from runbook.events import Event, Kind
from runbook.ports import Cancellation, Recorder
from runbook.sandbox import manage
from runbook.step import Sizes

HANGS = timedelta(seconds=2)
"""How long the statement hangs before the turn-back point; its step's budget of a second must fit in."""
SERVER = "BENCHSQL"
KEPT_FREE = timedelta(seconds=5.0 + 3.0 * (1 + 1 / 4 + 1 / 8))
"""Before the window closes: the reserve, and a chain of three undos of a second (see ``RunView.way_back``)."""


def hanging(samples: Samples, seconds: float) -> None:
    """The last of a chain of steps hangs as in a driver's call."""
    for _ in rounds(seconds, at_least=3, at_most=5):
        _turn(samples, "hang", toys.Hang, None)


def hanging_on_a_server(samples: Samples, seconds: float) -> None:
    """It hangs in a statement on a sandbox server, through the real driver: attention, and proof that it ended."""
    with scratch() as home:
        place = home / "sandbox" / SERVER
        try:
            manage.start(place, SERVER)
            manage.fault(place, "hang", "RESTRICTED_USER")
            for _ in rounds(seconds, at_least=3, at_most=5):
                _turn(samples, "server", toys.HangOnServer, OneServer(home / "sandbox"))
        finally:
            manage.stop(place)


class OneServer:
    """Services of a plan with one sandbox server."""

    plan: Any = None
    sizes = Sizes()

    def __init__(self, home: Path) -> None:
        self._target = ServerTarget(url=f"sandbox://{SERVER}?version=2019", sandbox_home=home)

    def server(self, name: str, cancellation: Cancellation, recorder: Recorder) -> Any:
        """As the program opens it."""
        return open_server(name, self._target, cancellation, recorder, "bench", 1)


def _turn(samples: Samples, name: str, last: type[toys.ThrowSwitch], services: Any) -> None:
    """One run; the pair is (seconds from the turn-back point, seconds from the recorded decision)."""
    nodes = toys.chain(3)
    toys.ROOM.undone.clear()
    toys.ROOM.on.clear()
    points: list[datetime] = []
    with (
        scratch() as directory,
        toys.engine(directory / "j.db", nodes, last=last, services=services, window=KEPT_FREE + HANGS) as engine,
    ):

        def listen(event: Event) -> None:
            if event.kind is Kind.TURNED_BACK:
                points.extend((engine.view.turn_back_at, event.at))

        engine.log.listeners.append(listen)
        engine.drive()
    point, decided = points
    assert decided >= point, "it hung until the turn-back point"
    first = toys.ROOM.undone[0]
    samples.add(name, (first - point).total_seconds(), (first - decided).total_seconds())
