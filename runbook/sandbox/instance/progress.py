"""Progress of long statements: messages 3211 to the client, percent_complete for monitors, and cancellation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runbook.sandbox.contract import LanguageSession, Sink
from runbook.sandbox.errors import text
from runbook.sandbox.instance.sessions import Request

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

PAGE = 8192


class Progress:
    """Counts from 0 to 1; every step is also a chance to be cancelled."""

    def __init__(self, instance: SandboxInstance, session: LanguageSession, sink: Sink, stats: int = 0) -> None:
        self._session = session
        self._sink = sink
        self._step = stats
        self._next = stats
        self.request: Request | None = instance.entry(session).request
        self.started = time.monotonic()

    def at(self, share: float) -> None:
        """This share (0 to 1) is done. Raises Cancelled."""
        self._session.check()
        percent = min(100.0, share * 100)
        if self.request is not None:
            self.request.percent = percent
        while self._step and percent >= self._next and self._next <= 100:
            self._sink.info(3211, text(3211, self._next))
            self._sink.flush()
            self._next += self._step

    def part(self, first: float, last: float) -> _Part:
        """A stretch of the whole, itself counted from 0 to 1."""
        return _Part(self, first, last)

    def finish(self) -> None:
        """All done: the last message says 100 percent."""
        if self._step and self._next - self._step < 100:
            self._sink.info(3211, text(3211, 100))
        if self.request is not None:
            self.request.percent = 100.0

    def summary(self, what: str, pages: int) -> str:
        """The text of message 3014."""
        seconds = time.monotonic() - self.started
        speed = pages * PAGE / 1_048_576 / max(seconds, 0.001)
        return text(3014, what, pages, f"{seconds:.3f}", f"{speed:.3f}")


class _Part:
    def __init__(self, whole: Progress, first: float, last: float) -> None:
        self._whole, self._first, self._last = whole, first, last

    def __call__(self, share: float) -> None:
        self._whole.at(self._first + (self._last - self._first) * share)


def pages_of(size: int) -> int:
    """Pages of 8 KiB for a number of bytes, at least one."""
    return max(1, -(-size // PAGE))
