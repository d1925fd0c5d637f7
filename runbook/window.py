"""The window: when the system is back in service, and the only arithmetic on time there is.

``closes_at`` is fixed when a run opens. ``SteadyNow`` compares the wall clock with the monotonic one: a wall
clock that is set back cannot stretch the window, one that jumps ahead closes it early, which is the safe side. Between
processes the record itself is the clock that only goes forward.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

CLOCK_STEP = 2.0
"""Seconds by which the two clocks may drift apart before it is called a step."""


def default_reserve(window: float) -> float:
    """Seconds kept free before the window closes: 5 %, at least 5 s, at most 10 minutes."""
    return min(max(window * 0.05, 5.0), 600.0)


class SteadyNow:
    """``now()`` that never runs backwards within a process: the later of wall clock and start plus elapsed."""

    def __init__(self, wall: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._origin = (wall(), monotonic())
        self._stepped = 0.0

    def __call__(self) -> datetime:
        """The instant to judge by, aware UTC."""
        wall, expected = self._wall(), self._expected()
        return wall if wall > expected else expected

    def not_before(self, recorded: datetime) -> float:
        """Never say an earlier instant than one that was recorded, by whatever process on whatever machine. Returns by
        how many seconds the clock is behind it, 0.0 when it is not."""
        with self._lock:
            behind = (recorded - self()).total_seconds()
            if behind > 0:
                self._origin = (recorded, self._monotonic())
                self._stepped = (self._wall() - self._expected()).total_seconds()
            return max(behind, 0.0)

    def step(self) -> float:
        """Seconds the wall clock jumped since the last call (forward positive), 0.0 while it runs evenly."""
        with self._lock:
            offset = (self._wall() - self._expected()).total_seconds()
            jumped = offset - self._stepped
            if abs(jumped) < CLOCK_STEP:
                return 0.0
            self._stepped = offset
            return jumped

    def _expected(self) -> datetime:
        wall, monotonic = self._origin
        return wall + timedelta(seconds=self._monotonic() - monotonic)
