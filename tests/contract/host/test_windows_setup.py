"""A Windows server upgraded by its setup program, through PowerShell's words on a host that is played: what is sent is
what would go over the wire, and is read as PowerShell would read it. No Windows machine stands behind it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from runbook.adapters.host.shellhost import ShellHost
from runbook.adapters.host.windows import WINDOWS as WORDS
from runbook.executor import Executor
from runbook.hosting import Host
from runbook.ports import Cancellation, Recorder
from runbook.states import RunState
from runbook.testing import FakeServices
from runbook.testing.plans import WINDOWS
from runbook.workers import InlineWorkers
from tests.contract.host.scripted import ScriptedPowerShell
from tests.scenario.night import KINDS
from tests.scenario.windowsnight import WindowsNight

RESTARTS = WINDOWS + "  restart: during-window\n"
BAD_HEALTH = ("http://127.0.0.1:8090/health?bypass=1", (500, "no"))


class Played(FakeServices):
    """Everything is the fake's, but the machine of the server speaks PowerShell."""

    def host(self, name: str, cancellation: Cancellation, recorder: Recorder) -> Host:
        if name != "db":
            return super().host(name, cancellation, recorder)
        shell = ScriptedPowerShell(self.world, name, cancellation)
        return ShellHost(name, shell, self._guarded(recorder), self.run_id, WORDS)


class PlayedNight(WindowsNight):
    """Such a night on it."""

    def executor(self) -> Executor:
        return Executor(
            self.store,
            self.world.clock,
            KINDS,
            lambda plan: Played(self.world, plan),
            lambda _limit: InlineWorkers(),
            heartbeat=False,
        )


def test_there(tmp_path: Path) -> None:
    """As on the fake: the same steps, the same end."""
    night = PlayedNight(tmp_path)
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    assert night.host.took.startswith("/Q /ACTION=Upgrade /INSTANCENAME=MSSQLSERVER ")


def test_back(tmp_path: Path) -> None:
    """By the hook, seen by the marks."""
    night = PlayedNight(tmp_path)
    night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
    assert night.drive() is RunState.REVERTED
    night.assert_old()


def test_3010(tmp_path: Path) -> None:
    """Restarted once, settled by the boot."""
    night = PlayedNight(tmp_path, RESTARTS)
    night.host.setup_code = 3010
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    assert night.host.machine.boots == 2


def test_a_failure_is_told_in_setups_own_words(tmp_path: Path) -> None:
    """All 32 bits of the exit code, and what stands in the logs."""
    night = PlayedNight(tmp_path)
    night.host.setup_code, night.host.setup_says = -2068578304, "It’s 'in use': “D:\\Data”"
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert "(0x84B40000)" in night.view.turned_back
    assert "Exit message: It’s 'in use': “D:\\Data”" in night.view.turned_back


def test_a_cut_connection(tmp_path: Path) -> None:
    """Setup is found again."""
    night = PlayedNight(tmp_path)
    night.world.later(60.0, lambda: None)
    night.when("step-started(await-setup)", lambda: night.world.later(30.0, lambda: night.host.cut(120.0)))
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


def test_a_secret_reaches_setup_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the configuration file, which it gets through its input: in no argument list, in no record, in no message."""
    monkeypatch.setenv("SQL_PID", "AAAAA-BBBBB-CCCCC")
    night = PlayedNight(tmp_path, WINDOWS + '  secrets: {PID: "env:SQL_PID"}\n')
    night.host.setup_code, night.host.setup_says = 1603, "the key AAAAA-BBBBB-CCCCC is wrong"
    units = {}
    night.when("step-started(await-setup)", lambda: units.update(night.host.machine.units))
    assert night.drive() is RunState.REVERTED
    setup = next(unit for name, unit in units.items() if name.endswith("-setup"))
    given = base64.b64decode(setup.stdin).decode("utf-16")
    assert given == '[OPTIONS]\r\nPID="AAAAA-BBBBB-CCCCC"\r\n'
    assert "AAAAA" not in " ".join(setup.argv)
    assert "AAAAA" not in repr(night.store.rows(night.run_id))
    assert "the key *** is wrong" in night.view.turned_back


def test_a_secret_that_is_not_there_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is touched, with the key of the plan."""
    monkeypatch.delenv("SQL_PID", raising=False)
    night = PlayedNight(tmp_path, WINDOWS + '  secrets: {PID: "env:SQL_PID"}\n')
    assert night.drive() is RunState.REFUSED
    assert "in_place.secrets.PID: the environment variable SQL_PID is not set" in night.view.steps["check-setup"].why
