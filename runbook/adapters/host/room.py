"""How many calls a host takes side by side, as far as it is known: fewer once it has refused one."""

from __future__ import annotations

from threading import Condition

from runbook.adapters.clock import SystemClock
from runbook.ports import Cancellation

SLICE = 0.1
"""Seconds after which who waits looks whether it should stop."""


class Room:
    """Places for calls; every method is for every thread."""

    def __init__(self, places: int) -> None:
        self._clock = SystemClock()
        self._changed = Condition()
        self._places = places
        self._taken = 0

    def take(self, deadline: float, cancellation: Cancellation) -> bool:
        """A place, once there is one; False when there is none until then (monotonic seconds). Cancelled."""
        with self._changed:
            while self._taken >= self._places:
                cancellation.checkpoint()
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, SLICE))
            self._taken += 1
            return True

    def give(self) -> None:
        """The place is free."""
        with self._changed:
            self._taken -= 1
            self._changed.notify()

    def refused(self) -> bool:
        """The host had no place for a call that had one here: True when it takes fewer than it was said, False when
        nobody here uses them."""
        with self._changed:
            self._taken -= 1
            if self._taken:
                self._places = min(self._places, self._taken)
            return self._taken > 0
