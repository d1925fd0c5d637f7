"""A guard begins its watch: whether it could take over is said then, not in the night when it must."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from runbook.commands import guarding
from runbook.commands.guarding import Watch
from runbook.errors import NotPermitted, UsageError
from runbook.events import Draft, Kind
from runbook.executor import Executor
from runbook.home import Home
from runbook.journal.log import RunLog
from runbook.states import RunState
from runbook.testing import FakeServices, PowerCut
from tests.scenario.night import Night


class Watched(Night):
    """A night whose executor is gone, and guards that begin to watch it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.home = Home(directory, "sqlite://")
        self.said: list[str] = []
        self.world.pull_plug(name="old: cut_tail")
        with pytest.raises(PowerCut):
            self.drive()
        self.next_process()

    def watch(self, build: object = None) -> Watch:
        """A guard's process."""
        return Watch(self.home, build or self.executor, self.said.append)  # type: ignore[arg-type]

    def findings(self) -> list[str]:
        """What ``status`` shows of guards."""
        return [one for one in self.view.findings if "guard" in one]


def test_a_guard_that_may_do_nothing_says_so_at_once(tmp_path: Path) -> None:
    """By hand it refuses; the record names every server on which it lacks rights, and which."""
    night = Watched(tmp_path)
    for server in night.world.servers.values():
        server.missing_permissions = ("sysadmin",)
    with pytest.raises(NotPermitted, match=r"old: .* no member of sysadmin; new: .* no member of sysadmin") as caught:
        night.watch().open(None, None, beside=False)
    assert "same login" in caught.value.hint
    (finding,) = night.findings()
    assert "could not take over" in finding
    assert "old: the login is no member of sysadmin; new: the login is no member of sysadmin" in finding


def test_beside_an_executor_it_watches_all_the_same(tmp_path: Path) -> None:
    """Nobody reads its terminal, the record does; rights may be given meanwhile."""
    night = Watched(tmp_path)
    night.world.servers["new"].missing_permissions = ("sysadmin",)
    night.watch().open(None, None, beside=True)
    assert night.said == ["it could not take over: new: the login is no member of sysadmin"]
    assert len(night.findings()) == 1


def test_a_clock_set_back_while_it_watches_gives_no_time_to_the_takeover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written while a hold waits, so only this process can know: the executor that it becomes counts on."""
    monkeypatch.setattr(guarding, "start_beside", lambda _home: lambda _run: "")
    night = Watched(tmp_path)
    log = RunLog.load(night.store, night.run_id, actor="a person", now=night.world.clock.now)
    log.append(Draft(Kind.REQUESTED, None, {"what": "hold", "reason": "wait"}))
    night.world.later(60, lambda: night.world.clock.step(-1800))
    watch = night.watch()
    watch.open(None, None, beside=False)
    view = watch.watch()
    assert view.ending is RunState.REVERTED
    assert view.turned_back_at is not None
    assert timedelta(0) <= view.turned_back_at - view.opened_at <= timedelta(seconds=3600)
    assert night.world.clock.monotonic() - 1000.0 <= 3600, "seconds that really went by"
    assert any("set back by 1800 s" in one for one in view.findings)
    night.assert_old()


class Stranger(FakeServices):
    """One whose login the new server does not know."""

    def server(self, name: str, *given: object) -> object:  # type: ignore[override]
        if name == "new":
            raise NotPermitted("new refuses the login guard: Login failed (18456)", hint="Check user and password.")
        return super().server(name, *given)  # type: ignore[arg-type]


def test_a_guard_whose_login_is_refused_says_so_at_once(tmp_path: Path) -> None:
    """18456 when it begins to watch."""
    night = Watched(tmp_path)

    def build() -> Executor:
        executor = night.executor()
        executor.world = lambda plan: Stranger(night.world, plan)
        return executor

    with pytest.raises(NotPermitted, match="18456"):
        night.watch(build).open(None, None, beside=False)
    assert any("could not take over" in one and "18456" in one for one in night.findings())


def test_a_guard_without_the_plan_says_so_at_once(tmp_path: Path) -> None:
    """On a second machine the plan may lie elsewhere."""
    night = Watched(tmp_path)
    with pytest.raises(UsageError):
        night.watch().open(None, tmp_path / "elsewhere.yaml", beside=False)
    assert any("could not take over" in one for one in night.findings())
