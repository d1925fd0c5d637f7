"""Virtual time for many threads: one runs at a time, and hands over only where it waits.

The engine runs on its threads as in production, in an order that is drawn and can be drawn again. A *machine* is a
process with its threads and timers: it may lose power (every thread of it ends where it waits) or be stopped and go
on later, as by SIGSTOP and SIGCONT, while another machine acts.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random

from runbook.testing.clock import FakeClock, FakeTimer
from runbook.testing.errors import ImpossibleWorld, PowerCut

NEVER = float("inf")
LONGEST = 10 * 86400.0
"""Virtual seconds after which a story that does not end is taken to hang."""
STUCK = 5.0
"""Real seconds after which a thread that should hand over is taken to wait for a lock."""


class Machine:
    """A process. ``fence`` is the number it acts under, once it has one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.stopped = False
        self.fence = 0
        self.moments = 0
        self.threads = 0
        self.news = threading.Event()
        """Set when it has ended or was stopped."""
        self.result: object = None
        self.error: BaseException | None = None
        self.missed: list[Callable[[], None]] = []

    @property
    def ended(self) -> bool:
        """No thread of it is left."""
        return self.threads == 0


class _Thread:
    def __init__(self, machine: Machine, work: Callable[[], None] | None) -> None:
        self.machine = machine
        self.work = work
        self.baton = threading.Semaphore(0)
        self.due = 0.0
        self.event: threading.Event | None = None
        self.first = False
        self.restless = False
        self.since = 0.0
        self.patience: list[float] = []


