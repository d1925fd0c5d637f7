"""The true model: switches with what they really stand at, and everything that must never happen to them.

Every effect asks the journal at the very moment it happens: is its way back on record, may it still begin, is the one
who acts the one who may. What is found is kept in ``broken``; a story ends as soon as one is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from runbook.errors import JournalUnwritable
from runbook.events import Kind
from runbook.journal.log import to_event
from runbook.journal.reading import Row
from runbook.testing.errors import PowerCut
from tests.chaos.deadline import Back
from tests.chaos.generate import GATE, PIVOT
from tests.chaos.record import TimedStore
from tests.chaos.story import Act, Stop, Story
from tests.chaos.turns import Machine, Turns

NEW, HALF = "new", "half"
WELL = "well"
GRADUAL = (WELL, "slow", "lost", "stubborn", "hang", "half", "half-hang", "half-drop", "half-lie")


class Switches:
    """The world of one story."""

    def __init__(self, story: Story, clock: Turns) -> None:
        self.story = story
        self.clock = clock
        self.stops: dict[str, Stop] = {stop.id: stop for stop in story.stops}
        self.before = {stop.id: stop.before for stop in story.stops if stop.kind != "check"}
        self.now = dict(self.before)
        self.store = WatchedStore(self)
        self.tried: Counter[str] = Counter()
        self.trace: list[str] = []
        self.broken: list[str] = []
        self.claimed = 0
        self.used: Counter[tuple[str, str]] = Counter()
        self.mended = False
        self.disk_full = False
        self.touched = False
        self.shut_at: float | None = None
        self.back_at: float | None = None
        """When users were let in again on the old setup."""
        self.new_at: float | None = None
        """When users were let in on the new setup."""
        self.backs: list[Back] = []
        self.troubles = 0
        """Ways back that failed, and looks at them."""
        self.later_troubles = 0
        self.turned_tail = 0.0
        """Seconds that what ran forward when the run turned back did not feel it."""

    def say(self, line: str) -> None:
        """Into the trace, with the time."""
        self.trace.append(f"{self.clock.monotonic() - 1000:9.2f} {self.clock.machine.name}: {line}")

    def breaks(self, promise: str) -> None:
        """Remember it; the story goes on to its end."""
        self.say(f"BROKEN: {promise}")
        self.broken.append(promise)

    # --- power ---------------------------------------------------------------------------------------------------

    def moment(self, where: str) -> None:
        """A moment at which power may be lost, or the process stopped."""
        machine = self.clock.machine
        if machine is self.clock.world:
            return
        self.alive()
        machine.moments += 1
        life = getattr(machine, "life", None)
        if life is None or life.moment < 0 or machine.moments != life.moment + 1:
            return
        self.end(machine, where)
        self.alive()

    def end(self, machine: Machine, where: str) -> None:
        """As this process's life ends."""
        life = machine.life  # type: ignore[attr-defined]
        if machine.ended or machine.dead:
            return
        self.tried["power cut" if life.how == "cut" else "process stopped"] += 1
        self.say(f"{machine.name}: {life.how} {where}")
        self.store.silent_from(machine)
        if life.how == "cut":
            self.clock.cut_power(machine)
        else:
            self.clock.later(life.lasts, lambda: self._go_on(machine))
            self.clock.stop(machine)

    def _go_on(self, machine: Machine) -> None:
        if machine.stopped:
            self.say(f"{machine.name} goes on")
            self.store.acts_again(machine)
            self.clock.go_on(machine)

    def alive(self) -> None:
        """Raise PowerCut in a process that is dead."""
        if self.clock.machine.dead:
            raise PowerCut("this process is dead")

    # --- what each try meets -------------------------------------------------------------------------------------

    def next(self, stop: Stop, name: str) -> Act | None:
        """How the next call of that kind goes; None: well."""
        acts: tuple[Act, ...] = getattr(stop, name)
        at = self.used[stop.id, name]
        self.used[stop.id, name] += 1
        if self.mended or not acts:
            return None
        if at >= len(acts) and not (name == "backs" and stop.for_ever):
            return None
        act = acts[min(at, len(acts) - 1)]
        self.tried[f"{_NAMES[name]}: {act.what}"] += 1
        if name in ("backs", "back_verifies") and act.what not in ("slow", "lost"):
            self.troubles += 1
        if stop.kind in ("pivot", "later"):
            self.later_troubles += 1
        return act

    # --- what happens to a switch --------------------------------------------------------------------------------

    def change(self, stop: Stop, value: str, *, back: bool, fence: int, stubborn: bool = False) -> None:
        """It happens; whether it may is asked here, of the journal as it stands at this moment."""
        self.alive()
        self.say(f"{'back' if back else 'do'} {stop.id}: {self.now[stop.id]} -> {value}")
        self._may(stop, back=back, fence=fence, stubborn=stubborn)
        self.touched = True
        self.now[stop.id] = value
        at = self.clock.monotonic()
        if stop.id == GATE:
            self.shut_at = self.shut_at if self.shut_at is not None else at
            self.back_at = at if value == self.before[GATE] else None
        if stop.id == PIVOT and value == NEW and self.new_at is None:
            self.new_at = at
            self._whole_at_pivot()

    def _may(self, stop: Stop, *, back: bool, fence: int, stubborn: bool) -> None:
        store, step = self.store, stop.id
        if fence != store.fence:
            self.breaks(f"{step} was touched under number {fence}, the journal is at {store.fence}")
        recorded = store.undo.get(step)
        if stop.kind in ("switch", "gate") and (recorded is None or recorded["was"] != self.before[step]):
            self.breaks(f"{step} was touched, its way back on record is {recorded}, it was {self.before[step]}")
        if back:
            if store.last.get(step) is not Kind.UNDO_STARTED:
                self.breaks(f"{step} was put back, on record it is {store.last.get(step)}")
            if self.now[PIVOT] == NEW:
                self.breaks(f"{step} was put back after users were let in on the new setup")
            return
        if store.last.get(step) is not Kind.STEP_STARTED:
            self.breaks(f"{step} was done, on record it is {store.last.get(step)}")
        if store.turned_back and not stubborn:
            self.breaks(f"{step} was done after the run had turned back")
        if store.finished:
            self.breaks(f"{step} was done after the run had ended")

    def _whole_at_pivot(self) -> None:
        for stop in self.stops.values():
            if stop.kind in ("switch", "gate") and self.now[stop.id] != NEW:
                self.breaks(f"users were let in on the new setup while {stop.id} stood at {self.now[stop.id]}")


