"""Commands on this machine: argument lists, never a shell; bounded in time and output; ended with all they started.

None outlives this program, however that ends: see :mod:`runbook.adapters.supervisor`.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import IO

from runbook.adapters.lifeline import GRACE, Ended, Supervised
from runbook.errors import HostError
from runbook.hosting import CommandResult, last_line
from runbook.ports import Cancellation, Recorder

OUTPUT_LIMIT = 64 * 1024
"""Bytes kept of each stream: the end counts, that is where errors are."""


class Commands:
    """Runs commands; every one is recorded before it starts."""

    def __init__(
        self, cancellation: Cancellation, recorder: Recorder, *, host: str = "local", directory: Path | None = None
    ) -> None:
        self._cancellation = cancellation
        self._recorder = recorder
        self._host = host
        self._directory = directory

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        effect: bool,
        stdin: bytes | None = None,
        limit: int = OUTPUT_LIMIT,
        name: str = "",
    ) -> CommandResult:
        """Run it to its end, whatever its exit code; ``limit`` bytes of each stream are kept, ``name`` is for messages.

        Raises HostError when it cannot be started (not in doubt) or does not end within ``timeout`` seconds (in
        doubt when it has an ``effect``), Cancelled when told to stop; its whole process group is ended then.
        """
        self._cancellation.checkpoint()
        with self._recorder.statement(self._host, shlex.join(argv), effect=effect) as recorded:
            process = self._start(argv, stdin)
            collectors = [_Collector(stream, limit) for stream in process.streams]
            try:
                with self._cancellation.interrupting(process.end):
                    ended = self._wait(process, name or argv[0], timeout, effect=effect)
            finally:
                process.end()
            self._cancellation.checkpoint()
            out, err = (collector.text() for collector in collectors)
            exit_code = self._exit_code(ended, name or argv[0], err, effect=effect)
            recorded.outcome(f"exit {exit_code}")
            return CommandResult(exit_code, out, err, any(one.truncated for one in collectors))

    def _start(self, argv: Sequence[str], stdin: bytes | None) -> Supervised:
        try:
            return Supervised(argv, self._directory, stdin)
        except (OSError, ValueError) as error:
            raise self._not_started(argv[0], error) from error

    def _wait(self, process: Supervised, name: str, timeout: float, *, effect: bool) -> Ended:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.end()
            # Cancelled wins over timed out: the caller asked for the end.
            self._cancellation.checkpoint()
            raise HostError(
                f"{name} did not end within {timeout:g} s and was stopped",
                host=self._host,
                in_doubt=effect,
                hint="Raise its timeout in the plan, or find out what it waits for.",
            ) from None

    def _exit_code(self, ended: Ended, name: str, stderr: str, *, effect: bool) -> int:
        if ended.refused is not None:
            raise self._not_started(name, ended.refused)
        if ended.exit_code is None:
            begun = ended.pid is not None
            raise HostError(
                f"{name} was {'stopped' if begun else 'not started'}: its supervisor ended too early",
                host=self._host,
                in_doubt=effect and begun,
                hint=f"Find out what ended it. The last it wrote: {last_line(stderr) or 'nothing'}.",
            )
        return ended.exit_code

    def _not_started(self, name: str, error: Exception) -> HostError:
        return HostError(
            f"cannot start {name}: {_reason(error)}",
            host=self._host,
            hint="Check the path and that it may be executed; a command is an argument list, not a shell line.",
        )


class _Collector:
    """Drains a pipe on a thread of its own and keeps the end of what came."""

    def __init__(self, pipe: IO[bytes] | None, limit: int) -> None:
        self.truncated = False
        self._limit = limit
        self._kept = bytearray()
        self._pipe = pipe
        self._thread = Thread(target=self._drain, name="output", daemon=True)
        self._thread.start()

    def text(self) -> str:
        """What came. Waits a moment only: a daemon left behind by the command may hold the pipe open."""
        self._thread.join(GRACE)
        return bytes(self._kept[-self._limit :]).decode("utf-8", "replace")

    def _drain(self) -> None:
        if self._pipe is None:
            return
        with self._pipe as pipe:
            while chunk := pipe.read1(8192):  # type: ignore[attr-defined]
                self._kept += chunk
                if len(self._kept) > self._limit:
                    self.truncated = True
                    del self._kept[: -self._limit]


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[0].lower() + text[1:] if text else type(error).__name__
