"""Where steps run: on threads, or one after another in the calling thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

Job = Callable[[], None]


class Workers(Protocol):
    """Runs jobs; ``done`` is called after each, with the exception that escaped it (or None)."""

    inline: bool

    def submit(self, name: str, job: Job, done: Callable[[BaseException | None], None]) -> None: ...
    def close(self) -> None: ...


class ThreadWorkers:
    """A pool of threads."""

    inline = False

    def __init__(self, limit: int) -> None:
        self._pool = ThreadPoolExecutor(limit, thread_name_prefix="step")

    def submit(self, name: str, job: Job, done: Callable[[BaseException | None], None]) -> None:
        """Run on the next free thread."""

        def run() -> None:
            threading.current_thread().name = name
            error: BaseException | None = None
            try:
                job()
            except BaseException as caught:  # noqa: BLE001  (handed to the engine's own thread, which raises it)
                error = caught
            done(error)

        self._pool.submit(run)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=True)


class InlineWorkers:
    """The calling thread itself, first come first served: the same order every time."""

    inline = True

    def __init__(self) -> None:
        self._queue: deque[tuple[Job, Callable[[BaseException | None], None]]] = deque()

    def submit(self, name: str, job: Job, done: Callable[[BaseException | None], None]) -> None:
        """Keep it until :meth:`run_one`."""
        self._queue.append((job, done))

    def run_one(self) -> bool:
        """Run the oldest job; False when there is none. What escapes it is raised here."""
        if not self._queue:
            return False
        job, done = self._queue.popleft()
        job()
        done(None)
        return True

    def close(self) -> None:
        """Forget what was not run."""
        self._queue.clear()
