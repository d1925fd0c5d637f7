"""The engine on real threads, a real clock and a real journal: what single-threaded tests cannot show."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from runbook.adapters.clock import SystemClock
from runbook.engine import Engine
from runbook.errors import Fenced, JournalError
from runbook.events import Draft, Kind
from runbook.graph import Graph, Limits, Node
from runbook.journal.lease import Process, acquire
from runbook.journal.log import RunLog
from runbook.journal.store import Store
from runbook.journal.whole import first_break
from runbook.states import RunState
from runbook.step import Apply, Outcome, Phase, Sizes, Step, Undo
from runbook.window import SteadyNow
from runbook.workers import ThreadWorkers
from tests.contract.journal.places import Place

CLOCK = SystemClock()


class Yard:
    """The world: switches, who is at work where, and what goes wrong."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.on: dict[str, bool] = {}
        self.trace: list[str] = []
        self.at_work: dict[str, int] = {"": 0}
        self.most: dict[str, int] = {}
        self.fail: set[str] = set()
        self.hang: set[str] = set()
        self.hanging = threading.Event()
        self.meeting: set[str] = set()
        self.met = threading.Barrier(2)

    def enter(self, servers: Sequence[str]) -> None:
        with self.lock:
            for server in (*servers, ""):
                self.at_work[server] = self.at_work.get(server, 0) + 1
                self.most[server] = max(self.most.get(server, 0), self.at_work[server])

    def leave(self, servers: Sequence[str]) -> None:
        with self.lock:
            for server in (*servers, ""):
                self.at_work[server] -= 1

    def throw(self, switch: str, state: bool) -> None:
        with self.lock:
            self.on[switch] = state
            self.trace.append(f"{'' if state else 'undo '}{switch}")


YARD = Yard()


@dataclass(frozen=True)
class Lower(Undo):
    """Switches it off again."""

    switch: str

    def run(self, ctx: Any) -> None:
        """Off."""
        YARD.throw(self.switch, False)

    def verify(self, ctx: Any) -> Outcome:
        """Look."""
        return Outcome.PARTIAL if YARD.on.get(self.switch) else Outcome.REACHED


class Raise(Step):
    """Switches it on."""

    phase = Phase.UPGRADE
    Intent = str
    node: Node

    @property
    def id(self) -> str:
        """Its switch."""
        return str(self.key)

    def observe(self, ctx: Any) -> None:
        """Nothing to see."""

    def decide(self, facts: None) -> Apply:
        """Always."""
        return Apply(self.id, Lower(self.id))

    def apply(self, ctx: Any, intent: str) -> None:
        """On, unless it is to fail or to hang."""
        YARD.enter(self.node.servers)
        try:
            ctx.sleep(0.001)
            if intent in YARD.meeting:
                YARD.met.wait(60)
            if intent in YARD.fail:
                raise RuntimeError("no current")
            if intent in YARD.hang:
                answered = threading.Event()
                with ctx.interrupting(answered.set):
                    YARD.hanging.set()
                    answered.wait()
            YARD.throw(intent, True)
        finally:
            YARD.leave(self.node.servers)

    def verify(self, ctx: Any, intent: str) -> Outcome:
        """Look."""
        return Outcome.REACHED if YARD.on.get(intent) else Outcome.UNTOUCHED


class NoServices:
    """Nothing else in the world."""

    plan: Any = None
    sizes = Sizes()


@dataclass
class Night:
    """A run in a journal and executors of it."""

    store: Store
    nodes: list[Node]
    limits: Limits
    run_id: str = ""

    def engine(self) -> Engine:
        """A new executor."""
        now = SteadyNow(CLOCK.now, CLOCK.monotonic)
        if not self.run_id:
            self.run_id = CLOCK.new_id()
            opening = {
                "plan_name": "yard",
                "closes_at": (now() + timedelta(hours=1)).isoformat(),
                "reserve": 1.0,
                "graph": Graph(self.nodes, self.limits).to_json(),
            }
            RunLog.open_run(self.store, self.run_id, Draft(Kind.RUN_OPENED, None, opening), actor="t", now=now)
        log = RunLog.load(self.store, self.run_id, actor="t", now=now)
        log.fence = acquire(self.store, self.run_id, "t", Process(CLOCK.new_id(), 1, ""), now).fence
        log.append(Draft(Kind.EXECUTOR_STARTED))
        steps = {node.id: Raise(None, node.id) for node in self.nodes}  # type: ignore[arg-type]
        for node in self.nodes:
            steps[node.id].node = node
        workers = ThreadWorkers(self.limits.workers)
        services: Any = NoServices()
        return Engine(log, steps, {Lower.name: Lower}, services, CLOCK, now, workers)


def lanes(count: int, depth: int) -> list[Node]:
    """Databases side by side, from the old server to the new one."""
    nodes = [Node("first", "offline", (), ("old",), 0.1, 0.1)]
    for lane in range(count):
        for i in range(depth):
            server = "old" if i < depth // 2 else "new"
            nodes.append(Node(f"{lane}.{i}", "upgrade", (f"{lane}.{i - 1}" if i else "first",), (server,), 0.1, 0.1))
    return [*nodes, Node("last", "online", tuple(f"{lane}.{depth - 1}" for lane in range(count)), ("new",), 0.1, 0.1)]


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Yard:
    """A fresh world."""
    made = Yard()
    monkeypatch.setattr(f"{__name__}.YARD", made)
    return made


