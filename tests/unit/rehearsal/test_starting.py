"""A process of this program that is forked is what a new one would be."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runbook.rehearsal import commands
from runbook.rehearsal.place import working_for
from runbook.rehearsal.starting import LOST, Preloaded, Started
from tests.e2e.system import wait_until


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a rehearsal in that directory."""
    return commands.environment(tmp_path, tmp_path / "home")


@pytest.fixture
def preloaded(environment: dict[str, str]) -> Iterator[Preloaded]:
    """Ready to fork."""
    with closing(Preloaded(environment)) as starter:
        yield starter


def test_words_code_and_output(preloaded: Preloaded, environment: dict[str, str], tmp_path: Path) -> None:
    """Each has its own words, directory, environment and output, and its own exit code."""
    (tmp_path / "wrong.yaml").write_text("no: plan\n")
    good = preloaded.start(["--version"], tmp_path, environment, tmp_path / "good.txt")
    bad = preloaded.start(["check", "wrong.yaml"], tmp_path, environment, tmp_path / "bad.txt")
    none = preloaded.start(["status"], tmp_path, {**environment, "RUNBOOK_HOME": "elsewhere"}, tmp_path / "none.txt")
    for started in (good, bad, none):
        started.wait()
    assert (good.poll(), bad.poll(), none.poll()) == (0, 30, 2)
    assert (tmp_path / "good.txt").read_text().startswith("runbook")
    assert "wrong.yaml" in (tmp_path / "bad.txt").read_text()
    assert "elsewhere" in (tmp_path / "none.txt").read_text()
    assert len({good.pid, bad.pid, none.pid}) == 3


def hanging(preloaded: Preloaded, environment: dict[str, str], directory: Path) -> Started:
    """``check`` of a plan that is a pipe nobody writes to."""
    os.mkfifo(directory / "runbook.yaml")
    started = preloaded.start(["check"], directory, environment, directory / "said.txt")
    while not (directory / "said.txt").exists():  # then it has left the process it was forked from
        assert started.poll() is None
    return started


def test_it_can_be_killed_and_found(preloaded: Preloaded, environment: dict[str, str], tmp_path: Path) -> None:
    """It has a session of its own and the mark of the rehearsal, and ``kill -9`` is its end."""
    started = hanging(preloaded, environment, tmp_path)
    assert os.getsid(started.pid) == started.pid
    assert started.pid in working_for(tmp_path)
    assert started.poll() is None
    started.kill()
    started.wait()
    assert started.poll() == -signal.SIGKILL
    started.kill()  # nobody is hit by it any more


def test_a_number_that_was_given_anew(preloaded: Preloaded, environment: dict[str, str], tmp_path: Path) -> None:
    """What was started has ended, nobody has said so yet, and another process has its number: that one is not hit."""
    with subprocess.Popen(["sleep", "60"]) as another:
        started = preloaded.start(["--version"], tmp_path, environment, tmp_path / "first.txt")
        started.wait()
        started.pid, started.returncode = another.pid, None
        started.kill()
        preloaded.start(["--version"], tmp_path, environment, tmp_path / "second.txt").wait()  # then it was dealt with
        try:
            assert another.poll() is None
        finally:
            another.kill()


def test_signals(preloaded: Preloaded, environment: dict[str, str], tmp_path: Path) -> None:
    """It stops, goes on and ends as it is told."""
    started = hanging(preloaded, environment, tmp_path)
    for number, state in ((signal.SIGSTOP, "T"), (signal.SIGCONT, "S")):
        started.send_signal(number)
        wait_until(lambda state=state: f") {state} " in Path(f"/proc/{started.pid}/stat").read_text())  # type: ignore[misc]
    started.send_signal(signal.SIGTERM)
    started.wait()
    assert started.poll() == -signal.SIGTERM


def test_who_forks_is_killed(environment: dict[str, str], tmp_path: Path) -> None:
    """Then what ran is given up, and nothing more can be started; nobody waits for ever."""
    with closing(Preloaded(environment)) as starter:
        started = hanging(starter, environment, tmp_path)
        (who,) = (pid for pid in working_for(tmp_path) if pid != started.pid)
        os.kill(who, signal.SIGKILL)
        started.wait()
        assert started.poll() == LOST
        started.kill()  # nobody is there who could
        with pytest.raises(OSError, match="rehearsal is gone"):
            starter.start(["--version"], tmp_path, environment, tmp_path / "more.txt")
        os.kill(started.pid, signal.SIGKILL)
