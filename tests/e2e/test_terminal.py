"""Ctrl-C on a terminal asks, and the night goes on meanwhile; losing the terminal changes nothing."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.e2e.system import System, wait_until

CTRL_C = b"\x03"


class Terminal:
    """What a person sees and types."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.master = master
        self.process = process
        self.seen = ""

    def look(self) -> str:
        """Everything that was shown until now, without colours and moves."""
        with suppress(OSError):
            while select.select([self.master], [], [], 0.05)[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.master, keys)

    def wait_for(self, text: str) -> None:
        """Until it is shown after what was looked for before."""
        wait_until(lambda: text in self.look() or self.process.poll() is not None)
        assert text in self.look(), self.look()[-3000:]
        self.seen = ""

    def ended(self) -> int:
        """Its exit code; what it still shows is read meanwhile."""
        wait_until(lambda: (self.look(), self.process.poll() is not None)[1], 120)
        return self.process.returncode


@contextmanager
def terminal(system: System, *arguments: str) -> Iterator[Terminal]:
    """A command in the foreground of a terminal of its own."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        system.words(arguments),
        env={**system.environment, "TERM": "xterm"},
        cwd=system.home,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=lambda: (os.setsid(), os.close(os.open(os.ttyname(slave), os.O_RDWR))),
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_ctrl_c_asks_hold_go_on_and_turn_back(sandbox: System) -> None:
    """Hold waits with the turn-back point shown, go on goes on, turn back brings the old setup back."""
    before = sandbox.content("old")
    sandbox.servers.fault("new", "slow", r"RESTORE LOG", seconds=2)
    with terminal(sandbox, "execute", str(sandbox.plan), "--window", "10m", "--yes") as seen:
        seen.wait_for("close-gate done")
        seen.type(CTRL_C)
        seen.wait_for("[h] hold at the next safe point")
        seen.type(b"xh")
        seen.wait_for("HELD: Ctrl-C")
        status = sandbox.runbook("status")
        assert "held" in status.out
        assert "turn-back point" in status.out
        seen.type(CTRL_C)
        seen.wait_for("held by you.")
        seen.type(b"g")
        seen.wait_for("asked: go-on")
        seen.type(CTRL_C)
        seen.wait_for("[t] turn back")
        seen.type(b"t")
        assert seen.ended() == 10
    assert sandbox.status()["reason"] == "a person decided to turn back: Ctrl-C"
    assert sandbox.content("old") == before
    assert sandbox.get("/")[0] == 200


def test_ctrl_c_twice_stops_and_a_frozen_or_lost_terminal_does_not(sandbox: System) -> None:
    """Stopped: exit 40. Resumed on a terminal that takes nothing (Ctrl-S) and then goes away: it comes to its end."""
    sandbox.servers.fault("new", "slow", r"RESTORE LOG", seconds=2)
    with terminal(sandbox, "execute", str(sandbox.plan), "--window", "10m", "--yes") as seen:
        seen.wait_for("close-gate done")
        seen.type(CTRL_C)
        seen.wait_for("[h] hold")
        seen.type(CTRL_C)
        assert seen.ended() == 40
    assert sandbox.status()["state"] == "interrupted"
    with terminal(sandbox, "resume") as frozen:
        wait_until(lambda: sandbox.status()["state"] == "running")
        frozen.process.send_signal(signal.SIGHUP)
        wait_until(lambda: sandbox.status()["state"] == "upgraded", 120)
        assert frozen.process.poll() is None, "it still waits for the terminal to take its last lines"
    assert sandbox.serves_from() == "NEWSQL"
