"""The true model: switches with what they really stand at, and everything that must never happen to them.

Every effect asks the journal at the very moment it happens: is its way back on record, may it still begin, is the one
who acts the one who may. What is found is kept in ``broken``; a story ends as soon as one is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from runbook.cancel import CancelToken
from runbook.errors import Cancelled, HostError, JournalError, JournalUnwritable
from runbook.events import Event, Kind
from runbook.journal.log import RunLog, fold, to_event
from runbook.journal.reading import Row
from runbook.runview import RunView
from runbook.step import Apply, Block, Decision, Outcome, Pass, Phase, Sizes, Skip, Step, Undo
from runbook.testing.errors import PowerCut
from runbook.testing.store import MemoryStore
from tests.chaos.generate import GATE, PIVOT
from tests.chaos.story import Act, Stop, Story
from tests.chaos.turns import Machine, Turns

NEW, HALF = "new", "half"
WELL = "well"
GRADUAL = (WELL, "slow", "lost", "stubborn", "hang", "half", "half-hang", "half-drop", "half-lie")


class Broken(AssertionError):
    """A promise was broken; the message says which."""


@dataclass
class Back:
    """One way back that was gone, as it truly was."""

    step: str
    began: float
    ended: float = -1.0
    good: bool = False
    failed: bool = False


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


class WatchedStore(MemoryStore):
    """A journal that can lose power before and after each write, fill up, and remembers true time."""

    def __init__(self, world: Switches) -> None:
        super().__init__(alive=world.alive)
        self.world = world
        self.last: dict[str, Kind] = {}
        self.undo: dict[str, Mapping[str, Any]] = {}
        self.turned_back = self.finished = False
        self.times: list[float] = []
        """True time of every row of the run."""
        self.run_id = ""
        self.silences: list[list[float]] = []
        """When nobody acted: from, to (true time)."""
        self._acting: dict[str, float] = {}

    @property
    def fence(self) -> int:
        """The number that may write."""
        head = self.head(self.run_id)
        return head.fence if head else 0

    def append(self, rows: Sequence[Row], *, expected: int, fence: int | None) -> bool:
        """See the protocol."""
        what = " ".join(f"{row.kind}({row.step})" for row in rows)
        self._room(what)
        self.world.moment(f"before writing {what}")
        self._room(what)
        done = super().append(rows, expected=expected, fence=fence)
        if done:
            for row in rows:
                self._seen(row)
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

    def _seen(self, row: Row) -> None:
        kind, world = Kind(row.kind), self.world
        self.run_id = row.run_id
        self.times.append(world.clock.monotonic())
        if row.fence and row.fence != self.fence:
            world.breaks(f"{row.kind} was written under number {row.fence}, the journal is at {self.fence}")
        if kind not in (Kind.STATEMENT, Kind.STATEMENT_ENDED):
            world.say(f"[{row.n} as {row.fence}] {row.kind} {row.step} {_short(row.body)}")
        if kind in _STEP_KINDS:
            self.last[row.step] = kind
        if kind is Kind.STEP_STARTED:
            self._began(row)
        if kind is Kind.EXECUTOR_STARTED:
            self._acts(world.clock.machine)
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

    # --- who acts --------------------------------------------------------------------------------------------------

    def _acts(self, machine: Machine) -> None:
        self._acting[machine.name] = self.world.clock.monotonic()
        if self.silences and len(self.silences[-1]) == 1:
            self.silences[-1].append(self.world.clock.monotonic())

    def acts_again(self, machine: Machine) -> None:
        """It was stopped and goes on: it acts, if its number is still good."""
        if machine.fence == self.fence:
            self._acts(machine)

    def silent_from(self, machine: Machine) -> None:
        """This one acts no more."""
        if self._acting.pop(machine.name, None) is not None and machine.fence == self.fence:
            self.silences.append([self.world.clock.monotonic()])

    def view_at(self, count: int) -> RunView:
        """The run as its first rows tell."""
        return fold(self.rows(self.run_id)[:count])

    def events(self) -> list[Event]:
        """All of the run."""
        return [to_event(row) for row in self.rows(self.run_id)]


_STEP_KINDS = frozenset(kind for kind in Kind if kind.value.startswith(("step-", "undo-"))) - {Kind.STEP_LOOKING}


def _short(body: str) -> str:
    return body if len(body) < 160 else f"{body[:157]}..."


def _tail(stop: Stop) -> float:
    stubborn = max((act.seconds for act in stop.acts if act.what == "stubborn"), default=0.0)
    return stubborn + sum(act.seconds for act in stop.verifies if act.what == "slow")


# --- the server ------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """One process's grip on the switches, recorded like any other."""

    world: Switches
    token: CancelToken
    recorder: Any
    fence: int

    def throw(self, stop: Stop, value: str, act: Act, *, back: bool) -> None:
        """Change a switch, in the way ``act`` says."""
        world = self.world
        world.alive()
        self.token.checkpoint()
        with self.recorder.statement("switches", f"{'back' if back else 'do'} {stop.id}", effect=True):
            world.moment(f"before {stop.id}")
            self._take_time(stop, value, act, back=back)
            world.moment(f"after {stop.id}")
            if act.what == "lost":
                raise HostError("no answer came", host="switches", in_doubt=True)

    def _take_time(self, stop: Stop, value: str, act: Act, *, back: bool) -> None:
        half = act.what.startswith("half")
        if stop.gradual and not back and act.what in GRADUAL:
            self._change(stop, HALF, act, back=back)
        self._sleep(act.seconds / 2, stubborn=act.what == "stubborn")
        if half:
            self._change(stop, HALF, act, back=back)
            self.world.moment(f"in the middle of {stop.id}")
        self._sleep(act.seconds / 2, stubborn=act.what == "stubborn")
        what = act.what.removeprefix("half-")
        if what == "hang":
            self._sleep(30 * 86400.0)
        if what in ("refused", "half"):
            raise HostError("it was refused", host="switches")
        if what == "drop":
            raise HostError("the connection broke", host="switches", in_doubt=True)
        if what != "lie":
            self._change(stop, value, act, back=back)

    def _change(self, stop: Stop, value: str, act: Act, *, back: bool) -> None:
        self._session()
        self.world.change(stop, value, back=back, fence=self.fence, stubborn=act.what == "stubborn")

    def _session(self) -> None:
        """Whoever takes over ends the sessions of the one before, so that what these were told does not happen."""
        if self.world.claimed > self.fence:
            self.world.tried["stopped at the server: an older number"] += 1
            raise HostError("the session was ended", host="switches", in_doubt=True)

    def _sleep(self, seconds: float, *, stubborn: bool = False) -> None:
        if not stubborn:
            self.token.sleep(seconds)
            return
        with self.token.shield():
            self.token.sleep(seconds)


