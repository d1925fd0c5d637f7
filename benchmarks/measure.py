"""Samples taken in turns, their medians, and the table that is printed."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHARED_MEMORY = Path("/dev/shm")
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Samples:
    """Pairs (measured, baseline) in seconds by name; taken right after one another, so that noise hits both."""

    pairs: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, measured: float, baseline: float) -> None:
        """One pair."""
        self.pairs.setdefault(name, []).append((measured, baseline))

    def note(self, name: str, value: float) -> None:
        """A number that explains."""
        self.notes[name] = value

    def ratio(self, name: str) -> float:
        """Median of the ratios."""
        return statistics.median(measured / baseline for measured, baseline in self.pairs[name])

    def measured(self, name: str) -> float:
        """Median of what was measured."""
        return statistics.median(measured for measured, _ in self.pairs[name])

    def baseline(self, name: str) -> float:
        """Median of the baseline."""
        return statistics.median(baseline for _, baseline in self.pairs[name])


@dataclass(frozen=True)
class Line:
    """One line of the table. ``at_least``: more is better. Without a target it only tells."""

    what: str
    value: float
    target: float | None
    unit: str
    detail: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """The target is met, or there is none."""
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value <= self.target

    def __str__(self) -> str:
        wanted = "no target"
        if self.target is not None:
            wanted = f"{'>=' if self.at_least else '<='} {self.target:g} {'ok' if self.met else 'MISSED'}"
        return f"{self.what:<62} {self.value:>8.2f} {self.unit:<3} {wanted:<14} {self.detail}"


def rounds(seconds: float, *, at_least: int, at_most: int) -> Iterator[int]:
    """Numbers of rounds, as many as fit the time; a slow disk gets fewer."""
    begun = time.perf_counter()
    for number in range(at_most):
        if number >= at_least and time.perf_counter() - begun > seconds:
            return
        yield number


@contextmanager
def scratch(*, memory: bool = False) -> Iterator[Path]:
    """A directory on the disk to be measured: that of BENCH_DIR, by default of the checkout. ``memory``: where nothing
    waits for a disk, if there is such a place; growth of what is computed is not hidden there behind constant waits."""
    place = Path(os.environ.get("BENCH_DIR", ROOT / ".bench"))
    if memory and SHARED_MEMORY.is_dir():
        place = SHARED_MEMORY / f"runbook-bench-{os.getpid()}"
    place.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=place))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
        if not any(place.iterdir()):
            place.rmdir()


def child(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of this package in a process of its own; the last line it prints is JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
