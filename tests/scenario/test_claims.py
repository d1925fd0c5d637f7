"""One hand: whole nights on fakes in which an instance knows better than the journal who may act on it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from runbook.errors import AlreadyRunning, Fenced, FencedOut, Refused, Unreachable
from runbook.journal.lease import Process, acquire
from runbook.journal.log import RunLog
from runbook.marker import Marker
from runbook.recording import Unrecorded
from runbook.states import RunState
from runbook.testing import PowerCut, Unstoppable
from tests.scenario.night import Night

FENCED = (Fenced, FencedOut)
"""With and without threads."""
OTHER = Marker("20260101-000000-0000", "else@where/3", 1, 2, "cc")


def markers(night: Night) -> dict[str, Marker | None]:
    return {name: server.marker for name, server in night.world.servers.items()}


def killed_in_the_middle(directory: Path) -> Night:
    night = Night(directory)
    night.open()
    night.world.pull_plug(name="old: cut_tail")
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    return night


def test_upgraded_it_is_given_back_as_ended(tmp_path: Path) -> None:
    """Both instances say who upgraded them and that it is over; a further run may begin."""
    night = Night(tmp_path)
    assert night.drive() is RunState.UPGRADED
    for marker in markers(night).values():
        assert marker is not None
        assert (marker.run_id, marker.fence, marker.ended) == (night.run_id, 1, True)


def test_reverted_the_instances_are_as_they_were(tmp_path: Path) -> None:
    """No marker is left, like nothing else."""
    night = Night(tmp_path)
    night.world.site.overrides["http://127.0.0.1:8090/health?bypass=1"] = (500, "no")
    assert night.drive() is RunState.REVERTED
    assert markers(night) == {"old": None, "new": None}


def test_interrupted_it_keeps_the_instances(tmp_path: Path) -> None:
    """Between old and new nobody else may begin; the next executor of the run may, with a higher number."""
    night = killed_in_the_middle(tmp_path)
    kept = markers(night)["old"]
    assert kept is not None
    assert (kept.run_id, kept.fence, kept.ended) == (night.run_id, 1, False)
    assert night.drive() is RunState.UPGRADED


def test_another_run_that_did_not_end_is_in_the_way(tmp_path: Path) -> None:
    """A run of a journal nobody has here: refused before anything is touched, with its name and the way out."""
    night = Night(tmp_path)
    night.world.servers["new"].marker = OTHER
    with pytest.raises(AlreadyRunning, match=f"new: run {OTHER.run_id} of {OTHER.owner}") as caught:
        night.drive()
    assert f"DELETE FROM runbook_marker WHERE run_id = '{OTHER.run_id}'" in caught.value.hint
    assert markers(night) == {"old": None, "new": OTHER}
    assert night.view.ending is RunState.REFUSED
    night.assert_old()


def test_another_run_that_gave_it_back_is_not_in_the_way(tmp_path: Path) -> None:
    """An ended marker is overwritten."""
    night = Night(tmp_path)
    night.world.servers["new"].marker = replace(OTHER, ended=True)
    assert night.drive() is RunState.UPGRADED


def test_a_run_that_this_journal_knows_to_be_over_is_not_in_the_way(tmp_path: Path) -> None:
    """Killed between its last row and giving back, or declared ended by a person: the journal counts."""
    first = Night(tmp_path)
    first.world.site.overrides["http://127.0.0.1:8090/health?bypass=1"] = (500, "no")
    assert first.drive() is RunState.REVERTED
    left = Marker(first.run_id, "gone@here/1", 1, 2, "aa")
    first.world.servers["old"].marker = left
    first.world.clock.advance(60)
    second = Night(tmp_path)
    second.world, second.store = first.world, first.store
    assert second.drive() is RunState.REVERTED
    assert markers(second) == {"old": None, "new": None}


def test_an_older_copy_of_the_journal_is_refused_however_often_it_is_tried(tmp_path: Path) -> None:
    """A restored machine: its journal lacks the row of the claim that stands. Refused each time, nothing is touched,
    although its own fencing numbers grow with every try."""
    night = killed_in_the_middle(tmp_path)
    old_copy = copy.deepcopy(night.store, {id(one): one for one in (night.world, night.store.hook, night.store._lock)})
    night.world.pull_plug(name="new: recover")
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    newer, trace = night.store, len(night.world.trace)
    night.store = old_copy
    for _ in range(3):
        with pytest.raises(Refused, match="older than what the instance has seen") as caught:
            night.drive()
        assert type(caught.value) is Refused
        assert "executor 2" in caught.value.message
        assert f"runbook recover {night.run_id}" in caught.value.hint
        night.next_process()
    assert night.world.trace[trace:] == []
    night.store = newer
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


def test_an_executor_that_was_overtaken_unnoticed_has_no_further_effect(tmp_path: Path) -> None:
    """The journal does not tell it, every instance does: nothing more is done, on servers, gate and pointer."""
    night = Night(tmp_path)
    executor = night.open()
    effects = []

    def overtaken(effect: object) -> bool:
        effects.append(str(effect))
        if "old: cut_tail" in str(effect):
            for server in night.world.servers.values():
                assert server.marker is not None
                server.marker = replace(server.marker, fence=9, owner="newer@there/1", row_hash="ff")
        return False

    night.world.pull_plug_when(overtaken)
    with pytest.raises(FENCED, match="executor 9"):
        executor.drive(night.run_id, night.plan)
    first = next(at for at, name in enumerate(effects) if "old: cut_tail" in name)
    after = [name for name in effects[first:] if "journal:" not in name]
    assert {name.partition(" ")[2] for name in after} == {"old: cut_tail[Contacts]"}, "what was under way, no more"
    assert markers(night)["old"] == markers(night)["new"], "and it does not give back what is not its own"


def test_the_gate_is_left_alone_as_well(tmp_path: Path) -> None:
    """An effect outside of the servers asks the instances first."""
    night = Night(tmp_path)
    executor = night.open()

    def overtaken(effect: object) -> bool:
        marker = night.world.servers["new"].marker
        if marker and "seed" not in str(effect) and "step-started(close-gate)" in str(effect):
            night.world.servers["new"].marker = replace(marker, fence=9)
        return False

    night.world.pull_plug_when(overtaken)
    with pytest.raises(FENCED, match="executor 9"):
        executor.drive(night.run_id, night.plan)
    assert night.world.site.page is None


def test_an_instance_that_did_not_answer_is_claimed_before_its_first_effect(tmp_path: Path) -> None:
    """Down when the run is taken up, back later: claimed then, and given back at the end."""
    night = killed_in_the_middle(tmp_path)
    new = night.world.servers["new"]
    night.world.kill_server("new")

    def back(effect: object) -> bool:
        if "executor-started" in str(effect) and new.down:
            night.world.start_server("new")
        return False

    night.world.pull_plug_when(back)
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    assert new.marker is not None
    assert (new.marker.fence, new.marker.ended) == (2, True)
    assert any("new could not be claimed yet" in text for text in night.view.findings)


@pytest.mark.parametrize("statement", ["SELECT runbook_marker", "UPDATE runbook_marker", "KILL sessions"])
def test_an_instance_that_says_nothing_is_claimed_before_its_first_effect(tmp_path: Path, statement: str) -> None:
    """It takes connections, and what it is asked there hangs: nobody waits for it for ever, least of all a way back."""
    night = killed_in_the_middle(tmp_path)
    night.world.fault("new", "hang", statement)
    began = night.world.clock.now()
    assert night.drive() is RunState.UPGRADED
    assert (night.world.clock.now() - began).total_seconds() < 200
    assert any("new could not be claimed yet: new gave no answer" in one for one in night.view.findings)


def test_a_server_that_restarted_is_locked_again_before_the_next_effect(tmp_path: Path) -> None:
    """The lock went with the server's sessions; nobody else gets in between, and the record says so."""
    night = Night(tmp_path)
    old = night.world.servers["old"]
    restarted, unlocked = [], []

    def restart(effect: object) -> bool:
        text = str(effect)
        if "step-done(close-gate)" in text and not restarted:
            restarted.append(text)
            night.world.kill_server("old")
            night.world.start_server("old")
            assert old.lock_holder is None
        elif restarted and " old: " in text and old.lock_holder != night.run_id:
            unlocked.append(text)
        return False

    night.world.pull_plug_when(restart)
    assert night.drive() is RunState.UPGRADED
    assert restarted
    assert unlocked == []
    notes = [row.body for row in night.store.rows(night.run_id) if row.kind == "note"]
    assert sum("old: the application lock was gone" in note for note in notes) == 1
    assert old.lock_holder is None, "given back at the end"


