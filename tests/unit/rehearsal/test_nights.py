"""A rehearsed night gets the time that the night itself would get."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Semaphore
from typing import Any, cast

from runbook.adapters.clock import SystemClock
from runbook.adapters.sqlserver import ServerTarget
from runbook.rehearsal.nights import Night, Stage
from runbook.rehearsal.providing import Made, Wanted
from runbook.rehearsal.scenarios import Ending, Family, Scenario
from tests.unit.rehearsal.made import GATE, HEAD, POINT, plan_of

TEXT = HEAD + GATE + POINT
FORWARD = Scenario("forward", Family.NIGHT, Ending.NEW)
PATIENCE = 0.2
"""Seconds; the window of the plan is far longer."""


class Long:
    """An executor that is at work for a while, and then ends as it should."""

    pid = 0

    def __init__(self, seconds: float) -> None:
        self._clock = SystemClock()
        self._over = self._clock.monotonic() + seconds
        self._killed = False

    def poll(self) -> int | None:
        if self._killed:
            return -signal.SIGKILL
        return 0 if self._clock.monotonic() > self._over else None

    def kill(self) -> None:
        self._killed = True

    def wait(self) -> None:
        return None


class Starter:
    """Starts one of these, in place of this program."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def start(self, words: Sequence[str], directory: Path, environment: Mapping[str, str], out: Path) -> Long:
        del words, directory, environment
        out.write_text("error: played\n", encoding="utf-8")
        return Long(self._seconds)


class Servers:
    """Throwaway servers that nobody asks anything."""

    exchange = ""

    def copy(self, template: Path, home: Path) -> None:
        del template, home

    def start(self, home: Path, wanted: Mapping[str, Wanted]) -> Mapping[str, Made]:
        del home
        return {
            role: Made(
                role,
                ServerTarget(f"sandbox://{role}"),
                {"url": f"sandbox://{role.upper()}?version={one.version}"},
                {"host": "127.0.0.1", "port": 1, "user": "sa", "password": ""},
                role,
            )
            for role, one in wanted.items()
        }

    def discard(self, home: Path) -> None:
        del home


def played(directory: Path, seconds: float, window: float) -> tuple[int, ...]:
    """How the executor ended that is at work for so long, in a window of that length."""
    plan = plan_of(directory, TEXT)
    wanted = {"old": Wanted("old", "OLD", 2019), "new": Wanted("new", "NEW", 2022)}
    stage = Stage(plan, TEXT, cast("Any", Servers()), wanted, directory, directory, directory,
                  cast("Any", Starter(seconds)), Event(), Semaphore(1), PATIENCE)  # fmt: skip
    night = Night(stage, FORWARD, directory / "night", window)
    night.directory.mkdir()
    with night.standing() as observed:
        return observed.codes


def test_a_night_as_long_as_its_window(tmp_path: Path) -> None:
    """What is large takes long: nobody ends a night that goes forward inside its window."""
    assert played(tmp_path, 1.0, window=60.0) == (0,)


def test_a_night_that_does_not_end(tmp_path: Path) -> None:
    """Some time after its window it is given up."""
    assert played(tmp_path, 600.0, window=0.1) == (-signal.SIGKILL,)
