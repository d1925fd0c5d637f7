"""Nights in which services stop and held work waits: in both endings everything is as it was, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.events import Kind
from runbook.states import RunState
from runbook.testing.world import Effect
from tests.scenario.hostnight import APP, HostNight
from tests.scenario.losing import TWO, accept, go_back, when, write


@pytest.mark.parametrize("strategy", ["side-by-side", "scripts", "in-place"])
@pytest.mark.parametrize("during", ["stopped", "disabled"])
def test_upgraded_with_every_service_as_it_was(tmp_path: Path, strategy: str, during: str) -> None:
    """What ran runs, what stood by stands by, what starts by itself does; held work is released after the opt-outs."""
    window = 4 * 3600.0 if strategy == "in-place" else 3600.0
    night = HostNight(tmp_path, strategy, during=during, window=window)
    night.mail_comes_in("gate: close")
    assert night.drive() is RunState.UPGRADED
    night.assert_ending(RunState.UPGRADED)
    assert (night.replies.releases, night.sends.releases, night.sends.firsts) == (1, 1, 1)
    assert night.all_mail() == (5, 5)


@pytest.mark.parametrize("during", ["stopped", "disabled"])
def test_reverted_with_every_service_as_it_was(tmp_path: Path, during: str) -> None:
    """The last check fails: services are back before users are, held work is released after."""
    night = HostNight(tmp_path, during=during)
    night.world.site.overrides[APP] = (500, "no")
    night.mail_comes_in("gate: close")
    assert night.drive() is RunState.REVERTED
    night.assert_ending(RunState.REVERTED)
    assert night.all_mail() == (5, 5)
    trace = night.world.trace
    opened = max(i for i, line in enumerate(trace) if line.startswith("gate:"))
    started = max(i for i, line in enumerate(trace) if "systemctl start" in line)
    released = min(i for i, line in enumerate(trace) if "q release" in line)
    assert started < opened < released


def test_nothing_that_writes_runs_before_the_pivot(tmp_path: Path) -> None:
    """What the checks need comes back before them, all else when users are in."""
    night = HostNight(tmp_path)
    seen: dict[str, tuple[bool, bool]] = {}

    def opening(effect: Effect) -> bool:
        if "gate: open" in effect.name:
            web = night.hosts["web1"].services
            seen.setdefault("open", (web["mailer"].running, web["worker"].running))
        return False

    night.world.pull_plug_when(opening)
    assert night.drive() is RunState.UPGRADED
    assert seen["open"] == (True, False)


def test_what_users_need_is_there_before_it_is_looked_for(tmp_path: Path) -> None:
    """The front page needs the worker: it is probed when that has been started."""
    night = HostNight(tmp_path)
    page = "http://127.0.0.1:8090/"

    def served(effect: Effect) -> bool:
        if "gate: open" in str(effect):
            night.world.site.overrides[page] = (502, "no worker")
        if night.hosts["web1"].services["worker"].running:
            night.world.site.overrides.pop(page, None)
        return False

    night.world.pull_plug_when(served)
    assert night.drive() is RunState.UPGRADED


def test_one_that_comes_back_by_itself_is_named(tmp_path: Path) -> None:
    """A watchdog starts it again: the night ends before anything is cut, and says which."""
    night = HostNight(tmp_path)
    night.hosts["web1"].services["worker"].comes_back_in = 3.0
    assert night.drive() is RunState.REVERTED
    assert "worker on web1" in night.view.turned_back
    night.hosts["web1"].services["worker"].comes_back_in = None
    night.assert_ending(RunState.REVERTED)


def test_one_that_is_disabled_does_not_come_back(tmp_path: Path) -> None:
    """The same watchdog against a unit that is masked."""
    night = HostNight(tmp_path, during="disabled")
    night.hosts["web1"].services["worker"].comes_back_in = 3.0
    assert night.drive() is RunState.UPGRADED
    night.assert_ending(RunState.UPGRADED)


def test_one_that_does_not_stop_is_named(tmp_path: Path) -> None:
    """It hangs on its way down: turned back, with its name and its state."""
    night = HostNight(tmp_path)
    night.hosts["web2"].services["mailer"].hangs = True

    def later(effect: Effect) -> bool:
        if "turned-back" in effect.name:
            service = night.hosts["web2"].services["mailer"]
            service.hangs, service.running, service.between = False, False, ""
        return False

    night.world.pull_plug_when(later)
    assert night.drive() is RunState.REVERTED
    assert "mailer on web2 did not stop within 60 s: deactivating" in night.view.turned_back
    night.assert_ending(RunState.REVERTED)


def test_a_service_started_by_somebody_in_the_window_is_seen_before_the_pivot(tmp_path: Path) -> None:
    """Somebody means well: users are not let in, and going back loses nothing."""
    night = HostNight(tmp_path)

    def helping(effect: Effect) -> bool:
        if "check_database" in effect.name:
            night.hosts["web1"].services["worker"].running = True
        return False

    night.world.pull_plug_when(helping)
    assert night.drive() is RunState.REVERTED
    assert "worker on web1 runs again" in night.view.turned_back
    night.assert_ending(RunState.REVERTED)


# --- a dead web host -------------------------------------------------------------------------------------------------


def test_a_dead_host_refuses_the_night(tmp_path: Path) -> None:
    """Policy refuse: nothing is touched."""
    night = HostNight(tmp_path)
    night.hosts["web2"].machine.down = True
    assert night.drive() is RunState.REFUSED
    assert "web2: nobody answers" in night.view.turned_back or "web2" in str(night.view.steps["check-hosts"].why)


def test_a_dead_host_that_the_plan_accepts_is_named(tmp_path: Path) -> None:
    """Policy accept: the others are stopped and started; it is named each time."""
    night = HostNight(tmp_path, policy="unreachable: accept")
    night.hosts["web2"].machine.down = True
    assert night.drive() is RunState.UPGRADED
    night.assert_ending(RunState.UPGRADED)
    assert any("web2: nobody answers" in one and "the plan accepts that" in one for one in night.view.findings)


def test_a_host_that_comes_back_is_looked_at_again(tmp_path: Path) -> None:
    """It was dead when the others were stopped: what runs there now is said, in both endings."""
    for trouble, ending in ((False, RunState.UPGRADED), (True, RunState.REVERTED)):
        night = HostNight(tmp_path, policy="unreachable: accept")
        machine = night.hosts["web2"].machine
        machine.down = True
        if trouble:
            night.world.site.overrides[APP] = (500, "no")

        def mended(effect: Effect, machine: object = machine) -> bool:
            if "check_database" in effect.name:
                machine.down = False  # type: ignore[attr-defined]
            return False

        night.world.pull_plug_when(mended)
        assert night.drive() is ending
        assert any("web2 answers again: mailer there is running" in one for one in night.view.findings)
        night.assert_ending(ending)


@pytest.mark.parametrize("policy", ["refuse", "accept"])
def test_a_host_that_dies_in_the_window(tmp_path: Path, policy: str) -> None:
    """Refuse: after the pivot a person is called, and a resume ends it. Accept: it is named, and the run ends."""
    night = HostNight(tmp_path, policy=f"unreachable: {policy}")
    machine = night.hosts["web2"].machine

    def dying(effect: Effect) -> bool:
        if "gate: open" in effect.name:
            machine.down = True
        return False

    night.world.pull_plug_when(dying)
    if policy == "accept":
        assert night.drive() is RunState.UPGRADED
        assert any("worker there is left as it is" in one for one in night.view.findings)
        return
    assert night.drive() is RunState.HELD
    assert "start-services: web2: nobody answers" in night.view.held
    assert not any("the plan accepts" in one for one in night.view.findings)
    assert night.hosts["web1"].services["worker"].running
    machine.down = False
    night.next_process()
    assert night.drive() is RunState.UPGRADED
    night.assert_ending(RunState.UPGRADED)


@pytest.mark.parametrize("policy", ["refuse", "accept"])
def test_a_host_that_dies_before_its_services_are_back(tmp_path: Path, policy: str) -> None:
    """On the way back it is waited for; then held (refuse), or named and left (accept)."""
    night = HostNight(tmp_path, policy=f"unreachable: {policy}")
    machine = night.hosts["web2"].machine
    night.world.site.overrides[APP] = (500, "no")

    def dying(effect: Effect) -> bool:
        if "turned-back" in effect.name:
            machine.down = True
        return False

    night.world.pull_plug_when(dying)
    if policy == "accept":
        assert night.drive() is RunState.REVERTED
        assert any("mailer there is left as it is" in one for one in night.view.findings)
        return
    assert night.drive() is RunState.HELD
    assert "web2: nobody answers" in night.view.held
    assert night.replies.held
    machine.down = False
    night.next_process()
    assert night.drive() is RunState.REVERTED
    night.assert_ending(RunState.REVERTED)


@pytest.mark.parametrize("away", [100.0, 200.0, 280.0])
@pytest.mark.parametrize("moment", ["check_database", "gate: open", "turned-back"])
def test_a_host_that_has_more_to_do_is_waited_for(tmp_path: Path, moment: str, away: float) -> None:
    """Held work waits on web1, so that it cannot be missing: its services are not left stopped there for being accepted
    to be away on a host of their own, when the run has to wait for that host anyway."""
    night = HostNight(tmp_path, policy="unreachable: accept", during="disabled")
    host, struck = night.hosts["web1"], list[bool]()
    if moment == "turned-back":
        night.world.site.overrides[APP] = (500, "no")

    def rebooted(effect: Effect) -> bool:
        if moment in effect.name and not struck:
            struck.append(True)
            host.machine.down = True
            host.reboot()
            night.world.later(away, lambda: setattr(host.machine, "down", False))
        return False

    night.world.pull_plug_when(rebooted)
    state = night.drive()
    assert state in {RunState.UPGRADED, RunState.REVERTED}, night.view.held
    night.assert_ending(state)


def test_a_host_that_is_rebooted_in_the_window(tmp_path: Path) -> None:
    """What is disabled stays down; what starts by itself is found out before the pivot."""
    night = HostNight(tmp_path, during="disabled")

    def rebooted(effect: Effect) -> bool:
        if "check_database" in effect.name and night.hosts["web1"].machine.boots == 1:
            night.hosts["web1"].reboot()
        return False

    night.world.pull_plug_when(rebooted)
    assert night.drive() is RunState.UPGRADED
    night.assert_ending(RunState.UPGRADED)


# --- held work -------------------------------------------------------------------------------------------------------


def test_held_work_that_is_gone_turns_the_night_back_and_is_held(tmp_path: Path) -> None:
    """Fewer wait than when it was held: nothing is released, a person is told both numbers."""
    night = HostNight(tmp_path)

    def stolen(effect: Effect) -> bool:
        if "check_database" in effect.name:
            night.sends.waiting = 1
        return False

    night.world.pull_plug_when(stolen)
    assert night.drive() is RunState.HELD
    assert "sends: 1 wait, and 2 did when it was held: 1 are gone" in night.view.held
    assert night.sends.held
    assert night.replies.held
    assert night.world.public() == "old"
    night.sends.waiting = 2
    night.next_process()
    assert night.drive() is RunState.REVERTED
    night.assert_ending(RunState.REVERTED)


def test_opt_outs_that_fail_keep_all_held_work_held(tmp_path: Path) -> None:
    """After the pivot: a person is told; mended and resumed, everything is released, once."""
    night = HostNight(tmp_path)
    night.sends.first_fails = True
    assert night.drive() is RunState.HELD
    assert "all held work stays held" in night.view.held
    assert night.sends.held
    assert night.replies.held
    night.sends.first_fails = False
    night.next_process()
    assert night.drive() is RunState.UPGRADED
    night.assert_ending(RunState.UPGRADED)


def test_work_that_is_not_done_after_its_release_is_named(tmp_path: Path) -> None:
    """It is released, and nothing happens: a finding with both numbers, and no more than that."""
    night = HostNight(tmp_path)
    night.mail_comes_in("gate: close")
    night.replies.stands_still = True
    assert night.drive() is RunState.UPGRADED
    assert any("replies: 5 still wait, 2 did before it was held" in one for one in night.view.findings)


def test_work_that_somebody_releases_in_the_window_is_seen_before_the_pivot(tmp_path: Path) -> None:
    """It may have been sent from the old data: going back still loses nothing."""
    night = HostNight(tmp_path)

    def released(effect: Effect) -> bool:
        if "check_database" in effect.name:
            night.replies.held = False
        return False

    night.world.pull_plug_when(released)
    assert night.drive() is RunState.REVERTED
    assert "replies is not held any more" in night.view.turned_back


def test_work_that_is_held_already_refuses_the_night(tmp_path: Path) -> None:
    """It would end released: nobody said that it may."""
    night = HostNight(tmp_path)
    night.sends.held = True
    assert night.drive() is RunState.REFUSED
    assert "sends is held already" in night.view.steps["check-held"].why
    assert night.sends.held


# --- going back from behind the pivot --------------------------------------------------------------------------------


def upgraded(directory: Path) -> HostNight:
    """A night that ended on the new setup, with users and mail since."""
    night = HostNight(directory, databases=TWO)
    night.world.site.databases = TWO
    assert night.drive() is RunState.UPGRADED
    write(night, "since")
    night.world.clock.advance(60)
    assert (night.replies.waiting, night.sends.waiting) == (0, 0)
    night.sends.opt_outs = 1
    return night


def test_back_from_behind_the_pivot(tmp_path: Path) -> None:
    """A person accepts the loss: services stop while the old setup comes back, held work waits for it, nothing more."""
    night = upgraded(tmp_path)
    seen: list[object] = []

    def look() -> None:
        seen.append([one.running for one in night.hosts["web1"].services.values()])
        seen.append((night.replies.held, night.sends.held))
        night.sends.arrive(4)

    accept(night)
    executor = when(night, Kind.UNDO_DONE, "expect-loss", look)
    assert executor.drive(night.run_id, night.plan) is RunState.REVERTED
    assert seen[1] == (True, True)
    assert seen[0][1:] == [False, False]  # type: ignore[index]
    night.assert_ending(RunState.REVERTED)
    assert night.sends.releases == 2
    assert night.sends.done + night.sends.waiting == 2 + 4


def test_forward_again_when_more_would_be_lost(tmp_path: Path) -> None:
    """Users wrote on: services run on the new setup again, held work is released again, after the new opt-outs."""
    night = upgraded(tmp_path)
    accept(night)
    executor = when(night, Kind.TURNED_BACK, "", lambda: write(night, "late", "Contacts"))
    assert executor.drive(night.run_id, night.plan) is RunState.HELD
    assert night.services() == night.as_it_was
    assert not night.replies.held
    assert not night.sends.held
    assert not night.sends.sent_too_early
    assert night.sends.opt_outs == 0
    assert night.world.public() == "new"
    assert go_back(night) is RunState.REVERTED
    night.assert_ending(RunState.REVERTED)
