"""A process that outlives this one, its terminal and its session; and the one place that is held by one at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from runbook.errors import HostError

ASK_AGAIN = (0.02, 0.05, 0.0)
"""Seconds between tries to take a place: whoever only looks whether it is taken has it for a moment."""


def start(arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
    """Start this program with these arguments, apart from whoever sits here; returns its process number.

    It has a session of its own (a process group of its own and no console on Windows), reads nothing, and writes to the
    end of ``log``. HostError when it cannot be started.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-m", "runbook", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                close_fds=True,
                **_apart(),
            )
    except OSError as error:
        raise HostError(
            f"the guard cannot be started: {error.strerror or error}",
            hint="Start one by hand: runbook guard, on this or another machine.",
        ) from error
    child.returncode = 0  # nobody waits for it here, and Python need not warn about that
    return child.pid


def _apart() -> dict[str, Any]:
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS | subprocess.CREATE_BREAKAWAY_FROM_JOB
        return {"creationflags": flags}
    return {"start_new_session": True}


class Place:
    """Something that one process at a time does on this machine. The system frees it when that process ends, however
    it ends; the file names it for people, and may stay."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._handle: int | None = None

    def take(self) -> bool:
        """Whether it is this process's now; False when another has it."""
        if self._handle is not None:
            return True
        self._file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        if not any(_lock(handle) or Event().wait(pause) for pause in ASK_AGAIN):
            os.close(handle)
            return False
        with suppress(OSError):  # on a full disk it is held all the same, and nobody is named
            os.ftruncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
        self._handle = handle
        return True

    def free(self) -> None:
        """Let another take it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def holder(self) -> tuple[int, datetime] | None:
        """Number of the process that has it, and since when; None when nobody has. Nothing is created."""
        if not self.is_taken():
            return None
        try:
            since = datetime.fromtimestamp(self._file.stat().st_mtime, UTC)
            return int(self._file.read_text(encoding="ascii")), since
        except (OSError, ValueError):  # it ends, or is about to write its number
            return None

    def is_taken(self) -> bool:
        """Whether any process has it; nothing is created."""
        if self._handle is not None:
            return True
        try:
            handle = os.open(self._file, os.O_RDWR)
        except OSError:
            return False
        try:
            return not _lock(handle)
        finally:
            os.close(handle)


def _lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - there only

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - not there

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
