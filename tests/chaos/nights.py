"""Generated mailer nights: the real steps and ways back on the fakes of servers, gate and pointer, in virtual time.

Users write at any moment at which the server lets them: every row that was committed must be in the database that
serves at the end, or, where somebody came past the closed gate, in a backup beside that the record names.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runbook.errors import AlreadyRunning, RunbookError
from runbook.executor import Executor, Kinds
from runbook.journal.log import fold
from runbook.plan.models import Plan
from runbook.policy import ENDING
from runbook.registry import step_kinds, undo_kinds
from runbook.runview import RunView
from runbook.states import RunState
from runbook.testing import FakeServices, differences, mailer_plan
from runbook.testing.errors import ImpossibleWorld, PowerCut
from tests.chaos.deadline import Course
from tests.chaos.nightstory import Night, generate
from tests.chaos.nightworld import ChaosWorld, Written
from tests.chaos.story import Life
from tests.chaos.told import MOST_PROCESSES, PATIENCE, Broken, Told
from tests.chaos.turns import Machine, TurnWorkers

KINDS = Kinds(step_kinds(), undo_kinds())


@cache
def _plan(strategy: str, databases: tuple[str, ...], workers: int) -> Plan:
    keep = TemporaryDirectory()
    _kept.append(keep)
    return mailer_plan(Path(keep.name), strategy, databases=databases, more=f"limits: {{workers: {workers}}}\n")


_kept: list[Any] = []


class Teller:
    """Lets one night happen and judges it."""

    def __init__(self, night: Night) -> None:
        self.night = night
        self.world = ChaosWorld(night)
        self.clock = self.world.clock
        self.plan = _plan(night.strategy, tuple(one.name for one in night.databases), night.workers)
        self.store = self.world.store
        self.before = self.world.content("old")
        self.data = self.world.data("old")
        self.told = Told(tried=self.world.tried, trace=self.world.trace)
        self.lives = list(night.lives)
        self.run_id = ""
        self.count = 0
        self.mended = False
        self.errors = 0

    def executor(self) -> Executor:
        """A new process's."""
        return Executor(
            self.store,
            self.clock,
            KINDS,
            lambda plan: FakeServices(self.world, plan),
            lambda _limit: TurnWorkers(self.clock),
            heartbeat=False,
        )

    def tell(self) -> Told:
        """From the opening to the ending."""
        try:
            self._tell()
        except Broken as error:
            self.told.broken.append(str(error))
        except Exception as error:  # noqa: BLE001  (a journal that cannot be read back is a finding as well)
            self.told.broken.append(f"{type(error).__name__}: {error}")
        finally:
            self.clock.close()
        for fault in self.world.faults:
            self.world.tried[f"{fault.where}: {fault.kind}"] += len(fault.hits)
        return self.told

    def _tell(self) -> None:
        try:
            self.run_id = self.executor().open_run(self.plan, self.night.window)
        except RunbookError as error:
            self.told.ending = "refused at opening"
            self.world.trace.append(f"   refused: {error}")
            self._old()
            return
        self.world.opened = True
        self.opened = self.clock.monotonic()
        while not self._one_life():
            if self.count > MOST_PROCESSES:
                raise Broken("it never comes to an end, however often it is resumed")
        self._judge()

    def _one_life(self) -> bool:
        self.count += 1
        life = self.lives.pop(0) if self.lives else None
        machine = self._boot(life)
        left = max(self.opened + self.night.window - self.clock.monotonic(), 0.0) + PATIENCE
        patience = self.clock.later(left, lambda: self._end_by_hand(machine))
        self.clock.await_news(machine)
        patience.cancel()
        if machine.dead or isinstance(machine.error, PowerCut):
            self._next(life.gap if life else 20.0)
            return False
        return self._after(machine, life)

    def _boot(self, life: Life | None) -> Machine:
        def work() -> object:
            executor = self.executor()
            machine.executor = executor  # type: ignore[attr-defined]
            try:
                return executor.drive(self.run_id, self.plan)
            finally:
                self.store.silent_from(machine)

        machine = self.clock.boot(f"process {self.count}", work)
        machine.life = life  # type: ignore[attr-defined]
        return machine

    def _after(self, machine: Machine, life: Life | None) -> bool:
        error = machine.error
        if isinstance(error, AlreadyRunning):
            if life:
                self.lives.insert(0, life)
            self._next(5.0 if self.count < 20 else 300.0)
            return False
        if isinstance(error, RunbookError):
            self.errors += 1
            if self.errors > 20:
                raise Broken(f"nobody can take it up: {error}")
            self._mend()
            self._next(20.0)
            return False
        if error is not None:
            raise error if isinstance(error, ImpossibleWorld) else Broken(f"a process ended with {error!r}")
        if machine.result is RunState.HELD:
            self._held()
            return False
        if machine.result in (RunState.UPGRADED, RunState.REVERTED, RunState.REFUSED):
            return True
        self._next(20.0)
        return False

    def _next(self, gap: float) -> None:
        self.world.next_process()
        self.clock.advance(gap)

    def _held(self) -> None:
        """A person mends what is wrong; a further executor must be able to end it."""
        view = self.view
        self.world.trace.append(f"   held: {view.held}; a person mends everything")
        if self.mended:
            raise Broken(f"held although all is mended: {view.held}")
        if not any(fault.hits for fault in self.world.faults):
            raise Broken(f"held without a reason: {view.held}")
        self.told.ending = "held"
        self._mend()
        self._next(60.0)

    def _mend(self) -> None:
        self.mended = True
        self.world.later_faults.clear()
        for fault in self.world.faults:
            fault.times = len(fault.hits)
        for role, instance in self.world.servers.items():
            if instance.down:
                self.world.start_server(role)

    def _end_by_hand(self, machine: Machine) -> None:
        executor = getattr(machine, "executor", None)
        if machine.ended:
            return
        self.world.tried["ended by a person, long after the window"] += 1
        self.world.trace.append(f"   a person ends {machine.name}")
        self._mend()
        if executor is not None and executor.engine is not None:
            executor.engine.stop("a person ends it", at_once=True)
        self.clock.later(60.0, lambda: self._kill(machine))

    def _kill(self, machine: Machine) -> None:
        """What does not end when it is told to."""
        if not machine.ended and not machine.dead:
            self.world.tried["killed by a person, since it did not end"] += 1
            self.world.trace.append(f"   a person kills {machine.name}")
            self.world.dead = True
            self.store.silent_from(machine)
            self.clock.cut_power(machine)

    @property
    def view(self) -> RunView:
        """The run, read back."""
        return fold(self.store.rows(self.run_id))

    # --- the judgement -----------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        view = self.view
        if view.ending is None:
            return
        for role, instance in self.world.servers.items():
            if instance.down:  # killed by the world, not by the run
                self.world.start_server(role)
        held = "held, then " if self.told.ending == "held" else ""
        self.told.ending = f"{held}{view.ending}"
        if view.ending is RunState.UPGRADED:
            self._new()
        else:
            self._old()
        self._rows(view)
        if view.ending is RunState.REVERTED and self.store.back_at is not None:
            closes = self.opened + self.night.window
            Course(self.store, self.opened, closes, self.store.back_at, self.store.backs, self._tail()).judge(self.told)

    def _tail(self) -> float:
        """Only what a server was slow about is let through: all else must feel that it is stopped."""
        slow = sum(fault.seconds * len(fault.hits) for fault in self.world.faults)
        return min(self.store.turned_tail, ENDING + slow)

    def _old(self) -> None:
        found = differences(
            _stripped(self.before, self.world.rows), _stripped(self.world.content("old"), self.world.rows)
        )
        if found:
            self.told.broken.append(f"the old setup is not as it was: {found[:4]}")
        self._serves("old")

    def _new(self) -> None:
        if self.night.strategy == "scripts":
            self._serves("old")
            return
        self._serves("new")
        rows, now = self.world.rows, self.world.content("new")
        found = differences(
            {name: _plain(one, name, rows) for name, one in self.data.items()},
            {name: _plain(one, name, rows) for name, one in self.world.data("new").items()},
        )
        found += differences(self.before["jobs"], now["jobs"], "jobs")
        if any(self.world.content("old")["jobs"].values()):
            found.append("jobs are enabled on both servers")
        for one in self.night.databases:
            before, after = self.before["databases"][one.name], now["databases"][one.name]
            keys = ("state", "access", "owner")
            found += differences({key: before[key] for key in keys}, {key: after[key] for key in keys}, one.name)
        if found:
            self.told.broken.append(f"the new setup is not whole: {found[:4]}")

    def _serves(self, role: str) -> None:
        if self.world.public() != role:
            self.told.broken.append(f"users meet {self.world.public()!r}, not {role!r}")

    def _rows(self, view: RunView) -> None:
        """No committed row is lost."""
        serving = "new" if self.night.strategy == "side-by-side" and view.ending is RunState.UPGRADED else "old"
        data = self.world.data(serving)
        named = "\n".join([*view.findings, *(row.body for row in self.store.rows(self.run_id))])
        for row in self.world.rows:
            if row.text in _texts(data[row.database]):
                continue
            kept = [path for path, texts in self._files(row.database) if row.text in texts and path in named]
            if row.past_the_gate and kept:
                self.world.tried["row that slipped in, kept beside"] += 1
                continue
            self.told.broken.append(f"a row is lost: {row}, which is in {kept or 'no file that is named'}")

    def _files(self, database: str) -> Iterator[tuple[str, set[str]]]:
        for shelf in self.world.disk.places.values():
            for path, made in shelf.backups.items():
                if made.database.lower() == database.lower():
                    yield path, _texts(made.content.plain())


def _texts(content: Any) -> set[str]:
    return {str(row[-1]) for rows in content["tables"].values() for row in rows}


def _plain(content: Any, name: str, rows: list[Written]) -> Any:
    """Without what others wrote meanwhile, which is looked at row by row."""
    tables = {
        table: [row for row in found if not str(row[-1]).startswith("w:")] for table, found in content["tables"].items()
    }
    written = any(row.database == name for row in rows)
    positions = {key: value for key, value in content["positions"].items() if not written}
    return {**content, "tables": tables, "positions": positions}


def _stripped(content: Any, rows: list[Written]) -> Any:
    return {**content, "databases": {name: _plain(one, name, rows) for name, one in content["databases"].items()}}


def tell(night: Night) -> Told:
    """One night."""
    return Teller(night).tell()


__all__ = ["generate", "tell"]
