"""The real clock: the one place, with ``window.py``, that asks the machine for the time or for a new id."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

_LONGEST_NAP = 1.0


class SystemClock:
    """Wall and monotonic time, waiting, alarms and ids."""

    def now(self) -> datetime:
        """Wall clock, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Wait for the event, at most that long; True when it is set."""
        return event.wait(seconds)

    def call_at(self, instant: datetime, action: Callable[[], None]) -> Alarm:
        """Call ``action`` once the wall clock reaches the instant, also when the clock is set meanwhile."""
        alarm = Alarm(instant, action)
        alarm.start()
        return alarm

    def new_id(self) -> str:
        """``20260321-100000-7f3a21``: sorts by time, unique beyond reasonable doubt."""
        return f"{self.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


class Alarm(threading.Thread):
    """A pending call; looks at the clock every second, so that a step of the clock is felt."""

    def __init__(self, instant: datetime, action: Callable[[], None]) -> None:
        super().__init__(name="alarm", daemon=True)
        self._instant = instant
        self._action = action
        self._cancelled = threading.Event()

    def run(self) -> None:
        """Wait and call."""
        while not self._cancelled.is_set():
            left = (self._instant - datetime.now(UTC)).total_seconds()
            if left <= 0:
                self._action()
                return
            self._cancelled.wait(min(left, _LONGEST_NAP))

    def cancel(self) -> None:
        """Do not call; no error when it has been called."""
        self._cancelled.set()
