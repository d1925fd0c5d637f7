"""Tiny steps on a dictionary, for tests of the engine: every effect and every durable write can pull the plug."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from runbook.engine import Engine
from runbook.events import Draft, Kind
from runbook.graph import Graph, Limits, Node
from runbook.journal.lease import Lease, Process, acquire
from runbook.journal.log import RunLog
from runbook.journal.store import SqlStore
from runbook.step import Apply, Block, Outcome, Phase, Sizes, Step, Undo
from runbook.testing import FakeClock
from runbook.window import SteadyNow
from runbook.workers import InlineWorkers


@dataclass
class Toys:
    """The world: named switches, and a trace of every effect."""

    clock: FakeClock = field(default_factory=FakeClock)
    on: dict[str, bool] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    fail: set[str] = field(default_factory=set)
    fail_undo: dict[str, int] = field(default_factory=dict)
    lie: set[str] = field(default_factory=set)
    block: set[str] = field(default_factory=set)
    seconds: dict[str, float] = field(default_factory=dict)
    undo_seconds: dict[str, list[float]] = field(default_factory=dict)
    """How long each try of an undo takes."""
    hook: Callable[[str], None] = lambda _: None
    look: Callable[[str, Any], None] = lambda *_: None
    """Called where it is looked at, with what is and the context."""


_world: list[Toys] = []


@dataclass(frozen=True)
class SwitchBack(Undo):
    """Puts the switch back as it was."""

    switch: str
    was: bool

    def run(self, ctx: Any) -> None:
        """Set it."""
        world = _world[-1]
        world.hook(f"before undo {self.switch}")
        if world.fail_undo.get(self.switch, 0) > 0:
            world.fail_undo[self.switch] -= 1
            raise RuntimeError("the switch is stuck")
        tries = world.undo_seconds.get(self.switch)
        if tries:
            ctx.sleep(tries.pop(0))
        world.on[self.switch] = self.was
        world.trace.append(f"undo {self.switch}")
        world.hook(f"after undo {self.switch}")

    def verify(self, ctx: Any) -> Outcome:
        """Look."""
        _world[-1].look(f"undo {self.switch}", ctx)
        return Outcome.REACHED if _world[-1].on.get(self.switch, False) == self.was else Outcome.PARTIAL


@dataclass(frozen=True)
class Wanted:
    """Intent."""

    switch: str


class ThrowSwitch(Step):
    """Throws a switch."""

    phase = Phase.UPGRADE
    undoes_with = (SwitchBack,)
    Intent = Wanted

    def observe(self, ctx: Any) -> bool:
        _world[-1].look(f"first {self.key}", ctx)
        return _world[-1].on.get(str(self.key), False)

    def decide(self, facts: bool) -> Any:
        if self.key in _world[-1].block:
            return Block("it may not be thrown", "Leave it.")
        return Apply(
            Wanted(str(self.key)), None if self.pivot or self.irreversible else SwitchBack(str(self.key), facts)
        )

    def apply(self, ctx: Any, intent: Wanted) -> None:
        world = _world[-1]
        world.hook(f"before {intent.switch}")
        left = world.seconds.get(intent.switch, 1.0)
        while left > 0:
            ctx.sleep(min(left, 1.0))
            left -= 1.0
        if intent.switch in world.fail:
            raise RuntimeError("no current")
        if intent.switch not in world.lie:
            world.on[intent.switch] = True
        world.trace.append(intent.switch)
        world.hook(f"after {intent.switch}")

    def verify(self, ctx: Any, intent: Wanted) -> Outcome:
        _world[-1].look(intent.switch, ctx)
        return Outcome.REACHED if _world[-1].on.get(intent.switch) else Outcome.UNTOUCHED


class OpenSwitch(ThrowSwitch):
    """The pivot."""

    pivot = True


class LaterSwitch(ThrowSwitch):
    """After the pivot."""

    irreversible = True


KINDS = {"pivot": OpenSwitch, "later": LaterSwitch}


class ToyServices:
    """No servers."""

    plan: Any = None
    sizes = Sizes()

    def together(self, work: Any, items: Sequence[Any], limit: int) -> list[Any]:
        return [work(item) for item in items]


def line(*names: str, do: float = 2.0, undo: float = 2.0) -> list[Node]:
    """A chain of steps; ``pivot`` and ``later...`` are what they say."""
    return [
        Node(
            name,
            "upgrade",
            (names[i - 1],) if i else (),
            ("old",),
            do,
            0.0 if name == "pivot" or name.startswith("later") else undo,
            pivot=name == "pivot",
            irreversible=name.startswith("later"),
        )
        for i, name in enumerate(names)
    ]


class Bench:
    """Opens a run of toy steps and makes as many executors of it as asked."""

    def __init__(
        self, nodes: list[Node], *, window: float = 600.0, limits: Limits | None = None, store: Any = None
    ) -> None:
        self.world = Toys()
        _world.append(self.world)
        self.store = store or SqlStore("sqlite://")
        self.graph = Graph(nodes, limits or Limits())
        self.window = window
        self.lease: Lease | None = None
        self.run_id = ""

    def open(self) -> None:
        opening = {
            "plan_name": "toys",
            "closes_at": (self.world.clock.now() + timedelta(seconds=self.window)).isoformat(),
            "reserve": 5.0,
            "graph": self.graph.to_json(),
        }
        self.run_id = self.world.clock.new_id()
        RunLog.open_run(
            self.store, self.run_id, Draft(Kind.RUN_OPENED, None, opening), actor="t", now=self.world.clock.now
        )

    def engine(self) -> Engine:
        """A new executor, as after a restart."""
        if not self.run_id:
            self.open()
        now = SteadyNow(self.world.clock.now, self.world.clock.monotonic)
        log = RunLog.load(self.store, self.run_id, actor="t", now=now)
        now.not_before(log.last_at)
        if self.lease:
            self.lease.release()
        self.lease = acquire(self.store, self.run_id, "t", Process("t", 1, ""), now)
        log.fence = self.lease.fence
        log.append(Draft(Kind.EXECUTOR_STARTED))
        steps: Mapping[str, Step] = {
            node.id: KINDS.get(node.id.rstrip("0123456789"), ThrowSwitch)(None, node.id) for node in self.graph
        }
        for identity, step in steps.items():
            type(step).id = property(lambda self: self.key)  # type: ignore[method-assign, assignment]
            assert step.id == identity
        undos = {SwitchBack.name: SwitchBack}
        return Engine(log, steps, undos, ToyServices(), self.world.clock, now, InlineWorkers())

    def drive(self) -> Any:
        """What a new process does: go on, unless the run has ended."""
        if self.run_id and self.view().ending:
            return self.view().ending
        return self.engine().drive()

    def view(self) -> Any:
        return RunLog.load(self.store, self.run_id, actor="t", now=self.world.clock.now).view


@contextmanager
def bench(*args: Any, **kwargs: Any) -> Iterator[Bench]:
    made = Bench(*args, **kwargs)
    try:
        yield made
    finally:
        _world.pop()