class SwitchServices:
    """``runbook.executor.World`` over the switches."""

    sizes = Sizes()
    plan: Any

    def __init__(self, world: Switches, plan: Any, fenced: Callable[[], None]) -> None:
        self.world = world
        self.plan = plan
        self._fence = 0
        self._fenced = fenced

    def server(self, name: str, cancellation: Any, recorder: Any) -> Any:
        """The switches."""
        del name
        return Server(self.world, cancellation, recorder, self._fence)

    def survey(self) -> tuple[Sizes, Mapping[str, Any]]:
        """Who they are."""
        return Sizes(), {"switches": {"url": "switches://here", "name": "switches", "version": ""}}

    def attach(self, log: RunLog) -> None:
        """Work for this run from now on."""
        self._fence = self.world.clock.machine.fence = log.fence or 0

    @contextmanager
    def claim(self, log: RunLog) -> Iterator[None]:
        """End the sessions of earlier executors; beat while this one lives."""
        self.attach(log)
        self.world.claimed = max(self.world.claimed, self._fence)
        self._beat(log)
        yield

    def _beat(self, log: RunLog) -> None:
        from runbook.journal.term import TERM

        def beat() -> None:
            lease = self.world.store.lease(log.view.run_id)
            if lease is None or (lease.fence == self._fence and lease.released):
                return
            at = self.world.clock.machine.now().isoformat(timespec="microseconds")  # type: ignore[attr-defined]
            held = True
            with suppress(JournalUnwritable):
                held = self.world.store.beat(log.view.run_id, self._fence, at)
            if held:
                self.world.clock.call_after(TERM / 3, beat)
            else:
                self._fenced()

        self.world.clock.call_after(TERM / 3, beat)

    def together(self, work: Any, items: Sequence[Any], limit: int) -> list[Any]:
        """One after the other."""
        del limit
        return [work(item) for item in items]


