"""Whole nights on fakes under a virtual clock: what goes wrong, and where it ends. One claim a test."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from runbook.errors import AlreadyRunning, PlanChanged, Refused
from runbook.events import Draft, Kind
from runbook.plan.load import load_plan
from runbook.states import RunState
from runbook.testing import PowerCut
from tests.scenario.night import Night

BOTH = pytest.mark.parametrize("strategy", ["side-by-side", "scripts"])


@BOTH
def test_forward(tmp_path: Path, strategy: str) -> None:
    """An undisturbed night ends on the new setup, in service, every database proven."""
    night = Night(tmp_path, strategy)
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


def test_the_order_of_a_night(tmp_path: Path) -> None:
    """What is sent, in which order: nobody is shut out before the seeds are in place, nothing opens unproven."""
    night = Night(tmp_path, databases=("Contacts",))
    night.world.site.databases = ("Contacts",)
    night.drive()
    wanted = [
        "old: BACKUP DATABASE Contacts",
        "new: RESTORE DATABASE Contacts",
        "gate: close",
        "old: BACKUP LOG Contacts",
        "new: RESTORE LOG Contacts",
        "pointer: forward",
        "gate: open",
    ]
    found = [next((i for i, line in enumerate(night.world.trace) if line.startswith(want)), -1) for want in wanted]
    assert -1 not in found, dict(zip(wanted, found, strict=True))
    assert found == sorted(found), night.world.trace


@BOTH
def test_every_statement_refused_once(tmp_path: Path, strategy: str) -> None:
    """Whatever the servers, gate or pointer refuse, the night ends old or new, never between, and is never held."""
    first = Night(tmp_path, strategy)
    first.drive()
    sent = sorted({line.split("!")[0].strip() for line in first.world.trace})
    assert len(sent) > 20
    for line in sent:
        where, _, text = line.partition(": ")
        night = Night(tmp_path, strategy)
        night.world.fault(where, "fail", re.escape(text))
        ending = night.drive()
        if ending is RunState.HELD:
            assert night.view.pivot_at, f"{line}: held before the pivot: {night.view.held}"
            assert night.executor().drive(night.run_id, night.plan) is RunState.UPGRADED, line
            ending = RunState.UPGRADED
        night.assert_ending(ending)


@BOTH
def test_every_statement_hanging(tmp_path: Path, strategy: str) -> None:
    """Whatever hangs before the gate opens, the old setup is back in service before the window closes."""
    first = Night(tmp_path, strategy)
    first.drive()
    pivot = first.world.trace.index("gate: open") if "gate: open" in first.world.trace else len(first.world.trace)
    for line in sorted({line.split("!")[0].strip() for line in first.world.trace[:pivot]}):
        where, _, text = line.partition(": ")
        night = Night(tmp_path, strategy, window=600.0)
        night.world.fault(where, "hang", re.escape(text))
        assert night.drive() is RunState.REVERTED, line
        night.assert_old()
        assert night.world.clock.now() <= night.view.closes_at, line


@BOTH
def test_a_reply_that_is_lost_is_no_failure(tmp_path: Path, strategy: str) -> None:
    """The effect happened, the connection broke: a look shows how far it got, and the night goes on."""
    first = Night(tmp_path, strategy)
    first.drive()
    for line in sorted({line for line in first.world.trace if "BACKUP" in line or "RESTORE" in line}):
        where, _, text = line.partition(": ")
        night = Night(tmp_path, strategy)
        night.world.fault(where, "lost", re.escape(text))
        ending = night.drive()
        night.assert_ending(ending)
        assert ending is RunState.UPGRADED, f"{line}: {night.view.turned_back}"


def test_a_success_without_effect_is_found_out(tmp_path: Path) -> None:
    """A RESTORE LOG that only says it worked turns the night back."""
    night = Night(tmp_path)
    night.world.fault("new", "lie", "RESTORE LOG Contacts")
    executor = night.open()

    def users(event: object) -> None:
        if getattr(event, "kind", "") is Kind.STEP_DONE and getattr(event, "step", "") == "seed-restore[Contacts]":
            night.world.users_write("old")

    executor.listeners.append(users)
    assert executor.drive(night.run_id, night.plan) is RunState.REVERTED
    assert night.world.public() == "old"


def test_a_row_changed_by_the_upgrade_is_named(tmp_path: Path) -> None:
    """Corruption during recovery on the new server: reverted, the table named."""
    night = Night(tmp_path)
    night.world.fault("new", "corrupt", "RESTORE DATABASE Contacts WITH RECOVERY")
    assert night.drive() is RunState.REVERTED
    assert "dbo.Contacts" in night.view.turned_back
    night.assert_old()


def test_who_slips_in_before_the_cut_is_noticed_and_loses_nothing(tmp_path: Path) -> None:
    """A privileged client writes to the old server while users are out: the row is kept, and named."""
    night = Night(tmp_path)
    night.world.durations["cut_tail[Contacts]"] = 5.0
    slipped: list[str] = []
    executor = night.open()
    executor.listeners.append(lambda event: slipped.extend(_slip(night, event)))
    ending = executor.drive(night.run_id, night.plan)
    assert slipped, "the client got in"
    assert ending is RunState.REVERTED
    table = slipped[0].split()[2]
    assert table in night.view.turned_back or any(table in finding for finding in night.view.findings)
    rows = night.world.data("old")["Contacts"]
    assert rows != night.data["Contacts"], "what the client wrote is still there"


def _slip(night: Night, event: object) -> list[str]:
    kind, step = getattr(event, "kind", ""), getattr(event, "step", "")
    if kind is Kind.STEP_DONE and step == "prove-reference[Contacts]":
        return [line for line in night.world.users_write("old", privileged=True) if "Contacts" in line]
    return []


def test_a_resume_after_the_window_turns_back_at_once(tmp_path: Path) -> None:
    """closes_at is fixed when the run opens; coming back later there is only one way."""
    night = Night(tmp_path, window=600.0)
    night.world.pull_plug(name="cut_tail[Contacts]")
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process(minutes=60)
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert "turn-back point" in night.view.turned_back


def test_a_changed_plan_is_refused(tmp_path: Path) -> None:
    """A resume with another plan says what changed and touches nothing."""
    night = Night(tmp_path)
    night.world.pull_plug(name="cut_tail[Contacts]")
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    path = tmp_path / "runbook.yaml"
    path.write_text(path.read_text().replace("- name: Archive", "- name: Campaign2"), encoding="utf-8")
    before = list(night.world.trace)
    with pytest.raises(PlanChanged) as refused:
        night.executor().drive(night.run_id, load_plan(path))
    assert any("Campaign2" in change for change in refused.value.changes)
    assert night.world.trace == before


def test_a_second_run_is_refused(tmp_path: Path) -> None:
    """While a run of the same servers has not ended, another is not begun."""
    night = Night(tmp_path)
    night.world.pull_plug(name="cut_tail[Contacts]")
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    with pytest.raises(Refused, match="has not ended"):
        night.executor().open_run(night.plan, 3600)


def test_two_executors_at_once(tmp_path: Path) -> None:
    """While the lease is alive nobody else acts on the run."""
    night = Night(tmp_path)
    night.world.pull_plug(name="cut_tail[Contacts]")
    with pytest.raises(PowerCut):
        night.drive()
    night.world.next_process()
    with pytest.raises(AlreadyRunning):
        night.drive()


def test_a_window_too_short_is_refused(tmp_path: Path) -> None:
    """A plan whose way forward and back do not fit is refused, nothing is touched."""
    night = Night(tmp_path, window=10.0)
    with pytest.raises(Refused, match="too short"):
        night.open()
    assert night.world.trace == []


def test_a_clock_set_back_does_not_stretch_the_window(tmp_path: Path) -> None:
    """The wall clock jumps back an hour while a statement hangs: the old setup is back in time all the same."""
    night = Night(tmp_path, window=600.0)
    night.world.fault("new", "hang", "RESTORE LOG Contacts")
    night.world.later(20, lambda: night.world.clock.step(-3600))
    begun = night.world.clock.monotonic()
    assert night.drive() is RunState.REVERTED
    assert night.world.clock.monotonic() - begun <= 600.0
    night.assert_old()


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_an_hour_is_named(tmp_path: Path, jump: float) -> None:
    """In either direction: the record says by how much and what counts; the window does not move with it."""
    night = Night(tmp_path, window=5400.0)
    night.world.later(2, lambda: night.world.clock.step(jump))
    closes_at = night.world.clock.now() + timedelta(seconds=5400)
    assert night.drive() in (RunState.UPGRADED, RunState.REVERTED)
    (note,) = [one for one in night.view.findings if "clock" in one]
    assert ("jumped ahead by 3600 s" if jump > 0 else "set back by 3600 s") in note
    assert night.view.closes_at == closes_at
    assert night.view.ended_at is not None
    assert night.view.ended_at <= closes_at


def test_a_person_turns_back(tmp_path: Path) -> None:
    """A recorded request ends the way forward at the next look."""
    night = Night(tmp_path)
    executor = night.open()

    def ask(event: object) -> None:
        if getattr(event, "kind", "") is Kind.STEP_DONE and getattr(event, "step", "") == "repoint":
            executor.engine.log.append(Draft(Kind.REQUESTED, None, {"what": "revert", "reason": "I do not like it"}))  # type: ignore[union-attr]

    executor.listeners.append(ask)
    assert executor.drive(night.run_id, night.plan) is RunState.REVERTED
    night.assert_old()
    assert "I do not like it" in night.view.turned_back


def test_jobs_that_were_disabled_stay_disabled(tmp_path: Path) -> None:
    """Exactly the jobs that were enabled are enabled again, in both endings."""
    for trouble in (False, True):
        night = Night(tmp_path)
        if trouble:
            night.world.site.overrides["http://127.0.0.1:8090/health?bypass=1"] = (500, "no")
        ending = night.drive()
        role = "old" if trouble else "new"
        assert ending is (RunState.REVERTED if trouble else RunState.UPGRADED)
        assert night.world.content(role)["jobs"] == {
            "scheduled-sends": True,
            "nightly-rollup": True,
            "old-import": False,
        }


def test_a_server_that_dies_in_the_night(tmp_path: Path) -> None:
    """The new server goes down while a log is restored and stays down: the old one is put back all the same."""
    night = Night(tmp_path, window=1200.0)
    executor = night.open()

    def die(event: object) -> None:
        if getattr(event, "kind", "") is Kind.STEP_STARTED and str(getattr(event, "step", "")).startswith(
            "restore-tail"
        ):
            night.world.kill_server("new")

    executor.listeners.append(die)
    ending = executor.drive(night.run_id, night.plan)
    assert night.world.public() == "old", "users are served from the old server"
    assert ending in (RunState.REVERTED, RunState.HELD)
    if ending is RunState.HELD:
        night.world.start_server("new")
        night.world.next_process()
        night.world.clock.advance(60)
        assert night.drive() is RunState.REVERTED
    night.assert_old()


def test_the_promise_is_kept_with_budgets_used_up(tmp_path: Path) -> None:
    """Every undo takes its whole budget: still back by closes_at."""
    night = Night(tmp_path, window=300.0)
    night.world.fault("new", "hang", "RESTORE LOG Contacts")
    for name in ("recover", "set_user_access", "set_online", "set_job_enabled", "drop_database", "drop_login"):
        night.world.durations[name] = 0.4
    assert night.drive() is RunState.REVERTED
    assert night.world.clock.now() <= night.view.closes_at + timedelta(0)


@BOTH
def test_a_gate_that_is_taken_away_turns_back(tmp_path: Path, strategy: str) -> None:
    """Somebody removes the maintenance page : noticed before anybody reaches the new data."""
    night = Night(tmp_path, strategy)
    executor = night.open()

    def remove(event: object) -> None:
        if getattr(event, "kind", "") is Kind.STEP_PASSED and str(getattr(event, "step", "")).startswith(
            "check-version"
        ):
            night.world.site.page = None

    executor.listeners.append(remove)
    assert executor.drive(night.run_id, night.plan) is RunState.REVERTED
    assert "the gate stands open" in night.view.turned_back
    night.assert_old()
