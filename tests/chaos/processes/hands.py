"""Processes of a night: the commands that people type, guards, and whatever else works for the same home directory."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.chaos.processes.system import System

ROOT = Path(__file__).resolve().parents[3]
PR_SET_PDEATHSIG = 1
LEASE = 3
"""Seconds of a lease in these nights."""


class Command:
    """One that somebody typed. What it says goes to a file."""

    def __init__(self, system: System, number: int, words: list[str], more: Mapping[str, str]) -> None:
        self.words, self.number = words, number
        self.file = system.home / f"command-{number}.out"
        self.struck_by_us = ""
        """What this teller sent it: a signal's name."""
        self.woken = False
        with self.file.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "runbook", *words],
                env=environment(system, more),
                cwd=system.home,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    @property
    def is_over(self) -> bool:
        """It has ended."""
        return self.process.poll() is not None

    @property
    def is_stopped(self) -> bool:
        """It was stopped, and nobody has woken it."""
        return not self.is_over and state_of(self.pid) == "T"

    @property
    def is_at_work(self) -> bool:
        """It runs."""
        return not self.is_over and not self.is_stopped

    @property
    def said(self) -> str:
        """So far."""
        return self.file.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> bool:
        """A signal; False when it had ended already."""
        if self.is_over:
            return False
        self.struck_by_us = number.name
        self.process.send_signal(number)
        return True


def end_with_the_parent() -> None:
    """A process that tells stories for another one is ended in order when that one is gone, or ended itself: what its
    story has started must not go on."""
    if multiprocessing.parent_process() is None:
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def environment(system: System, more: Mapping[str, str]) -> dict[str, str]:
    """Of a command."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("RUNBOOK_")},
        "RUNBOOK_HOME": str(system.home),
        "RUNBOOK_JOURNAL": f"sqlite:///{system.journal}",
        "RUNBOOK_LEASE": str(LEASE),
        "RUNBOOK_FAILPOINTS_LOG": str(system.home / "struck"),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
        **more,
    }


def state_of(pid: int) -> str:
    """One letter, as ``ps`` has it; empty when there is no such process."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    return ""


def working_for(home: Path) -> set[int]:
    """Processes that live and were started for this home, its servers apart."""
    wanted, found = f"RUNBOOK_HOME={home}".encode(), set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"runbook.sandbox" not in words and state_of(int(entry.name)) not in ("Z", "X", ""):
                    found.add(int(entry.name))
    return found


def kill(pids: set[int]) -> int:
    """``kill -9``; how many were there."""
    count = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            count += 1
    return count


def wait_until_gone(home: Path, seconds: float) -> set[int]:
    """Wait until nobody works for this home any more; who still does after that time."""
    give_up_at = time.monotonic() + seconds
    while (left := working_for(home)) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    return left
