"""The real clock: the one place, with ``window.py``, that asks the machine for the time or for a new id."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from runbook.patience import within

Found = TypeVar("Found")


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

    def call_after(self, seconds: float, action: Callable[[], None]) -> threading.Timer:
        """Call ``action`` once in so many seconds of the monotonic clock."""
        alarm = threading.Timer(max(0.0, seconds), action)
        alarm.daemon = True
        alarm.start()
        return alarm

    def within(self, seconds: float, work: Callable[[], Found]) -> Found:
        """On a thread of its own; see :mod:`runbook.patience`."""
        return within(seconds, work)

    def new_id(self) -> str:
        """``20260321-100000-7f3a21``: sorts by time, unique beyond reasonable doubt."""
        return f"{self.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
