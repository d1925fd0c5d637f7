"""Generated graphs: the real executor, engine, policy and journal on a world of switches, in virtual time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from runbook.commands import runs
from runbook.errors import AlreadyRunning, Fenced, FencedOut, JournalError, Refused
from runbook.executor import Executor, Kinds
from runbook.plan.compile import Compiled
from runbook.policy import ATTEMPTS
from runbook.runview import RunView
from runbook.states import RunState
from runbook.testing.errors import ImpossibleWorld, PowerCut
from runbook.testing.plans import mailer_plan
from tests.chaos.deadline import Course
from tests.chaos.generate import GATE, story
from tests.chaos.story import Life, Story
from tests.chaos.switches import NEW, Switches
from tests.chaos.throwing import UNDOS, SwitchServices, Throw, in_world
from tests.chaos.told import MOST_PROCESSES, PATIENCE, Broken, Told
from tests.chaos.turns import Machine, Turns, TurnWorkers


@cache
def _plan() -> Any:
    """Any plan will do: the graph is given."""
    keep = TemporaryDirectory()
    plan = mailer_plan(Path(keep.name), databases=("Contacts",))
    _kept.append(keep)
    return plan


_kept: list[Any] = []


class GraphExecutor(Executor):
    """An executor whose plan compiles to the story's graph."""

    compiled_story: Compiled

    def compiled(self, plan: Any, sizes: Any) -> Compiled:
        """The story's graph."""
        del plan, sizes
        return self.compiled_story


