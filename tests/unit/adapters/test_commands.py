"""Commands end: by themselves, in time, or with everything they started."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from runbook.adapters.clock import SystemClock
from runbook.adapters.commands import OUTPUT_LIMIT, Commands
from runbook.errors import Cancelled, HostError
from runbook.testing import StatementLog, Stoppable

PYTHON = sys.executable


@pytest.fixture
def stop():
    return Stoppable(SystemClock())


@pytest.fixture
def log():
    return StatementLog()


@pytest.fixture
def commands(stop, log):
    return Commands(stop, log)


def test_gives_exit_code_and_both_streams(commands):
    """Whatever the exit code, it is a result."""
    result = commands.run(["sh", "-c", "echo out; echo Zoë >&2; exit 3"], timeout=5, effect=False)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "Zoë\n")
    assert result.said() == "Zoë"


def test_arguments_are_not_read_by_a_shell(commands, tmp_path):
    """What looks like shell is text."""
    text = f"$(touch {tmp_path}/x); `id` * 'quoted'"
    assert commands.run(["printf", "%s", text], timeout=5, effect=False).stdout == text
    assert list(tmp_path.iterdir()) == []


def test_standard_input_is_empty(commands):
    """A command that asks gets no answer instead of waiting for one."""
    assert commands.run(["cat"], timeout=5, effect=False).exit_code == 0


def test_reads_what_it_is_given(commands):
    """To the last byte, also more than a pipe holds, and then the end of it."""
    given = bytes(range(256)) * 4000
    result = commands.run(["sha256sum"], timeout=5, effect=False, stdin=given)
    assert result.stdout.split()[0] == hashlib.sha256(given).hexdigest()


def test_a_command_that_reads_nothing_of_what_it_is_given_ends_all_the_same(commands):
    """Nobody waits for a reader that does not come."""
    assert commands.run(["true"], timeout=5, effect=False, stdin=b"x" * 1_000_000).exit_code == 0


def test_output_is_bounded_and_the_end_is_kept(commands):
    """A gigabyte of noise does not fill the memory; errors stand at the end."""
    result = commands.run(["sh", "-c", "yes noise | head -c 3000000; echo the end"], timeout=20, effect=False)
    assert result.truncated
    assert len(result.stdout) <= OUTPUT_LIMIT
    assert result.stdout.endswith("the end\n")


def test_an_unknown_command_is_a_clear_error(commands, log):
    """Not in doubt: it never started."""
    with pytest.raises(HostError, match="cannot start /no/such/thing: no such file") as caught:
        commands.run(["/no/such/thing"], timeout=5, effect=True)
    assert caught.value.in_doubt is False
    assert log.entries[0].said == "HostError"


def test_a_timeout_ends_the_whole_group(commands, tmp_path):
    """Children of children too; an effect is in doubt then."""
    pid_file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {pid_file}; wait"
    begun = time.monotonic()
    with pytest.raises(HostError, match="did not end within 1 s") as caught:
        commands.run(["sh", "-c", script], timeout=1, effect=True)
    assert time.monotonic() - begun < 4
    assert caught.value.in_doubt is True
    assert _ends(int(pid_file.read_text()))


def test_a_command_that_ignores_the_request_is_ended_all_the_same(commands):
    """Half a second of politeness, then SIGKILL."""
    begun = time.monotonic()
    with pytest.raises(HostError):
        commands.run(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"], timeout=0.2, effect=False)
    assert time.monotonic() - begun < 3


def test_a_command_is_asked_to_end_first(commands, tmp_path):
    """It gets to tidy up; what it started and ignores the request is ended all the same."""
    pid_file, tidied = tmp_path / "pid", tmp_path / "tidied"
    deaf = f"(trap '' TERM; exec sleep 60) & echo $! > {pid_file}"
    with pytest.raises(HostError):
        commands.run(["sh", "-c", f"trap 'touch {tidied}; exit' TERM; {deaf}; wait"], timeout=1, effect=False)
    assert tidied.exists()
    assert _ends(int(pid_file.read_text()))


def test_cancelling_ends_it_and_raises_cancelled(commands, stop, log, tmp_path):
    """The turn-back point is felt in the middle of a command."""
    pid_file = tmp_path / "pid"
    threading.Timer(0.2, stop.stop).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        commands.run(["sh", "-c", f"echo $$ > {pid_file}; sleep 60"], timeout=50, effect=True)
    assert time.monotonic() - begun < 2
    assert _ends(int(pid_file.read_text()))
    assert log.entries[0].said == "Cancelled"


def test_a_daemon_left_behind_does_not_hold_it_up(commands):
    """A service started by a command keeps the pipe open; the command has ended all the same."""
    begun = time.monotonic()
    result = commands.run(["sh", "-c", "sleep 3 & echo started"], timeout=10, effect=True)
    assert time.monotonic() - begun < 2.5
    assert (result.exit_code, result.stdout) == (0, "started\n")


def test_is_recorded_before_it_starts_with_its_end(commands, log):
    """The record holds the argument list as one line that a shell could run."""
    commands.run(["printf", "%s", "two words"], timeout=5, effect=True)
    assert (log.entries[0].text, log.entries[0].effect) == ("printf %s 'two words'", True)
    assert log.entries[0].said == "exit 0"


def _ends(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] == "Z":
            return True  # ended, and nobody has asked for its exit code
        time.sleep(0.02)
    return False
