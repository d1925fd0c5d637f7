"""Whose turn it is on a connection: the client's or the server's. Attention depends on it.

An attention gets exactly one acknowledgement. While a request runs, the executing thread gives it at the end of the
answer; between requests the reading thread gives it. Both decide under one lock, together with sending the last packet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Turn:
    """State shared by the two threads of a connection. ``attention`` may be read without the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = False
        self._running = False
        self._abandoned = threading.Event()
        self.attention = False

    def request_came(self) -> None:
        """A request is complete and waits for the executing thread."""
        with self._lock:
            self._busy = True

    def start(self) -> bool:
        """The executing thread takes the request up; false when it was cancelled before."""
        with self._lock:
            self._running = not self.attention
            return self._running

    def attention_came(self, acknowledge: Callable[[], None]) -> None:
        """Remember an attention for the running request, or acknowledge it at once when none runs."""
        with self._lock:
            if self._busy:
                self.attention = True
            else:
                acknowledge()

    def cancel(self, cancel: Callable[[], None]) -> bool:
        """Cancel the running request, if one runs; false when the executing thread is done with it.

        A session forgets an earlier cancel when a request begins, and the call can fall into that instant: the reading
        thread repeats it until this returns false.
        """
        with self._lock:
            if self._running:
                cancel()
            return self._busy

    def end(self, finish: Callable[[bool], None]) -> None:
        """Send the end of the answer; ``finish`` learns whether it must acknowledge an attention."""
        with self._lock:
            attention = self.attention
            self._busy = self._running = self.attention = False
            finish(attention)

    def abandon(self) -> None:
        """The executing thread takes up no more requests."""
        with self._lock:
            self._busy = self._running = False
            self._abandoned.set()

    def sleep(self, seconds: float) -> bool:
        """Wait so long, or until the executing thread has left (true)."""
        return self._abandoned.wait(seconds)
