"""Waiting for something that cannot be interrupted: on a thread of its own, which is left behind when it takes long."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from runbook.adapters.clock import SystemClock
from runbook.ports import Cancellation

T = TypeVar("T")


class _Errand(Generic[T]):
    def __init__(self, work: Callable[[], T], give_back: Callable[[T], None]) -> None:
        self.over = Event()
        self._work = work
        self._give_back = give_back
        self._lock = Lock()
        self._left = False
        self._found: list[T] = []
        self._error: BaseException | None = None

    def carry_out(self) -> None:
        try:
            found = self._work()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._error = error
        else:
            with self._lock:
                if not self._left:
                    self._found.append(found)
            if not self._found:
                self._give_back(found)
        finally:
            self.over.set()

    def leave(self) -> T | None:
        """From now on nobody waits; what came in the last moment is returned."""
        with self._lock:
            self._left = True
            return self._found[0] if self._found else None

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._found[0]


def patiently(work: Callable[[], T], give_back: Callable[[T], None], seconds: float, cancellation: Cancellation) -> T:
    """What the work gives or raises; TimeoutError after so many seconds, Cancelled when told to stop. What it gives
    when nobody waits any more goes to ``give_back``."""
    errand = _Errand(work, give_back)
    told = Event()

    def stop() -> None:
        told.set()
        errand.over.set()

    come = False
    try:
        with cancellation.interrupting(stop):
            Thread(target=errand.carry_out, name="patience", daemon=True).start()
            come = SystemClock().wait(errand.over, seconds) and not told.is_set()
    finally:
        late = None if come else errand.leave()
        if late is not None:
            give_back(late)
    if come:
        return errand.outcome()
    cancellation.checkpoint()
    raise TimeoutError
