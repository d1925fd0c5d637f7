"""The plainest Cancellation and Recorder: enough to use a handle without an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from runbook.errors import Cancelled
from runbook.ports import Clock


class Unstoppable:
    """Nobody ever cancels; sleeping lets time pass."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def checkpoint(self) -> None:
        """Never raises."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.wait(Event(), seconds)

    @contextmanager
    def interrupting(self, cancel: Callable[[], None]) -> Iterator[None]:
        """Nothing will call ``cancel``."""
        del cancel
        yield


class Stoppable:
    """Cancelled by :meth:`stop`, from a timer of the clock or from another thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = Event()
        self._reason = ""
        self._running: list[Callable[[], None]] = []

    def stop(self, reason: str = "told to stop") -> None:
        """Cancel what runs under it, now and later."""
        self._reason = reason
        self._event.set()
        for cancel in self._running[:]:
            cancel()

    def checkpoint(self) -> None:
        """Raise Cancelled once stopped."""
        if self._event.is_set():
            raise Cancelled(self._reason)

    def sleep(self, seconds: float) -> None:
        """Wait; woken by :meth:`stop`."""
        self._clock.wait(self._event, seconds)
        self.checkpoint()

    @contextmanager
    def interrupting(self, cancel: Callable[[], None]) -> Iterator[None]:
        """``cancel`` is called when stopped while the block runs."""
        self.checkpoint()
        self._running.append(cancel)
        try:
            yield
        finally:
            self._running.remove(cancel)
        self.checkpoint()


@dataclass
class Entry:
    """One recorded statement; ``outcome`` is ``running`` until it ended."""

    server: str
    text: str
    effect: bool
    session: str = ""
    said: str = "running"

    def outcome(self, text: str) -> None:
        """What came of it."""
        self.said = text


@dataclass
class StatementLog:
    """A Recorder that keeps everything in a list."""

    entries: list[Entry] = field(default_factory=list)

    @contextmanager
    def statement(self, server: str, text: str, *, effect: bool, session: str = "") -> Iterator[Entry]:
        """Record it before it is sent, its end afterwards."""
        entry = Entry(server, text, effect, session)
        self.entries.append(entry)
        try:
            yield entry
        except BaseException as error:
            entry.said = type(error).__name__ if entry.said == "running" else entry.said
            raise
        entry.said = "ok" if entry.said == "running" else entry.said

    def effects(self) -> list[str]:
        """The statements that could change something, ``server: text``."""
        return [f"{entry.server}: {entry.text}" for entry in self.entries if entry.effect]
