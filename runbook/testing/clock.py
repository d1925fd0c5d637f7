"""Virtual time: a clock that moves only when somebody waits.

Single-threaded by design: timers fire on the thread that lets time pass, in the order in which they are due. What would
wait for ever on a real clock fails here at once, with :class:`ImpossibleWorld`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TypeVar

from runbook.testing.errors import ImpossibleWorld

Found = TypeVar("Found")
START = datetime(2026, 3, 21, 10, 0, tzinfo=UTC)
"""When the story begins: a Saturday, 10:00 UTC."""
MOST_AT_ONCE = 10_000


@dataclass(order=True)
class FakeTimer:
    """A pending call; ordered by when it is due on the monotonic clock, then by the order of asking."""

    due: float
    order: int
    action: Callable[[], None] = field(compare=False)
    lasting: bool = field(default=False, compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Forget the call; one that has fired is no error."""
        self.cancelled = True


class FakeClock:
    """Implements ``runbook.ports.Clock``; deterministic, ids included."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._monotonic = 1000.0
        self._timers: list[FakeTimer] = []
        self._asked = 0
        self._ids = 0
        self._patience: list[float] = []

    def now(self) -> datetime:
        """The wall clock, UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that never jump, also when :meth:`step` moves the wall clock."""
        return self._monotonic

    def new_id(self) -> str:
        """``20260321-100000-0001`` and so on."""
        self._ids += 1
        return f"{self._now:%Y%m%d-%H%M%S}-{self._ids:04x}"

    def call_after(self, seconds: float, action: Callable[[], None]) -> FakeTimer:
        """Fires while time passes; one that is due already fires with the next move of the clock."""
        return self._ask(seconds, action, lasting=False)

    def later(self, seconds: float, action: Callable[[], None]) -> FakeTimer:
        """Something that happens in the world in ``seconds``, whatever becomes of the process."""
        return self._ask(seconds, action, lasting=True)

    def wait(self, event: Event, seconds: float | None) -> bool:
        """Let time pass, timer by timer, until the event is set or the time is over."""
        if seconds is None:
            return self._wait_for_ever(event)
        end = self._monotonic + max(0.0, seconds)
        while not event.is_set() and self._monotonic < end:
            self.tick(end - self._monotonic)
        if not event.is_set():
            self._fire_due()
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Let exactly this much time pass, firing every timer on the way."""
        end = self._monotonic + seconds
        while self._monotonic < end:
            self.tick(end - self._monotonic)
        self._fire_due()

    def tick(self, limit: float) -> float:
        """Move to the next timer, at most ``limit`` seconds; return the seconds that passed."""
        due = self.next_timer()
        passed = limit = self._patient(limit)
        if due is not None:
            passed = min(limit, max(0.0, due - self._monotonic))
        self._now += timedelta(seconds=passed)
        self._monotonic += passed
        self._fire_due()
        self._lose_patience()
        return passed

    def within(self, seconds: float, work: Callable[[], Found]) -> Found:
        """By the caller itself: work that lets more time pass is ended where it does so."""
        patience = self.patience
        patience.append(self._monotonic + seconds)
        try:
            return work()
        finally:
            patience.pop()

    @property
    def patience(self) -> list[float]:
        """When those who wait for the caller have waited long enough, on the monotonic clock."""
        return self._patience

    def _patient(self, seconds: float) -> float:
        return min([seconds, *(max(0.0, end - self._monotonic) for end in self.patience)])

    def _lose_patience(self) -> None:
        if any(end <= self._monotonic for end in self.patience):
            raise TimeoutError("whoever asked has waited long enough")

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock: ``now`` jumps, ``monotonic`` does not."""
        self._now += timedelta(seconds=seconds)

    def next_timer(self) -> float | None:
        """When the next pending call is due, on the monotonic clock."""
        while self._timers and self._timers[0].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0].due if self._timers else None

    def next_due(self) -> float | None:
        """When time will come to what somebody waits for; None when nothing would ever end a wait."""
        timer = self.next_timer()
        return min(self.patience if timer is None else [*self.patience, timer], default=None)

    def forget_timers(self) -> None:
        """The process that asked for them is gone; what happens in the world still happens."""
        self._timers = [timer for timer in self._timers if timer.lasting]
        heapq.heapify(self._timers)

    def _ask(self, seconds: float, action: Callable[[], None], *, lasting: bool) -> FakeTimer:
        self._asked += 1
        timer = FakeTimer(self._monotonic + seconds, self._asked, action, lasting)
        heapq.heappush(self._timers, timer)
        return timer

    def _wait_for_ever(self, event: Event) -> bool:
        while not event.is_set():
            due = self.next_due()
            if due is None:
                raise ImpossibleWorld("waits for ever: the event is not set and no timer is left to set it")
            self.tick(max(0.0, due - self._monotonic))
        return True

    def _fire_due(self) -> None:
        fired = 0
        while (due := self.next_timer()) is not None and due <= self._monotonic:
            fired += 1
            if fired > MOST_AT_ONCE:
                raise ImpossibleWorld("a timer asks for itself again and again without time passing")
            heapq.heappop(self._timers).action()