def test_a_lock_that_somebody_else_took_after_a_restart_is_in_the_way(tmp_path: Path) -> None:
    """No effect on an instance that another one holds: it is left to people."""
    night = Night(tmp_path)
    old = night.world.servers["old"]
    taken: list[int] = []

    def take(effect: object) -> bool:
        if "step-done(cut-database[Contacts])" in str(effect) and not taken:
            night.world.kill_server("old")
            night.world.start_server("old")
            old.lock_holder = "another"
            taken.append(len(night.world.trace))
        return False

    night.world.pull_plug_when(take)
    assert night.drive() is RunState.HELD
    assert "another" in night.view.held
    assert not any(line.startswith("old: BACKUP LOG") for line in night.world.trace[taken[0] :])


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"fence": 9, "position": 900}, FencedOut), ({"run_id": "other"}, AlreadyRunning)],
    ids=["newer executor", "another run"],
)
def test_a_late_claim_looks_as_closely(tmp_path: Path, change: dict[str, object], kind: type) -> None:
    """What stands on an instance that answers late is judged before the first effect there."""
    night = killed_in_the_middle(tmp_path)
    new = night.world.servers["new"]
    assert new.marker is not None
    world, executor = night.world, night.executor()
    services = executor.world(night.plan)
    world.kill_server("new")
    now = world.clock.now
    lease = acquire(night.store, night.run_id, "test", Process.here(), now)
    log = RunLog.load(night.store, night.run_id, actor="test", now=now, fence=lease.fence)
    with services.claim(log):
        handle = services.server("new", Unstoppable(world.clock), Unrecorded())
        with pytest.raises(Unreachable):
            handle.drop_login("x")
        world.start_server("new")
        new.marker = replace(new.marker, **change)
        with pytest.raises(kind):
            handle.drop_login("x")
    assert not any("DROP LOGIN" in line for line in world.trace)