# --- steps -----------------------------------------------------------------------------------------------------------

_worlds: list[Switches] = []


@dataclass(frozen=True)
class PutBack(Undo):
    """Puts a switch back as it was."""

    switch: str
    was: str

    def run(self, ctx: Any) -> None:
        """Set it."""
        world = _worlds[-1]
        stop = world.stops[self.switch]
        back = Back(self.switch, world.clock.monotonic())
        world.backs.append(back)
        act = world.next(stop, "backs") or Act(WELL, stop.back_takes)
        server = ctx.server("switches")
        try:
            server.throw(stop, self.was, act, back=True)
        except (Exception, Cancelled) as error:
            back.failed = world.claimed == server.fence and not isinstance(error, JournalError)
            raise
        back.ended, back.good = world.clock.monotonic(), act.what in (WELL, "slow")

    def verify(self, ctx: Any) -> Outcome:
        """Look."""
        world = _worlds[-1]
        stop = world.stops[self.switch]
        act = world.next(stop, "back_verifies")
        for back in [back for back in world.backs if back.step == self.switch][-1:] if act else []:
            back.good = False
        _look(ctx, act)
        return Outcome.REACHED if world.now[self.switch] == self.was else Outcome.PARTIAL


@dataclass(frozen=True)
class Wanted:
    """Intent."""

    switch: str
    was: str


class Throw(Step):
    """Throws a switch."""

    phase = Phase.UPGRADE
    undoes_with = (PutBack,)
    Intent: ClassVar[Any] = Wanted

    def __init__(self, world: Switches, stop: Stop) -> None:
        super().__init__(None, stop.id)  # type: ignore[arg-type]
        self.world = world
        self.stop = stop

    @property
    def id(self) -> str:
        return self.stop.id

    def observe(self, ctx: Any) -> Any:
        """What it stands at; or how the look went."""
        act = self.world.next(self.stop, "looks")
        _look(ctx, act)
        return "blocked" if act and act.what == "blocked" else self.world.now.get(self.id, "")

    def decide(self, facts: str) -> Decision:
        """The value, unless it is there already."""
        if facts == "blocked":
            return Block("it may not be thrown", "Leave it.")
        if self.stop.kind == "check":
            return Pass("it holds")
        if facts == NEW:
            return Skip("it stands there already")
        owes = self.stop.kind in ("switch", "gate")
        return Apply(Wanted(self.id, facts), PutBack(self.id, facts) if owes else None)

    def apply(self, ctx: Any, intent: Wanted) -> None:
        """Throw it."""
        act = self.world.next(self.stop, "acts") or Act(WELL, self.stop.takes)
        ctx.server("switches").throw(self.stop, NEW, act, back=False)

    def verify(self, ctx: Any, intent: Wanted) -> Outcome:
        """Look."""
        _look(ctx, self.world.next(self.stop, "verifies"))
        found = self.world.now[intent.switch]
        return {NEW: Outcome.REACHED, intent.was: Outcome.UNTOUCHED}.get(found, Outcome.PARTIAL)


def _look(ctx: Any, act: Act | None) -> None:
    if act and act.what == "slow":
        ctx.sleep(act.seconds)
    if act and act.what == "blind":
        raise HostError("it cannot be seen", host="switches")


@contextmanager
def in_world(world: Switches) -> Iterator[Switches]:
    """Undos are rebuilt from the journal and must find their world."""
    _worlds.append(world)
    try:
        yield world
    finally:
        _worlds.pop()


UNDOS = {PutBack.name: PutBack}