class Turns(FakeClock):
    """A FakeClock whose waiting is shared by threads. ``order`` draws who goes on when several may."""

    def __init__(self, order: Random | None = None) -> None:
        super().__init__()
        self.world = Machine("the world")
        self.world.threads = 1
        self._order = order or Random(0)
        self._main = _Thread(self.world, None)
        self._current = self._main
        self._waiting: list[_Thread] = []
        self._acting: Machine | None = None
        self._machines: list[Machine] = []
        self._failure: BaseException | None = None
        self._end = self._monotonic + LONGEST
        self._turns = 0

    # --- machines ------------------------------------------------------------------------------------------------

    @property
    def machine(self) -> Machine:
        """Whose thread (or timer) runs now."""
        return self._acting or self._current.machine

    def boot(self, name: str, work: Callable[[], object]) -> Machine:
        """A new process; it begins when the asking thread waits."""
        machine = Machine(name)
        self._machines.append(machine)

        def main() -> None:
            try:
                machine.result = work()
            except BaseException as error:  # noqa: BLE001  (looked at by whoever waits for the machine)
                machine.error = error

        self.spawn(main, machine)
        return machine

    def spawn(self, work: Callable[[], None], machine: Machine | None = None) -> None:
        """One more thread of this machine."""
        thread = _Thread(machine or self.machine, work)
        thread.due = self._monotonic
        thread.machine.threads += 1
        self._waiting.append(thread)
        threading.Thread(target=self._run, args=(thread,), daemon=True).start()

    def cut_power(self, machine: Machine | None = None) -> None:
        """Every thread of it ends where it waits; the one that asks must raise PowerCut itself."""
        found = machine or self.machine
        found.dead, found.stopped = True, False

    def stop(self, machine: Machine | None = None) -> None:
        """SIGSTOP: none of its threads goes on, none of its timers fires. The thread that asks stops at once."""
        found = machine or self.machine
        if found.dead or found.ended:
            return
        found.stopped = True
        found.news.set()
        if not self._acting and found is self._current.machine:
            self._current.first = True  # it may hold a lock: the others of its machine can only come after it
            self._park(self._monotonic, None)
            self._current.first = False

    def go_on(self, machine: Machine) -> None:
        """SIGCONT."""
        machine.stopped = False
        missed, machine.missed = machine.missed, []
        for action in missed:
            with self._as(machine):
                action()

    def await_news(self, machine: Machine) -> None:
        """Until it has ended or was stopped."""
        self.wait(machine.news, None)
        machine.news.clear()

    def close(self) -> None:
        """Nothing of this story goes on."""
        for machine in self._machines:
            self.cut_power(machine)
        if self._current is not self._main:
            return  # one that is stuck has the turn: its threads are abandoned
        self._failure = None
        self._end = NEVER
        while any(not machine.ended for machine in self._machines):
            self.advance(1.0)

    # --- the clock -----------------------------------------------------------------------------------------------

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """See FakeClock."""
        if not event.is_set():
            self._park(NEVER if seconds is None else self._monotonic + max(0.0, seconds), event)
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """See FakeClock."""
        self._park(self._monotonic + seconds, None)

    def tick(self, limit: float) -> float:
        """See FakeClock."""
        before, me = self._monotonic, self._current
        me.restless = True  # looks up whenever time has passed, so that it feels a cancellation
        try:
            self._park(before + limit, None)
        finally:
            me.restless = False
        return self._monotonic - before

    @property
    def patience(self) -> list[float]:
        """Of the thread that has the turn."""
        return self._current.patience

    def next_timer(self) -> float | None:
        """When something happens next, by a timer or because a thread stops waiting."""
        dues = [thread.due for thread in self._waiting if thread.due < NEVER and not thread.machine.stopped]
        timer = super().next_timer()
        return min(dues if timer is None else [*dues, timer], default=None)

    def forget_timers(self) -> None:
        """Those of a dead machine never fire anyway."""

    def _ask(self, seconds: float, action: Callable[[], None], *, lasting: bool) -> FakeTimer:
        owner = self.world if lasting else self.machine

        def fire() -> None:
            if owner.stopped:
                owner.missed.append(fire_now)
            elif not owner.dead and not owner.ended:
                fire_now()

        def fire_now() -> None:
            if not timer.cancelled:
                with self._as(owner):
                    action()

        timer = super()._ask(seconds, fire, lasting=lasting)
        return timer

    @contextmanager
    def _as(self, machine: Machine) -> Iterator[None]:
        before, self._acting = self._acting, machine
        try:
            yield
        finally:
            self._acting = before

    # --- turns ---------------------------------------------------------------------------------------------------

    def _park(self, due: float, event: threading.Event | None) -> None:
        me = self._current
        if me.machine.dead:
            raise PowerCut(f"{me.machine.name} is dead")
        me.due, me.event, me.since = min([due, *me.patience]), event, self._monotonic
        self._waiting.append(me)
        following = self._following()
        if following is not me:
            self._hand_over(following)
            self._await_baton(me)
        if me is self._main and self._failure:
            raise self._failure
        if me.machine.dead:
            raise PowerCut(f"{me.machine.name} is dead")
        self._lose_patience()

    def _await_baton(self, me: _Thread) -> None:
        seen = -1
        while not me.baton.acquire(timeout=STUCK):
            if seen == self._turns:
                raise ImpossibleWorld("a thread does not come to an end, or waits for a lock of one that waits")
            seen = self._turns

    def _hand_over(self, following: _Thread) -> None:
        self._turns += 1
        self._current = following
        following.baton.release()

    def _run(self, thread: _Thread) -> None:
        thread.baton.acquire()
        try:
            if not thread.machine.dead and thread.work:
                thread.work()
        except BaseException as error:  # noqa: BLE001  (a defect of the harness: told by the main thread)
            self._failure = self._failure or error
        thread.machine.threads -= 1
        if thread.machine.ended:
            thread.machine.news.set()
        self._hand_over(self._following())

    def _following(self) -> _Thread:
        try:
            found = self._next()
        except BaseException as error:  # noqa: BLE001  (told by the main thread)
            self._failure, found = error, self._main
        self._waiting = [thread for thread in self._waiting if thread is not found]
        return found

    def _next(self) -> _Thread:
        while True:
            ready = [thread for thread in self._waiting if self._may_go_on(thread)]
            if self._failure:
                return self._main
            first = [thread for thread in ready if thread.first]
            if first:
                return first[0]
            if len(ready) > 1:
                return ready[self._order.randrange(len(ready))]
            if ready:
                return ready[0]
            self._move()

    def _may_go_on(self, thread: _Thread) -> bool:
        if thread.machine.dead:
            return True
        if thread.machine.stopped:
            return False
        if thread.restless and thread.since < self._monotonic:
            return True
        return thread.due <= self._monotonic or bool(thread.event and thread.event.is_set())

    def _move(self) -> None:
        due = self.next_timer()
        if due is None:
            raise ImpossibleWorld("everybody waits for ever")
        if due > self._end:
            raise ImpossibleWorld("this never ends")
        passed = max(0.0, due - self._monotonic)
        self._monotonic = max(due, self._monotonic)
        self._now += timedelta(seconds=passed)
        self._fire_due()

    def _fire_due(self) -> None:
        while (due := super().next_timer()) is not None and due <= self._monotonic:
            heapq.heappop(self._timers).action()


class TurnWorkers:
    """``runbook.workers.Workers`` on threads that take turns."""

    inline = False

    def __init__(self, clock: Turns) -> None:
        self._clock = clock
        self._idle = threading.Event()
        self._busy = 0

    def submit(self, name: str, job: Callable[[], None], done: Callable[[BaseException | None], None]) -> None:
        """Run on a thread of its own."""
        del name
        self._busy += 1
        self._idle.clear()

        def work() -> None:
            error: BaseException | None = None
            try:
                job()
            except BaseException as caught:  # noqa: BLE001  (as ThreadWorkers)
                error = caught
            done(error)
            self._busy -= 1
            if self._busy == 0:
                self._idle.set()

        self._clock.spawn(work)

    def close(self) -> None:
        """Until all have ended."""
        while self._busy:
            self._clock.wait(self._idle, None)
