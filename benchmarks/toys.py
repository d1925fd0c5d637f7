"""Steps that cost nothing on a real journal: what is left is the engine and its record."""
# ruff: noqa: ARG002  (the interface of a step)

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from runbook.adapters.clock import SystemClock
from runbook.context import Services
from runbook.engine import Engine
from runbook.events import Draft, Kind
from runbook.graph import Graph, Limits, Node
from runbook.journal.lease import Process, acquire
from runbook.journal.log import RunLog
from runbook.journal.store import open_store
from runbook.ports import UserAccess
from runbook.step import Apply, Outcome, Phase, Sizes, Step, Undo
from runbook.window import SteadyNow
from runbook.workers import ThreadWorkers

CLOCK = SystemClock()


@dataclass
class Room:
    """The world: switches."""

    on: dict[str, bool] = field(default_factory=dict)
    statements: int = 0
    """Recorded statements with an effect, per step."""
    reads: int = 0
    """Recorded statements without one, per step."""
    undone: list[datetime] = field(default_factory=list)
    """When undos had their effect."""


ROOM = Room()


@dataclass(frozen=True)
class Wanted:
    """Intent."""

    switch: str
    state: bool


@dataclass(frozen=True)
class SwitchBack(Undo):
    """Puts the switch back as it was."""

    switch: str
    was: bool

    def run(self, ctx: Any) -> None:
        """Set it."""
        ROOM.on[self.switch] = self.was
        ROOM.undone.append(CLOCK.now())

    def verify(self, ctx: Any) -> Outcome:
        """Look."""
        return Outcome.REACHED if ROOM.on[self.switch] == self.was else Outcome.PARTIAL


class ThrowSwitch(Step):
    """Throws a switch."""

    phase = Phase.UPGRADE
    undoes_with = (SwitchBack,)
    Intent = Wanted

    @property
    def id(self) -> str:
        """The name of its switch."""
        return str(self.key)

    def observe(self, ctx: Any) -> bool:
        """Look."""
        for number in range(ROOM.reads):
            with ctx._recorder.statement("old", f"SELECT {number} FROM sys.databases", effect=False):
                pass
        return ROOM.on.get(self.id, False)

    def decide(self, facts: bool) -> Apply:
        """Always."""
        return Apply(Wanted(self.id, not facts), SwitchBack(self.id, facts))

    def apply(self, ctx: Any, intent: Wanted) -> None:
        """Set it."""
        for number in range(ROOM.statements):
            with ctx._recorder.statement("old", f"ALTER DATABASE [{self.id}] SET OPTION {number}", effect=True):
                pass
        ROOM.on[self.id] = intent.state

    def verify(self, ctx: Any, intent: Wanted) -> Outcome:
        """Look."""
        return Outcome.REACHED if ROOM.on.get(intent.switch) == intent.state else Outcome.UNTOUCHED


class Hang(ThrowSwitch):
    """A statement that never answers, until it is interrupted."""

    def apply(self, ctx: Any, intent: Wanted) -> None:
        """Block as a driver does: only ``interrupting`` gets it out."""
        answered = threading.Event()
        with ctx.interrupting(answered.set):
            answered.wait()


class HangOnServer(ThrowSwitch):
    """A statement through the driver, on a server where it hangs."""

    def apply(self, ctx: Any, intent: Wanted) -> None:
        """What ends it is the adapter's business."""
        ctx.server("old").set_user_access("master", UserAccess.RESTRICTED_USER)


class NoServers:
    """Services of which these steps use none."""

    plan: Any = None
    sizes = Sizes()


def chain(length: int) -> list[Node]:
    """Steps one after another."""
    return [
        Node(f"step-{i:05}", "upgrade", (f"step-{i - 1:05}",) if i else (), ("old",), 1.0, 1.0) for i in range(length)
    ]


def wide(steps: int, depth: int = 10) -> list[Node]:
    """Databases side by side, ``depth`` steps each, between a common first and last step; as plans are shaped."""
    nodes = [Node("first", "offline", (), ("old",), 1.0, 1.0)]
    for database in range((steps - 2) // depth):
        for number in range(depth):
            before = f"step-{number - 1}[db-{database}]" if number else "first"
            server = "old" if number < depth // 2 else "new"
            nodes.append(Node(f"step-{number}[db-{database}]", "upgrade", (before,), (server,), 1.0, 1.0))
    ends = tuple(node.id for node in nodes if node.id.startswith(f"step-{depth - 1}["))
    return [*nodes, Node("last", "online", ends, ("new",), 1.0, 1.0)]


@contextmanager
def engine(
    file: Path,
    nodes: Sequence[Node],
    *,
    last: type[ThrowSwitch] = ThrowSwitch,
    services: Any = None,
    window: timedelta = timedelta(days=2),
) -> Iterator[Engine]:
    """An executor on a journal in this file, as the program makes it."""
    store = open_store(f"sqlite:///{file}")
    graph = Graph(nodes, Limits())
    now = SteadyNow(CLOCK.now, CLOCK.monotonic)
    opening = {
        "plan_name": "toys",
        "closes_at": (now() + window).isoformat(),
        "reserve": 5.0,
        "graph": graph.to_json(),
    }
    run_id = CLOCK.new_id()
    RunLog.open_run(store, run_id, Draft(Kind.RUN_OPENED, None, opening), actor="dba@host/4711", now=now)
    log = RunLog.load(store, run_id, actor="dba@host/4711", now=now)
    lease = acquire(store, run_id, "dba@host/4711", Process.here(), now)
    log.fence = lease.fence
    log.append(Draft(Kind.EXECUTOR_STARTED, None, {"fence": lease.fence}))
    steps = {
        node.id: (last if node.id == nodes[-1].id else ThrowSwitch)(None, node.id)  # type: ignore[arg-type]
        for node in graph
    }
    workers = ThreadWorkers(graph.limits.workers)
    try:
        yield Engine(
            log, steps, {SwitchBack.name: SwitchBack}, services or cast(Services, NoServers()), CLOCK, now, workers
        )
    finally:
        lease.release()
        store.close()
