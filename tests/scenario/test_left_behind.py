"""An executor that dies right after the last row leaves nothing on the servers that stays there."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.commands import runs
from runbook.commands.guarding import Watch
from runbook.errors import UsageError
from runbook.home import Home
from runbook.states import RunState
from runbook.testing import PowerCut
from tests.scenario.night import Night

ENDINGS = [RunState.UPGRADED, RunState.REVERTED]


def killed_at_the_end(directory: Path, ending: RunState) -> Night:
    """Between the row that ends the run and giving back."""
    night = Night(directory)
    if ending is RunState.REVERTED:
        night.world.site.overrides["http://127.0.0.1:8090/health?bypass=1"] = (500, "no")
    night.open()
    night.world.pull_plug_when(lambda effect: "journal: after writing run-finished" in effect.name)
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    night.world.site.overrides.clear()
    assert night.view.ending is ending
    assert all(one.marker and not one.marker.ended for one in night.world.servers.values())
    assert night.world.servers["old"].copies
    return night


def assert_clean(night: Night, ending: RunState) -> None:
    """Nothing in msdb after a way back; after an upgrade, that it is over."""
    markers = [server.marker for server in night.world.servers.values()]
    if ending is RunState.UPGRADED:
        assert all(marker and marker.ended for marker in markers)
        last = max(night.world.servers["old"].copies[night.run_id])
        assert last >= next(row.n for row in night.store.rows(night.run_id) if row.kind == "run-finished")
    else:
        assert markers == [None, None]
        assert night.run_id not in night.world.servers["old"].copies


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_next_resume_gives_it_back(tmp_path: Path, ending: RunState) -> None:
    """It says that the run has ended, and what it did; once."""
    night = killed_at_the_end(tmp_path, ending)
    with pytest.raises(UsageError, match="what it had left on the servers was given back"):
        runs.resume(night.executor(), None)
    assert_clean(night, ending)
    assert night.view.ending is ending
    rows = night.view.n
    with pytest.raises(UsageError) as caught:
        runs.resume(night.executor(), None)
    assert "given back" not in caught.value.message
    assert night.view.n == rows


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_guard_gives_it_back(tmp_path: Path, ending: RunState) -> None:
    """It watched, the executor died at its last breath; nobody types anything."""
    night = Night(tmp_path)
    if ending is RunState.REVERTED:
        night.world.site.overrides["http://127.0.0.1:8090/health?bypass=1"] = (500, "no")
    night.open()
    said: list[str] = []
    watch = Watch(Home(tmp_path, "sqlite://"), night.executor, said.append)
    watch.open(None, None, beside=False)
    night.world.pull_plug_when(lambda effect: "journal: after writing run-finished" in effect.name)
    with pytest.raises(PowerCut):
        night.drive()
    night.world.next_process()
    assert watch.watch().ending is ending
    assert said[-1] == "what it had left on the servers was given back"
    assert_clean(night, ending)


def test_the_next_run_gives_it_back(tmp_path: Path) -> None:
    """With the copy of the journal, which that run would not overwrite."""
    night = killed_at_the_end(tmp_path, RunState.REVERTED)
    runs.execute(night.executor(), night.plan.path, None)
    assert night.run_id not in night.world.servers["old"].copies


def test_declared_it_is_given_back(tmp_path: Path) -> None:
    """No marker says for ever that a run is under way that nobody will go on with."""
    night = Night(tmp_path)
    night.open()
    night.world.pull_plug(name="old: cut_tail")
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    content = night.world.content("old")
    assert runs.declare(night.executor(), None, "old", "by hand").state is RunState.REVERTED
    assert_clean(night, RunState.REVERTED)
    assert night.world.content("old") == content


def test_what_does_not_answer_is_named_and_tried_again(tmp_path: Path) -> None:
    """The new server is down: told so each time, until it is back."""
    night = killed_at_the_end(tmp_path, RunState.REVERTED)
    night.world.kill_server("new")
    with pytest.raises(UsageError, match="could not be given back: new"):
        runs.resume(night.executor(), None)
    assert night.world.servers["old"].marker is None
    night.world.start_server("new")
    night.next_process()
    with pytest.raises(UsageError, match="was given back"):
        runs.resume(night.executor(), None)
    assert_clean(night, RunState.REVERTED)