@pytest.fixture
def store(place: Place) -> Store:
    """A journal without a run."""
    return place.store()


def after(trace: Sequence[str], nodes: Sequence[Node]) -> bool:
    """Every step came after those it follows."""
    place = {name: number for number, name in enumerate(trace)}
    return all(place[before] < place[node.id] for node in nodes for before in node.after)


def test_side_by_side_in_order_and_within_the_limits(yard: Yard, store: Store) -> None:
    """Every step once, after what it follows; never more on a server than it bears, and as many as the run may."""
    nodes = lanes(12, 4)
    yard.meeting = {"0.0", "1.0"}
    night = Night(store, nodes, Limits(6, {"old": 3, "new": 4}))
    assert night.engine().drive() is RunState.UPGRADED
    assert sorted(yard.trace) == sorted(node.id for node in nodes)
    assert after(yard.trace, nodes)
    assert yard.most["old"] <= 3
    assert yard.most["new"] <= 4
    assert 2 <= yard.most[""] <= 6
    assert not yard.met.broken
    assert first_break(store.rows(night.run_id)) == ""


def test_a_failure_takes_everything_back(yard: Yard, store: Store) -> None:
    """Whatever ran beside it is ended and put back, followers first."""
    nodes = lanes(6, 4)
    yard.fail.add("3.2")
    night = Night(store, nodes, Limits(6))
    engine = night.engine()
    assert engine.drive() is RunState.REVERTED
    assert not any(yard.on.values())
    undone = [name.removeprefix("undo ") for name in yard.trace if name.startswith("undo ")]
    done = [node for node in nodes if node.id in undone]
    assert after(undone[::-1], [Node(n.id, n.phase, tuple(b for b in n.after if b in undone)) for n in done])
    assert "no current" in engine.view.turned_back


def test_a_decision_of_a_person_reaches_a_step_that_hangs(yard: Yard, store: Store) -> None:
    """A request in the journal is read while everything waits for one answer; the call is interrupted."""
    yard.hang.add("last")
    night = Night(store, lanes(2, 2), Limits(4))
    engine = night.engine()
    person = RunLog.load(store, night.run_id, actor="p", now=CLOCK.now)

    def decide() -> None:
        yard.hanging.wait(20)
        person.append(Draft(Kind.REQUESTED, None, {"what": "revert", "reason": "the boss called"}))

    thread = threading.Thread(target=decide)
    thread.start()
    assert engine.drive() is RunState.REVERTED
    thread.join()
    assert not any(yard.on.values())
    assert "the boss called" in engine.view.turned_back


def test_stopped_and_taken_up_again(yard: Yard, store: Store) -> None:
    """An executor that is told to stop begins nothing more; the next one ends the run, nothing is done twice."""
    nodes = lanes(6, 6)
    night = Night(store, nodes, Limits(4))
    engine = night.engine()
    engine.log.listeners.append(lambda event: engine.stop("enough") if event.step == "2.2" else None)
    assert engine.drive() is RunState.RUNNING
    assert not engine.busy
    assert len(yard.trace) < len(nodes)
    store.beat(night.run_id, engine.log.fence or 0, CLOCK.now().isoformat(), released=True)
    assert night.engine().drive() is RunState.UPGRADED
    assert sorted(yard.trace) == sorted(node.id for node in nodes)


class Broken:
    """A store that fails from a certain write on, as a disk that is full."""

    def __init__(self, store: Store, writes: int) -> None:
        self._store = store
        self._left = writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, rows: Any, **options: Any) -> bool:
        """Until it is full."""
        self._left -= 1
        if self._left < 0:
            raise JournalError("the journal cannot be written: database or disk is full")
        return self._store.append(rows, **options)


@pytest.mark.parametrize("writes", range(1, 29, 6))
def test_a_journal_that_cannot_be_written_ends_the_executor(yard: Yard, store: Store, writes: int) -> None:
    """From whatever thread: the error comes out of ``drive``, nothing is done that is not on record, and with room
    again the run ends as it should."""
    night = Night(store, lanes(4, 3), Limits(4))
    engine = night.engine()
    engine.log.store = Broken(store, writes)  # type: ignore[assignment]
    with pytest.raises(JournalError, match="disk is full"):
        engine.drive()
    assert not engine.busy
    begun = {row.step for row in store.rows(night.run_id) if row.kind == "step-started"}
    assert set(yard.trace) <= begun
    store.beat(night.run_id, engine.log.fence or 0, CLOCK.now().isoformat(), released=True)
    assert night.engine().drive() is RunState.UPGRADED
    assert len(yard.trace) == len(set(yard.trace)), "nothing was done twice"


def test_an_executor_that_was_taken_over_from_stops(yard: Yard, store: Store) -> None:
    """Its next write is refused, and it ends as fenced."""
    night = Night(store, lanes(4, 6), Limits(4))
    engine = night.engine()
    beaten: list[int] = []

    def take_over(event: Any) -> None:
        if event.step == "1.1" and not beaten:
            lease = store.lease(night.run_id)
            assert lease is not None
            beaten.append(lease.fence + 1)
            assert store.take_lease(lease._replace(fence=lease.fence + 1), before=lease)

    engine.log.listeners.append(take_over)
    with pytest.raises(Fenced):
        engine.drive()
    assert len(yard.trace) < 26