class Teller:
    """Lets one story happen and judges it."""

    def __init__(self, tale: Story) -> None:
        self.story = tale
        self.clock = Turns(Random(tale.order))
        self.world = Switches(tale, self.clock)
        self.graph = tale.graph()
        self.told = Told(broken=self.world.broken, tried=self.world.tried, trace=self.world.trace)
        self.run_id = ""
        self.opened = 0.0
        self.lives = list(tale.lives)
        self.machines: list[Machine] = []
        self.count = 0
        self.refused = 0

    # --- processes -------------------------------------------------------------------------------------------------

    def executor(self) -> GraphExecutor:
        """A new process's."""
        made: list[GraphExecutor] = []
        executor = GraphExecutor(
            self.world.store,
            self.clock,
            Kinds((), UNDOS),
            lambda plan: SwitchServices(self.world, plan, lambda: made[0].engine and made[0].engine.fenced()),  # type: ignore[arg-type,return-value]
            lambda _limit: TurnWorkers(self.clock),
            heartbeat=False,
        )
        steps = {stop.id: Throw(self.world, stop) for stop in self.story.stops}
        executor.compiled_story = Compiled(self.graph, steps)
        made.append(executor)
        return executor

    def boot(self, life: Life | None) -> Machine:
        """One more process that takes the run up."""
        self.count += 1
        name = f"process {self.count}"

        def work() -> object:
            executor = self.executor()
            machine.now = executor.now  # type: ignore[attr-defined]
            machine.executor = executor  # type: ignore[attr-defined]
            try:
                return executor.drive(self.run_id, _plan())
            finally:
                self.world.store.silent_from(machine)

        machine = self.clock.boot(name, work)
        machine.life = life  # type: ignore[attr-defined]
        self.machines.append(machine)
        if life and life.at >= 0:
            self.clock.later(life.at, lambda: self.world.end(machine, "by the clock"))
        return machine

    # --- the story ---------------------------------------------------------------------------------------------------

    def tell(self) -> Told:
        """From the opening to the ending."""
        with in_world(self.world):
            try:
                self._tell()
            except Broken as error:
                self.world.breaks(str(error))
            except Exception as error:  # noqa: BLE001  (a journal that cannot be read back is a finding as well)
                self.world.breaks(f"{type(error).__name__}: {error}")
            finally:
                self.clock.close()
        return self.told

    def _tell(self) -> None:
        try:
            self.run_id = self.executor().open_run(_plan(), self.story.window)
        except Refused:
            self.told.ending = "refused at opening"
            return
        self.opened = self.clock.monotonic()
        for one in self.story.happenings:
            self.clock.later(one.at, lambda one=one: self._happens(one.what, one.number))  # type: ignore[misc]
        while not self._one_life():
            if self.count > MOST_PROCESSES:
                raise Broken("it never comes to an end, however often it is resumed")
        self._end_the_rest()
        self._judge()

    def _one_life(self) -> bool:
        """One process from its start to its end; True when the run has ended."""
        life = self.lives.pop(0) if self.lives else None
        machine = self.boot(life)
        over = self._watch(machine)
        if over is not None:
            return over
        gap = life.gap if life else 20.0
        self.clock.advance(gap)
        return self._view().ending is not None

    def _watch(self, machine: Machine) -> bool | None:
        """Until it has ended or stands still. True: the run has ended; False: another may be started at once."""
        patience = self.clock.later(self._patience(), lambda: self._end_by_hand(machine))
        self.clock.await_news(machine)
        patience.cancel()
        if not machine.ended:
            return None
        return self._after(machine)

    def _after(self, machine: Machine) -> bool | None:
        error = machine.error
        if isinstance(error, PowerCut) or machine.dead:
            return None
        if isinstance(error, AlreadyRunning):
            self.lives.insert(0, machine.life) if machine.life else None  # type: ignore[attr-defined]
            living = [one for one in self.machines if not (one.ended or one.stopped or one.dead)]
            if living:
                return self._watch(living[0])
            self.refused += 1
            self.clock.advance(5.0 if self.refused < 20 else 300.0)
            self.world.tried["refused: another one is at work"] += 1
            return self._view().ending is not None
        if isinstance(error, Fenced | FencedOut):
            if machine.fence == self.world.store.fence:
                raise Broken(f"{machine.name} gave up although nobody took over: {error}")
            return None
        if isinstance(error, JournalError):
            if not self.world.tried["journal: disk full"]:
                raise Broken(f"{machine.name} ended with {type(error).__name__}: {error}")
            return None
        if error is not None:
            raise error if isinstance(error, ImpossibleWorld) else Broken(f"{machine.name} ended with {error!r}")
        if machine.result is RunState.HELD and self._view().waits:
            runs.request(self.executor(), self.run_id, "go-on", "")  # it was asked for, and ended while it waited
            return False
        if machine.result is RunState.HELD:
            self._held()
            return False
        if machine.result not in (RunState.UPGRADED, RunState.REVERTED, RunState.REFUSED):
            return None
        return True

    def _held(self) -> None:
        view = self._view()
        why = self.world.later_troubles if view.pivot_at else self.world.troubles
        worn_out = any(step.attempts >= ATTEMPTS for step in view.steps.values())  # lost its executor each time
        if not why and not (view.pivot_at and worn_out):
            raise Broken(f"held without a reason: {view.held}")
        if self.world.mended:
            raise Broken(f"held although all is mended: {view.held}")
        self.told.ending = "held"
        self.world.say(f"held: {view.held}; a person mends everything")
        self.world.mended = True
        self.clock.advance(60.0)

    def _patience(self) -> float:
        return max(self.opened + self.story.window - self.clock.monotonic(), 0.0) + PATIENCE

    def _end_by_hand(self, machine: Machine) -> None:
        executor = getattr(machine, "executor", None)
        if machine.ended or machine.stopped or executor is None or executor.engine is None:
            return
        self.world.tried["ended by a person, long after the window"] += 1
        self.world.say(f"a person ends {machine.name}")
        self.world.mended = True
        executor.engine.stop("a person ends it", at_once=True)

    def _end_the_rest(self) -> None:
        """Those that stand still wake up, find that they are not wanted, and end without touching anything."""
        before = dict(self.world.now)
        for machine in self.machines:
            if machine.stopped:
                self.world._go_on(machine)
            while not machine.ended:
                self.clock.await_news(machine)
        if self.world.now != before:
            self.world.breaks("something was touched after the run had ended")

    def _happens(self, what: str, number: float) -> None:
        """In the world, not in a process."""
        self.world.say(f"{what} {number:+.1f}" if number else what)
        self.world.tried[what if number <= 0 or what != "clock" else "clock forward"] += 1
        if what == "clock":
            self.clock.step(number)
        elif what == "disk-full":
            self.world.disk_full = True
            self.clock.later(number, lambda: setattr(self.world, "disk_full", False))
        elif self._view().ending is None:
            executor = self.executor()
            try:
                runs.request(executor, self.run_id, what, "a person", unless=lambda run: run.pivot_at or run.ending)
            except JournalError as error:
                self.world.say(f"refused: {error}")

    def _view(self) -> RunView:
        return self.world.store.view_at(len(self.world.store.rows(self.run_id)))

    # --- the judgement ---------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        view, world = self._view(), self.world
        held = "held, then " if self.told.ending == "held" else ""
        self.told.ending = f"{held}{view.ending}"
        if view.ending is RunState.UPGRADED:
            self._expect(dict.fromkeys(world.before, NEW))
        else:
            self._expect(world.before)
        if view.ending is RunState.REFUSED and world.touched:
            world.breaks("refused, although something was touched")
        if world.mended and self.story.stops and view.pivot_at is None and view.ending is RunState.UPGRADED:
            world.breaks("upgraded without a pivot")
        if view.ending is RunState.REVERTED and world.shut_at is not None and world.back_at is not None:
            closes = self.opened + self.story.window
            Course(world.store, self.opened, closes, world.back_at, world.backs, world.turned_tail).judge(self.told)

    def _expect(self, wanted: dict[str, str]) -> None:
        between = [
            f"{name} stands at {found}, not {wanted[name]}"
            for name, found in self.world.now.items()
            if found != wanted[name]
        ]
        if between:
            self.world.breaks(f"ended {self._view().ending}, but {'; '.join(between)}")


def tell(tale: Story) -> Told:
    """One story."""
    return Teller(tale).tell()


def generate(draw: Random) -> Story:
    """One story."""
    return story(draw)


__all__ = ["GATE", "Told", "generate", "tell"]
