"""A process that does not outlive this one: started, waited for and ended through its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock, Thread
from typing import IO, Any

from runbook.adapters import supervisor

GRACE = 0.5
"""Seconds between asking a process to end and ending it: turning back does not wait for the polite."""
PLEASE_END = b"."


@dataclass(frozen=True)
class Ended:
    """How it ended. No ``pid``: it never began; no ``exit_code``: nobody saw the end; ``refused``: why it could not."""

    pid: int | None = None
    exit_code: int | None = None
    refused: OSError | None = None


class Supervised:
    """A command under :mod:`runbook.adapters.supervisor`: it has ended when the supervisor has.

    The write end of the supervisor's standard input is this process's alone: Python opens it close-on-exec, and
    whatever is started beside it, by Python or by a library, loses it on the way.
    """

    def __init__(self, argv: Sequence[str], directory: Path | None = None, stdin: bytes | None = None) -> None:
        """OSError or ValueError when not even the supervisor can be started; see :meth:`ended` for the command.

        The command reads ``stdin`` through a pipe, not from a file: it may be a secret.
        """
        self._turn = RLock()
        self._ended: Ended | None = None
        self._report, writing = os.pipe()
        given, feeding = _input(stdin)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - an argument list from the plan, no shell
                _under_supervision(argv, writing, given),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=directory,
                **_apart(writing, *([given] if given >= 0 else [])),
            )
        except BaseException:
            os.close(self._report)
            if feeding >= 0:
                os.close(feeding)
            raise
        finally:
            os.close(writing)
            if given >= 0:
                os.close(given)
        if stdin is not None:
            Thread(target=_feed, args=(feeding, stdin), name="input", daemon=True).start()

    @property
    def streams(self) -> list[IO[bytes] | None]:
        """Standard output and standard error of the command."""
        return [self._process.stdout, self._process.stderr]

    def wait(self, timeout: float) -> Ended:
        """Until it has ended; ``subprocess.TimeoutExpired`` when that takes more than ``timeout`` seconds."""
        self._process.wait(timeout)
        return self._settled()

    def end(self) -> None:
        """Ask the whole group to end, then end it. From any thread, any number of times."""
        with self._turn:
            if self._ended is not None:
                return
            if sys.platform == "win32":
                kill_tree = ["taskkill", "/T", "/F", "/PID", str(self._process.pid)]
                subprocess.run(kill_tree, check=False, capture_output=True)  # noqa: S603 - our own child's number
            else:
                with suppress(OSError):
                    os.write(_number(self._process.stdin), PLEASE_END)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(GRACE)
            self._let_go()
            self._process.wait()
            self._settled()

    def _let_go(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _settled(self) -> Ended:
        """Once the supervisor has ended: what it reported. A command it left behind is killed here."""
        with self._turn:
            if self._ended is None:
                self._let_go()
                self._ended = self._read_report()
                if sys.platform != "win32" and self._ended.pid is not None and self._ended.exit_code is None:
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(self._ended.pid, signal.SIGKILL)
            return self._ended

    def _read_report(self) -> Ended:
        with open(self._report, "rb", buffering=0) as report:  # noqa: PTH123 - a descriptor
            if sys.platform == "win32":
                return _by_exit_code(self._process.pid, self._process.returncode)
            os.set_blocking(self._report, False)  # all that will ever come is there
            words = dict(line.split() for line in (report.read() or b"").decode().splitlines())
        if "errno" in words:
            number = int(words["errno"])
            return Ended(refused=OSError(number, os.strerror(number)))
        pid, code = words.get("pid"), words.get("exit")
        return Ended(int(pid) if pid else None, int(code) if code else None)


def _by_exit_code(pid: int, code: int) -> Ended:
    """On Windows the supervisor's exit code is the command's, or says why there was none."""
    number = code - supervisor.NOT_STARTED
    if 0 <= number <= 0xFFFF:
        return Ended(refused=OSError(number, os.strerror(number)))
    return Ended(pid, code)


def _input(stdin: bytes | None) -> tuple[int, int]:
    """Both ends of the pipe that a command reads; -1 where it reads nothing."""
    if stdin is None:
        return -1, -1
    if sys.platform == "win32":
        raise ValueError("a command on this Windows machine cannot be given input")
    return os.pipe()


def _feed(pipe: int, data: bytes) -> None:
    """Until all is read, or nobody reads any more."""
    view = memoryview(data)
    with suppress(BrokenPipeError):
        while view:
            view = view[os.write(pipe, view) :]
    os.close(pipe)


def _under_supervision(argv: Sequence[str], report: int, given: int) -> list[str]:
    """UTF-8 mode keeps arguments as they are, to the byte."""
    python = [sys.executable, "-I", "-S", "-X", "utf8", supervisor.__file__]
    return [*python, str(report), str(given), os.environ.get("LC_CTYPE", ""), *argv]


def _apart(*passed: int) -> dict[str, Any]:
    """A session of its own: what ends this process by its group or its terminal leaves the supervisor standing."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True, "pass_fds": passed}


def _number(stream: IO[bytes] | None) -> int:
    return -1 if stream is None else stream.fileno()
