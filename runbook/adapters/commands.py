"""Commands on this machine: argument lists, never a shell; bounded in time and output; ended with all they started."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Any

from runbook.errors import HostError
from runbook.ports import Cancellation, Recorder

OUTPUT_LIMIT = 64 * 1024
"""Bytes kept of each stream: the end counts, that is where errors are."""
GRACE = 0.5
"""Seconds between asking a command to end and ending it: turning back does not wait for the polite."""


@dataclass(frozen=True)
class CommandResult:
    """How a command ended; ``exit_code`` is negative for a signal (POSIX)."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = False

    def said(self) -> str:
        """The last line it wrote, for messages."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip() if lines else ""


class Commands:
    """Runs commands; every one is recorded before it starts."""

    def __init__(
        self, cancellation: Cancellation, recorder: Recorder, *, host: str = "local", directory: Path | None = None
    ) -> None:
        self._cancellation = cancellation
        self._recorder = recorder
        self._host = host
        self._directory = directory

    def run(self, argv: Sequence[str], *, timeout: float, effect: bool) -> CommandResult:
        """Run it to its end, whatever its exit code.

        Raises HostError when it cannot be started (not in doubt) or does not end within ``timeout`` seconds (in
        doubt when it has an ``effect``), Cancelled when told to stop; its whole process group is ended then.
        """
        self._cancellation.checkpoint()
        with self._recorder.statement(self._host, shlex.join(argv), effect=effect) as recorded:
            process = self._start(argv)
            collectors = [_Collector(process.stdout), _Collector(process.stderr)]
            with self._cancellation.interrupting(lambda: _end(process)):
                self._wait(process, argv, timeout, effect=effect)
            self._cancellation.checkpoint()
            out, err = (collector.text() for collector in collectors)
            recorded.outcome(f"exit {process.returncode}")
            return CommandResult(process.returncode, out, err, any(one.truncated for one in collectors))

    def _start(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - an argument list from the plan, no shell
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._directory,
                **_own_group(),
            )
        except (OSError, ValueError) as error:
            raise HostError(
                f"cannot start {argv[0]}: {_reason(error)}",
                host=self._host,
                hint="Check the path and that it may be executed; a command is an argument list, not a shell line.",
            ) from error

    def _wait(self, process: subprocess.Popen[bytes], argv: Sequence[str], timeout: float, *, effect: bool) -> None:
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            # Cancelled wins over timed out: the caller asked for the end.
            self._cancellation.checkpoint()
            raise HostError(
                f"{argv[0]} did not end within {timeout:g} s and was stopped",
                host=self._host,
                in_doubt=effect,
                hint="Raise its timeout in the plan, or find out what it waits for.",
            ) from None
        except BaseException:
            _end(process)
            raise


class _Collector:
    """Drains a pipe on a thread of its own and keeps the end of what came."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self.truncated = False
        self._kept = bytearray()
        self._pipe = pipe
        self._thread = Thread(target=self._drain, name="output", daemon=True)
        self._thread.start()

    def text(self) -> str:
        """What came. Waits a moment only: a daemon left behind by the command may hold the pipe open."""
        self._thread.join(GRACE)
        return bytes(self._kept[-OUTPUT_LIMIT:]).decode("utf-8", "replace")

    def _drain(self) -> None:
        if self._pipe is None:
            return
        with self._pipe as pipe:
            while chunk := pipe.read1(8192):  # type: ignore[attr-defined]
                self._kept += chunk
                if len(self._kept) > OUTPUT_LIMIT:
                    self.truncated = True
                    del self._kept[:-OUTPUT_LIMIT]


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, then end it."""
    if sys.platform == "win32":
        kill_tree = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(kill_tree, check=False, capture_output=True)  # noqa: S603 - our own child's number
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[0].lower() + text[1:] if text else type(error).__name__
