"""Questions over SSH: one shell a host answers them, one after another, as if each had a shell of its own."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runbook.errors import Cancelled, HostError

PARENT = ("sh", "-c", "ps -o ppid= -p $PPID")
"""Who began the shell that began this command."""


def ask(ssh, *argv: str, timeout: float = 20, **more):
    return ssh.host(**more).ask(list(argv), timeout=timeout)


def test_one_shell_answers_them_all(ssh):
    """No session, no login and no profile for each."""
    assert len({ask(ssh, *PARENT).stdout for _ in range(5)}) == 1


def test_nothing_is_carried_from_one_to_the_next(ssh):
    """Neither variables nor directories; an exit ends the question alone."""
    host = ssh.host()
    for script in ("cd /tmp; x=1; export x", "exit 9", "exec true", "kill -9 $$", "set -e; false"):
        host.ask(["sh", "-c", script], timeout=20)
    assert host.ask(["sh", "-c", 'echo "${x-none}"'], timeout=20).stdout == "none\n"


@pytest.mark.parametrize("said", ["", "x", "x\n", "\n\n", "end-1 0\n", "begin-1\n"])
def test_what_is_said_comes_whole(ssh, said):
    """With and without a line feed at its end, on both streams; and how it ended."""
    result = ask(ssh, "sh", "-c", 'printf %s "$1"; printf %s "$1" >&2; exit 7', "x", said)
    assert (result.exit_code, result.stdout, result.stderr) == (7, said, said)


def test_much_is_cut_at_its_beginning(ssh):
    """As over a session of its own."""
    result = ask(ssh, "sh", "-c", "yes 12345678 | head -c 2999997; echo the end")
    assert result.truncated
    assert result.stdout.endswith("12345678\nthe end\n")
    assert ask(ssh, "echo", "next").stdout == "next\n"


def test_who_reads_reads_nothing(ssh):
    """The next question is not its input."""
    assert ask(ssh, "cat", timeout=5).stdout == ""


def test_a_long_question_has_a_shell_of_its_own(ssh):
    """More than a session takes at once."""
    assert ask(ssh, "sh", "-c", 'echo "${#1}"', "x", "y" * 60000).stdout == "60000\n"


def test_several_at_a_time_do_not_wait_for_each_other(ssh):
    """Each gets its own answer."""
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda n: ask(ssh, "sh", "-c", f"sleep 0.{n}; echo {n}").stdout, range(6))
    assert list(found) == [f"{n}\n" for n in range(6)]


def test_a_shell_that_was_ended_meanwhile_is_not_missed(ssh):
    """The next question gets another."""
    parent = int(ask(ssh, *PARENT).stdout)
    os.kill(parent, signal.SIGKILL)
    assert int(ask(ssh, *PARENT).stdout) != parent


def test_a_host_with_one_session_is_enough(ssh, sshd):
    """The shell that waits for questions makes room for what has an effect, whenever that comes."""
    sshd.restart("MaxSessions 1")
    for n in range(3):
        assert ask(ssh, "echo", str(n)).stdout == f"{n}\n"
        begun = time.monotonic()
        assert ssh.host().run(["true"], timeout=20, effect=True).exit_code == 0
        assert time.monotonic() - begun < 10


def test_one_that_takes_too_long_is_ended_and_the_next_is_answered(ssh):
    """With all it started."""
    with pytest.raises(HostError, match="did not end within 1 s on web and was stopped") as caught:
        ask(ssh, "sh", "-c", "sleep 30; true", timeout=1)
    assert caught.value.in_doubt is False
    assert ask(ssh, "echo", "next").stdout == "next\n"


def test_a_stop_is_heard(ssh):
    """At once."""
    ssh.stop_after(0.5)
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        ask(ssh, "sleep", "30", timeout=60)
    assert time.monotonic() - begun < 10


def test_after_the_connection_is_closed_nothing_is_left(ssh):
    """The shell ends with its input."""
    parent = int(ask(ssh, *PARENT).stdout)
    ssh.link.close()
    give_up_at = time.monotonic() + 10
    while Path(f"/proc/{parent}").exists():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
