"""Starts this program, or servers, for the nights of a rehearsal: a process that has loaded it already forks for each
of them, or a second of every one would go into imports.

What is started so is what ``python -m runbook`` or ``python -m runbook.sandbox`` starts, with an environment, a
directory, an output and a session of its own. The process that forks carries the mark of the rehearsal, and with it
everything that it starts; see :mod:`.place`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, cast

PATIENCE = 60.0
"""Seconds it gets to load, to fork, and to end."""
LOST = -signal.SIGKILL
"""Code of what was running when the process that forks was lost."""
PROGRAM, SERVER = "runbook.cli.preloaded", "runbook.sandbox.preloaded"


class Started:
    """What was started; the parts of :class:`subprocess.Popen` that a night needs."""

    def __init__(self, send: Callable[[int, int], None]) -> None:
        self._send = send
        self.pid = 0
        self.returncode: int | None = None
        self.known, self._over = Event(), Event()

    def poll(self) -> int | None:
        """Its code once it has ended: the exit code, or a signal's number below zero."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing happens where it has ended. Who forked it sends the signal: until that has heard of its end nobody
        else gets its number."""
        if self.returncode is None:
            self._send(self.pid, number)

    def kill(self) -> None:
        """``kill -9``."""
        self.send_signal(signal.SIGKILL)

    def wait(self) -> None:
        """For its end."""
        self._over.wait()

    def end(self, code: int) -> None:
        """It has ended so."""
        if self.returncode is None:
            self.returncode = code
            self.known.set()
            self._over.set()


class Preloaded:
    """The process that forks, as seen from outside. Used by several threads."""

    def __init__(self, environment: Mapping[str, str], module: str = PROGRAM) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
        self._asked, self._told = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        self._lock = Lock()
        self._waiting: list[Started] = []
        self._running: dict[int, Started] = {}
        self._lost = False
        self._reader = Thread(target=self._read, name="preloaded", daemon=True)
        self._reader.start()

    def start(self, words: Sequence[str], directory: Path, environment: Mapping[str, str], out: Path) -> Started:
        """With these words, in that directory; what it says is added to ``out``."""
        started = Started(self._send)
        request = {"words": [*words], "directory": str(directory), "environment": {**environment}, "out": str(out)}
        with self._lock:
            if self._lost or not self._ask(request):
                raise OSError("the process that starts others for this rehearsal is gone")
            self._waiting.append(started)
        if not started.known.wait(PATIENCE):
            raise OSError("the process that starts others for this rehearsal does not answer")
        return started

    def _send(self, pid: int, number: int) -> None:
        with self._lock:  # where who forks is gone, whatever it started is given up
            self._ask({"signal": number, "pid": pid})

    def _ask(self, request: Mapping[str, object]) -> bool:
        with suppress(OSError, ValueError):  # it is gone, or was told to end
            self._asked.write(json.dumps(request).encode() + b"\n")
            self._asked.flush()
            return True
        return False

    def _read(self) -> None:
        for line in self._told:
            told = json.loads(line)
            with self._lock:
                if "code" in told:
                    self._running.pop(told["pid"]).end(told["code"])
                    continue
                started = self._waiting.pop(0)
                started.pid = told["pid"]
                self._running[started.pid] = started
                started.known.set()
        with self._lock:
            self._lost = True
            for started in (*self._waiting, *self._running.values()):
                started.end(LOST)

    def close(self) -> None:
        """End it; what it started goes on."""
        with self._lock, suppress(BrokenPipeError):
            self._asked.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._told.close()