_NAMES = {
    "looks": "look",
    "acts": "forward",
    "verifies": "look at the outcome",
    "backs": "way back",
    "back_verifies": "look at the way back",
}


class WatchedStore(TimedStore):
    """A journal that can lose power before and after each write, and fill up."""

    def __init__(self, world: Switches) -> None:
        super().__init__(world.clock, alive=world.alive)
        self.world = world
        self.undo: dict[str, Mapping[str, Any]] = {}
        self.turned_back = self.finished = False

    def append(self, rows: Sequence[Row], *, expected: int, fence: int | None) -> bool:
        """See the protocol."""
        what = " ".join(f"{row.kind}({row.step})" for row in rows)
        self._room(what)
        self.world.moment(f"before writing {what}")
        self._room(what)
        done = super().append(rows, expected=expected, fence=fence)
        if done:
            self.world.moment(f"after writing {what}")
        return done

    def beat(self, run_id: str, fence: int, at: str, *, released: bool = False) -> bool:
        """See the protocol."""
        self._room("beat")
        return super().beat(run_id, fence, at, released=released)

    def _room(self, what: str) -> None:
        if self.world.disk_full and self.world.clock.machine is not self.world.clock.world:
            self.world.tried["journal: disk full"] += 1
            raise JournalUnwritable(f"the journal cannot be written: no space left ({what})")

    def seen(self, row: Row) -> None:
        """It is durable; whether it may stand there is asked here."""
        super().seen(row)
        kind, world = Kind(row.kind), self.world
        if row.fence and row.fence != self.fence:
            world.breaks(f"{row.kind} was written under number {row.fence}, the journal is at {self.fence}")
        if kind not in (Kind.STATEMENT, Kind.STATEMENT_ENDED):
            world.say(f"[{row.n} as {row.fence}] {row.kind} {row.step} {_short(row.body)}")
        if kind is Kind.STEP_STARTED:
            self._began(row)
        if kind is Kind.TURNED_BACK:
            self.turned_back = True
            busy = [world.stops[step] for step, last in self.last.items() if last is Kind.STEP_STARTED]
            world.turned_tail = max((_tail(stop) for stop in busy), default=0.0)
        if kind is Kind.RUN_FINISHED:
            self.finished = True

    def _began(self, row: Row) -> None:
        undo = to_event(row).data.get("undo")
        self.undo.pop(row.step, None)
        if undo:
            self.undo[row.step] = undo["data"]


def _short(body: str) -> str:
    return body if len(body) < 160 else f"{body[:157]}..."


def _tail(stop: Stop) -> float:
    return max((act.seconds for act in stop.acts if act.what == "stubborn"), default=0.0)
