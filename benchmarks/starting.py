"""(d) How long the command line takes to answer, in ratio to an interpreter that does nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import toys
from benchmarks.measure import ROOT, Samples, rounds, scratch
from benchmarks.scale import LARGE, READS

EVENTS = 100_000


def against_nothing(samples: Samples, seconds: float) -> None:
    """``--help`` against ``python -c pass``, ``status`` on a large journal against ``--help``."""
    with scratch() as home:
        samples.note("events", large_journal(home / "journal.db"))
        for number in rounds(seconds, at_least=5, at_most=15):
            nothing = _seconds(home, "-c", "pass")
            helping = _seconds(home, "-m", "runbook", "--help")
            status = _seconds(home, "-m", "runbook", "status")
            if number:  # the first round warms up
                samples.add("--help", helping, nothing)
                samples.add("status", status, helping)


def large_journal(file: Path) -> int:
    """A run of 5,000 steps that ended, each with its statements; returns the number of events."""
    toys.ROOM.reads = READS
    with scratch(memory=True) as directory:
        with toys.engine(directory / "journal.db", toys.wide(LARGE)) as engine:
            engine.drive()
            events = engine.view.n
        shutil.copyfile(directory / "journal.db", file)
    toys.ROOM.reads = 0
    return events


def _seconds(home: Path, *arguments: str) -> float:
    environment = {**os.environ, "RUNBOOK_HOME": str(home)}
    environment.pop("RUNBOOK_JOURNAL", None)
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun
