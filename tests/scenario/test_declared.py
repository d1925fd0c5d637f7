"""A run that nobody can bring to an end is ended by a person's word, and the record says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.commands import runs
from runbook.commands.status import find_run
from runbook.errors import AlreadyRunning, IllegalTransition, Refused, UsageError
from runbook.events import Draft, Kind
from runbook.journal.lease import Process, acquire
from runbook.journal.log import RunLog
from runbook.states import RunState
from runbook.testing import PowerCut
from tests.scenario.night import Night


@pytest.fixture
def lost(tmp_path: Path) -> Night:
    """A night whose executor died at the cut."""
    night = Night(tmp_path)
    night.open()
    night.world.pull_plug_when(lambda effect: "cut_tail[Contacts]" in str(effect))
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    return night


def test_it_ends_the_run_and_touches_nothing(lost: Night) -> None:
    """The servers are as they were left, the ending carries a name and a reason, and another run may begin."""
    with pytest.raises(Refused, match="has not ended"):
        lost.executor().open_run(lost.plan, lost.window)
    content = lost.world.content("old")
    found = runs.declare(lost.executor(), lost.run_id, "old", "restored from the full backup by hand")
    assert found.state is RunState.REVERTED
    assert found.to_json()["declared"] is True
    assert "restored from the full backup by hand" in found.reason
    assert lost.executor().actor in found.reason
    assert lost.world.content("old") == content
    assert lost.executor().open_run(lost.plan, lost.window) != lost.run_id


def test_nothing_goes_on_after_it(lost: Night) -> None:
    """Neither resume nor revert, nor a second word."""
    runs.declare(lost.executor(), None, "new", "recovered by hand")
    for again in (
        lambda: runs.resume(lost.executor(), lost.run_id),
        lambda: runs.revert(lost.executor(), lost.run_id, ""),
        lambda: runs.declare(lost.executor(), lost.run_id, "old", "no, old"),
    ):
        with pytest.raises((UsageError, Refused, IllegalTransition)):
            again()


def test_nothing_is_new_where_nothing_was_touched(tmp_path: Path) -> None:
    """A run that did nothing cannot be declared an upgrade."""
    night = Night(tmp_path)
    night.open()
    with pytest.raises(Refused, match="touched nothing"):
        runs.declare(night.executor(), None, "new", "a slip of the tongue")
    assert runs.declare(night.executor(), None, "old", "never begun").state is RunState.REVERTED


def test_the_second_of_two_at_once_leaves_nothing_open(tmp_path: Path) -> None:
    """It lost the race for the servers: refused, and in nobody's way."""
    night = Night(tmp_path)
    executor = night.open()
    night.world.servers["old"].lock_holder = "runbook 20260321-095959-0007 1 on vm"
    with pytest.raises(AlreadyRunning):
        executor.drive(night.run_id, night.plan)
    assert night.view.ending is RunState.REFUSED
    assert find_run(night.store, None) == night.run_id, "there is no other"
    night.world.servers["old"].lock_holder = None
    assert night.executor().open_run(night.plan, night.window) != night.run_id


def test_the_run_that_is_meant_is_the_one_under_way(lost: Night) -> None:
    """Not a newer one that was refused because of it; one that ended otherwise is the newest."""
    opening = Draft(Kind.RUN_OPENED, None, dict(lost.view.opening))
    for ending, meant in ((RunState.REFUSED, lost.run_id), (RunState.REVERTED, "20990102-000000-1")):
        run_id = f"209901{'01' if ending is RunState.REFUSED else '02'}-000000-1"
        log = RunLog.open_run(lost.store, run_id, opening, actor="other", now=lost.world.clock.now)
        log.append(Draft(Kind.RUN_FINISHED, None, {"ending": ending.value, "reason": ""}))
        assert find_run(lost.store, None) == meant


def test_a_revert_that_is_refused_leaves_no_wish_behind(lost: Night) -> None:
    """The plan was edited: exit 30, and a later resume does not turn back because of it."""
    text = lost.plan.path.read_text(encoding="utf-8")
    lost.plan.path.write_text(text + "# edited\nlimits: {workers: 3}\n", encoding="utf-8")
    with pytest.raises(Refused):
        runs.revert(lost.executor(), lost.run_id, "back")
    lost.plan.path.write_text(text, encoding="utf-8")
    assert lost.view.revert_requested == ""


def test_a_reason_is_needed(lost: Night) -> None:
    """Whoever reads the record later must learn what was done."""
    with pytest.raises(UsageError, match="reason"):
        runs.declare(lost.executor(), None, "old", " ")
    assert lost.view.ending is None


def test_not_while_somebody_is_at_work(lost: Night) -> None:
    """An executor that lives is not talked over."""
    lease = acquire(lost.store, lost.run_id, "another", Process.here(), lost.world.clock.now)
    with pytest.raises(AlreadyRunning):
        runs.declare(lost.executor(), None, "old", "by hand")
    lease.release()
    assert lost.view.ending is None
