"""How a step is asked to stop, and how it feels it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runbook.errors import Cancelled
from runbook.ports import Clock


class CancelToken:
    """Set once, from any thread; felt at ``checkpoint``, in ``sleep`` and through ``interrupting``."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._set = threading.Event()
        self._never = threading.Event()
        self._lock = threading.Lock()
        self._calls: list[Callable[[], None]] = []
        self._shields = 0
        self.reason = ""

    @property
    def is_set(self) -> bool:
        """Asked to stop."""
        return self._set.is_set()

    def cancel(self, reason: str) -> None:
        """Ask for the stop; what blocks is interrupted unless it is shielded."""
        with self._lock:
            if self._set.is_set():
                return
            self.reason = reason
            self._set.set()
            calls = [] if self._shields else list(self._calls)
        for call in calls:
            call()

    def checkpoint(self) -> None:
        """Raise Cancelled when asked to stop, outside of ``shield``."""
        if self._set.is_set() and not self._shields:
            raise Cancelled(self.reason)

    def sleep(self, seconds: float) -> None:
        """Wait; a stop ends it early."""
        self.checkpoint()
        self.clock.wait(self._never if self._shields else self._set, seconds)
        self.checkpoint()

    @contextmanager
    def interrupting(self, cancel: Callable[[], None]) -> Iterator[None]:
        """``cancel`` is called from the stopping thread while the block runs."""
        self.checkpoint()
        with self._lock:
            self._calls.append(cancel)
            late = self._set.is_set() and not self._shields
        try:
            if late:
                cancel()
            yield
        finally:
            with self._lock:
                self._calls.remove(cancel)

    @contextmanager
    def child(self) -> Iterator[CancelToken]:
        """A token that is set together with this one, and can be set alone."""
        own = CancelToken(self.clock)
        with self.when_set(lambda: own.cancel(self.reason)):
            yield own

    @contextmanager
    def when_set(self, call: Callable[[], None]) -> Iterator[None]:
        """``call`` is called from the stopping thread while the block runs, or at once when it is set already."""
        with self._lock:
            self._calls.append(call)
        try:
            if self._set.is_set():
                call()
            yield
        finally:
            with self._lock:
                self._calls.remove(call)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """The block is not cut in half; the stop is felt after it."""
        with self._lock:
            self._shields += 1
        try:
            yield
        finally:
            with self._lock:
                self._shields -= 1
