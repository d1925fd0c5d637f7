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
from benchmarks.scale import LARGE, SMALL

SIZES = {"status": (SMALL, 201), "status, 5,000 steps": (LARGE, 18)}
"""Steps of a run, and recorded statements a step; with the three events of a step itself over 100,000 events in all."""


def against_nothing(samples: Samples, seconds: float) -> None:
    """``--help`` against ``python -c pass``, ``status`` on large journals against ``--help``."""
    with scratch() as directory:
        homes = {name: directory / str(steps) for name, (steps, _) in SIZES.items()}
        for name, (steps, reads) in SIZES.items():
            homes[name].mkdir()
            samples.note(name, large_journal(homes[name] / "journal.db", steps, reads))
        for number in rounds(seconds, at_least=5, at_most=15):
            nothing = _seconds(directory, "-c", "pass")
            helping = _seconds(directory, "-m", "runbook", "--help")
            found = {name: _seconds(home, "-m", "runbook", "status") for name, home in homes.items()}
            if number:  # the first round warms up
                samples.add("--help", helping, nothing)
                for name, taken in found.items():
                    samples.add(name, taken, helping)


def large_journal(file: Path, steps: int, reads: int) -> int:
    """A run that ended, each step with its statements; returns the number of events."""
    toys.ROOM.reads = reads
    with scratch(memory=True) as directory:
        with toys.engine(directory / "journal.db", toys.wide(steps)) as engine:
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
