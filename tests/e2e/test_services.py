"""A real worker and a real queue of files beside the databases: stopped, held, as before in both endings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.system import System

WORKER = """\
#!/bin/sh
cd "$(dirname "$0")"
case $1 in
    start) sleep 1000 > /dev/null 2>&1 & echo $! > pid; echo start >> log ;;
    stop) kill "$(cat pid)"; rm pid; echo stop >> log ;;
    runs) test -e pid ;;
esac
"""
QUEUE = """\
#!/bin/sh
cd "$(dirname "$0")"
case $1 in
    hold) touch held; echo hold >> log ;;
    release) rm held && rm -f mail-*; echo release >> log ;;
    is-held) test -e held ;;
    count) ls | grep -c '^mail-' || : ;;
esac
"""
PLAN = """
hosts:
  here: {{address: local, become: none}}
services:
  - {{name: worker, kind: command, hosts: [here], within: 5s,
     "on": ["{worker}", start], "off": ["{worker}", stop], probe: ["{worker}", runs]}}
held:
  - {{name: mail, host: here, hold: ["{queue}", hold], release: ["{queue}", release], probe: ["{queue}", is-held],
     count: ["{queue}", count], drains: 1s}}
"""


class Beside:
    """What runs beside the databases, and the plan that names it."""

    def __init__(self, system: System, folder: Path) -> None:
        self.folder = folder
        paths = {name: self._script(name, text) for name, text in (("worker", WORKER), ("queue", QUEUE))}
        os.spawnv(os.P_WAIT, paths["worker"], [str(paths["worker"]), "start"])
        text = system.plan.read_text(encoding="utf-8")
        system.plan.write_text(text + PLAN.format(**paths), encoding="utf-8")

    def _script(self, name: str, text: str) -> Path:
        path = self.folder / f"{name} of it's own"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        return path

    def told(self) -> list[str]:
        """Everything that worker and queue were told, in order."""
        return (self.folder / "log").read_text(encoding="utf-8").split()

    def mail_comes_in(self, *names: str) -> None:
        for name in names:
            (self.folder / f"mail-{name}").touch()

    def close(self) -> None:
        """Whatever runs is ended."""
        if (self.folder / "pid").exists():
            os.spawnv(os.P_WAIT, str(self.folder / "worker of it's own"), ["worker", "stop"])


@pytest.fixture
def beside(sandbox: System, tmp_path: Path) -> object:
    folder = tmp_path / "beside"
    folder.mkdir()
    made = Beside(sandbox, folder)
    yield made
    made.close()


def test_upgraded(sandbox: System, beside: Beside) -> None:
    """Told once each, in this order; what came in meanwhile is released with the rest."""
    beside.mail_comes_in("a", "b")
    done = sandbox.execute()
    assert done.code == 0, done.out + done.err
    assert beside.told() == ["start", "hold", "stop", "start", "release"]
    assert (beside.folder / "pid").exists()
    assert sandbox.runbook("audit", "verify").code == 0


def test_killed_while_all_is_stopped_and_reverted(sandbox: System, beside: Beside) -> None:
    """`kill -9`, then `revert`: the worker runs, the mail is released, and nothing was told twice."""
    beside.mail_comes_in("a")
    process = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    sandbox.kill_when(process, lambda: sandbox.step("cut-database[Archive]") in ("started", "done"))
    beside.mail_comes_in("b", "c")
    done = sandbox.runbook("revert", "--reason", "not tonight", "--yes")
    assert done.code == 10, done.out + done.err
    assert beside.told() == ["start", "hold", "stop", "start", "release"]
    assert (beside.folder / "pid").exists()


def test_mail_that_is_gone_is_named_and_nothing_is_released(sandbox: System, beside: Beside) -> None:
    """Somebody tidied up: turned back to the old setup, then held with both numbers; put back and resumed, it ends."""
    beside.mail_comes_in("a", "b")
    process = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    sandbox.kill_when(process, lambda: sandbox.step("cut-database[Archive]") in ("started", "done"))
    (beside.folder / "mail-a").unlink()
    done = sandbox.runbook("resume")
    assert done.code == 20, done.out + done.err
    assert "mail: 1 wait, and 2 did when it was held: 1 are gone" in done.out + done.err
    assert (beside.folder / "held").exists()
    beside.mail_comes_in("a")
    assert sandbox.runbook("resume").code == 10
    assert beside.told() == ["start", "hold", "stop", "start", "release"]
