"""A whole night on fakes: the real executor, engine, steps and undos, virtual time, and a plug to pull."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runbook.executor import Executor, Kinds
from runbook.journal.log import RunLog
from runbook.plan.models import Plan
from runbook.registry import step_kinds, undo_kinds
from runbook.runview import RunView
from runbook.states import RunState
from runbook.testing import FakeServices, Moment, PowerCut, World, differences, mailer_plan
from runbook.testing.containerhost import ContainerHost
from runbook.testing.enginehost import EngineHost
from runbook.testing.store import MemoryStore
from runbook.workers import InlineWorkers

KINDS = Kinds(step_kinds(), undo_kinds())


_plans: dict[tuple[Path, str, str], Plan] = {}


def _plan(directory: Path, strategy: str, mark: str, **plan: Any) -> Plan:
    """Read once for a test: thousands of nights use the same one."""
    if (directory, strategy, mark) not in _plans:
        _plans[directory, strategy, mark] = mailer_plan(directory, strategy, **plan)
    return _plans[directory, strategy, mark]


def told(view: RunView) -> dict[str, Any]:
    """All that a view knows: of the process that folded its own events as of one that reads them back."""
    return {
        name: {step: asdict(found) for step, found in value.items()} if name == "steps" else value
        for name, value in vars(view).items()
        if name not in ("graph", "ready", "undoable", "_path")  # the last is a memory of what was asked
    }


class Night:
    """A world, a plan, a journal that survives, and as many executors as it takes."""

    platform = "Linux"

    def __init__(self, directory: Path, strategy: str = "side-by-side", *, window: float = 3600.0, **plan: Any) -> None:
        self.world = World.mailer(new=2022 if strategy == "side-by-side" else None, platform=self.platform)
        self.engine_host = self.machine() if strategy == "in-place" else None
        self.container_host = ContainerHost.of(self.world, "db", "old") if strategy == "container" else None
        self.strategy = strategy
        self.plan = _plan(directory, strategy, repr(plan), **plan)
        self.window = window
        self.store = MemoryStore(self._durable, lambda: self.world.check_power(self.world.generation))
        self.before = self.world.content("old")
        self.data = self.world.data("old")
        self.run_id = ""

    def machine(self) -> EngineHost:
        """The machine of the old server, where that is upgraded in place."""
        return EngineHost.of(self.world, "db", "old")

    def _durable(self, where: str) -> None:
        self.world.effect(f"journal: {where}", Moment.BEFORE if where.startswith("before") else Moment.AFTER)

    def executor(self) -> Executor:
        """A new process."""
        return Executor(
            self.store,
            self.world.clock,
            KINDS,
            lambda plan: FakeServices(self.world, plan),
            lambda _limit: InlineWorkers(),
            heartbeat=False,
        )

    def open(self) -> Executor:
        """Open the run."""
        executor = self.executor()
        self.run_id = executor.open_run(self.plan, self.window)
        return executor

    def drive(self) -> RunState:
        """What ``execute`` or ``resume`` does in this process."""
        executor = self.executor() if self.run_id else self.open()
        state = executor.drive(self.run_id, self.plan)
        if executor.engine:
            assert told(executor.engine.log.view) == told(self.view)
        return state

    def drive_through(self, cuts: Iterable[int]) -> tuple[RunState, int]:
        """Drive with the plug pulled at these moments, one for each process; returns the ending and how many came."""
        came = 0
        for at in cuts:
            self.world.pull_plug(at)
            try:
                return self.drive(), came
            except PowerCut:
                came += 1
                self.next_process()
        self.world.pull_plug_when(lambda _effect: False)
        return self.drive(), came

    def next_process(self, minutes: float = 0.5) -> None:
        """The dead process is gone; the lease lapses while somebody comes to look."""
        self.world.next_process()
        self.world.clock.advance(minutes * 60)

    @property
    def view(self) -> RunView:
        """The run, read back."""
        return RunLog.load(self.store, self.run_id, actor="test", now=self.world.clock.now).view

    def state(self, step: str) -> str:
        """Where a step stands."""
        return self.view.steps[step].state.value

    # --- what must hold at the end -------------------------------------------------------------------------------

    def assert_ending(self, ending: RunState) -> None:
        """Old, or new, never between; nothing lost either way."""
        if ending is RunState.UPGRADED:
            self.assert_new()
        elif ending in (RunState.REVERTED, RunState.REFUSED):
            self.assert_old()
        else:
            raise AssertionError(f"ended {ending}: {self.view.held}")

    def assert_old(self) -> None:
        """The old setup exactly as before, in service."""
        assert differences(self.before, self.world.content("old")) == []
        assert self.world.public() == "old"

    def assert_new(self) -> None:
        """Everything on the new setup, in service, the jobs that were enabled enabled there alone."""
        role = "new" if self.strategy == "side-by-side" else "old"
        assert self.world.public() == role
        now = self.world.content(role)
        if self.strategy == "side-by-side":
            moved = {name: self.data[name] for name in self.world.site.databases}
            assert differences(moved, self.world.data("new")) == []
            assert now["jobs"] == self.before["jobs"]
            assert not any(self.world.content("old")["jobs"].values()), "jobs must not run on both servers"
        for name in self.world.site.databases:
            database = self.before["databases"][name]
            assert now["databases"][name]["state"] == "ONLINE"
            assert now["databases"][name]["access"] == database["access"]
            assert now["databases"][name]["owner"] == database["owner"]
