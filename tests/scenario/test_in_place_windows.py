"""Upgrades in place of a Windows server, whole nights on fakes: setup, its exit codes, a hook that goes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.hosting import UnitPhase
from runbook.states import RunState
from runbook.testing import PowerCut
from runbook.testing.plans import WINDOWS
from runbook.testing.setuphost import ENGINE, SETUP, SetupHost
from tests.scenario.windowsnight import WINDOW, WindowsNight

BAD_HEALTH = ("http://127.0.0.1:8090/health?bypass=1", (500, "no"))
RESTARTS = WINDOWS + "  restart: during-window\n"
UPDATE = "C:\\updates\\SQLServer2019-KB5049235-x64.exe"
PATCH = (
    WINDOWS.replace("action: upgrade", "action: patch")
    .replace("D:\\setup.exe", UPDATE)
    .replace("16.0.4265.3", "15.0.4440.1")
)


def sent(night: WindowsNight, pattern: str) -> list[str]:
    return [one for one in night.world.trace if re.search(pattern, one)]


def test_there(tmp_path: Path) -> None:
    """From 2019 to 2022: every database converted, services as they were, the snapshot kept and named in the record.
    The engine is asked nothing between its stop and the end of setup."""
    night = WindowsNight(tmp_path)
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    assert list(night.host.snapshots) == [night.run_id]
    assert all(one.internal_version == 957 for one in night.world.servers["old"].databases.values())
    assert f"on hyper: snapshot drop oldsql {night.run_id}" in " ".join(night.view.findings)
    trace = night.world.trace
    down = trace.index("db: sudo sc.exe stop MSSQLSERVER")
    begun = next(n for n, text in enumerate(trace) if "-setup:" in text)
    assert not [text for text in trace[down:begun] if text.startswith("old: ")]


def test_setup_is_told_what_the_plan_says(tmp_path: Path) -> None:
    """Quiet, that instance, the license accepted because the plan accepts it, no updates from elsewhere."""
    night = WindowsNight(tmp_path)
    night.drive()
    assert night.host.took == (
        "/Q /ACTION=Upgrade /INSTANCENAME=MSSQLSERVER /INSTANCEID=MSSQLSERVER /IACCEPTSQLSERVERLICENSETERMS "
        "/INDICATEPROGRESS /UpdateEnabled=False"
    )


def patched(directory: Path) -> WindowsNight:
    night = WindowsNight(directory, PATCH)
    night.host.media = {UPDATE: "15.0.4440.1"}
    night.host.to_year, night.host.to_build = 2019, "15.0.4440.1"
    return night


def test_an_update(tmp_path: Path) -> None:
    """A cumulative update: another build, no database converted."""
    night = patched(tmp_path)
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    assert all(one.internal_version == 904 for one in night.world.servers["old"].databases.values())
    assert night.host.took == "/quiet /IAcceptSQLServerLicenseTerms /Action=Patch /InstanceName=MSSQLSERVER"


def test_an_update_goes_back(tmp_path: Path) -> None:
    """By the same hook."""
    night = patched(tmp_path)
    night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
    assert night.drive() is RunState.REVERTED
    night.assert_old()


def fails_with(code: int, says: str = "") -> Callable[[SetupHost], None]:
    def act(host: SetupHost) -> None:
        host.setup_code, host.setup_says = code, says

    return act


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (fails_with(-2068578304, "The disk is in use."), "exit -2068578304 (0x84B40000), setup failed"),
        (fails_with(-2068578304, "The disk is in use."), "Exit message: The disk is in use."),
        (fails_with(-2068578304), "Detail.txt: Error result: -2068578304"),
        (fails_with(2226388992), "exit -2068578304 (0x84B40000)"),
        (fails_with(1603), "exit 1603, a package of the Windows Installer failed"),
        (fails_with(77), "setup on db failed (exit 77): Final result: Failed: see details below"),
        (fails_with(3010), "wants the machine restarted (exit 3010)"),
        (lambda host: setattr(host, "script_fails", True), "the engine did not come up after its files were replaced"),
        (lambda host: setattr(host, "script_fails", True), "912: Script level upgrade"),
        (lambda host: setattr(host, "to_build", "16.0.1000.6"), "answers as 16.0.1000.6, not as 16.0.4265.3"),
    ],
)
def test_what_fails_ends_old(tmp_path: Path, trouble: Callable[[SetupHost], None], why: str) -> None:
    """The machine goes back to its snapshot, and the reason is said: exit code, summary, error log."""
    night = WindowsNight(tmp_path)
    trouble(night.host)
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert why in night.view.turned_back


def test_logs_of_an_earlier_setup_are_not_taken_for_those_of_this_one(tmp_path: Path) -> None:
    """A summary that is older than this setup says nothing about it."""
    night = WindowsNight(tmp_path)
    night.host.setup_code = 1602
    night.host.logs = {"at": 5, "folder": "x", "summary": "Final result: Failed: of last year", "detail": ""}
    night.host._written = lambda code: None  # type: ignore[method-assign]
    assert night.drive() is RunState.REVERTED
    assert "of last year" not in night.view.turned_back
    assert "exit 1602, it was cancelled" in night.view.turned_back


@pytest.mark.parametrize("code", [3010, 1641])
def test_a_restart_that_the_plan_allows(tmp_path: Path, code: int) -> None:
    """The machine is restarted, once, and that it was is seen by its boot."""
    night = WindowsNight(tmp_path, RESTARTS)
    night.host.setup_code = code
    boots = night.host.machine.boots
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    assert night.host.machine.boots == boots + 1


def test_no_restart_without_need(tmp_path: Path) -> None:
    """Allowed is not wanted."""
    night = WindowsNight(tmp_path, RESTARTS)
    assert night.drive() is RunState.UPGRADED
    assert not sent(night, "shutdown.exe")
    assert night.state("restart-host") == "skipped"


def test_an_engine_that_setup_leaves_down_is_started(tmp_path: Path) -> None:
    """And what ran beside it."""
    night = WindowsNight(tmp_path)
    night.host.leaves_it_down = True
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


@pytest.mark.parametrize("code", [0, 1603])
def test_an_error_log_that_cannot_be_read_holds_up_nothing(tmp_path: Path, code: int) -> None:
    """Neither there nor back: what it would say is then seen by the engine not answering."""
    night = WindowsNight(tmp_path)
    night.host.hides_its_log, night.host.setup_code = True, code
    ending = night.drive()
    assert ending is (RunState.REVERTED if code else RunState.UPGRADED)
    night.assert_ending(ending)


def test_scripts_that_take_long_are_waited_out(tmp_path: Path) -> None:
    """Refused logins (18401) are no failure."""
    night = WindowsNight(tmp_path)
    night.host.converts_in = 900.0
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


def test_18401_is_waited_out(tmp_path: Path) -> None:
    """As the server itself says it, once it listens."""
    night = WindowsNight(tmp_path)
    night.when(
        "step-started(await-setup)",
        lambda: night.world.fault("old", "fail", "SERVERPROPERTY", times=8, number=18401),
    )
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


def test_a_setup_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    """At the turn-back point: stopped, the machine put back, in service before the window closes."""
    night = WindowsNight(tmp_path)
    night.host.setup_in = 1e9
    opened = night.world.clock.now()
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert (night.world.clock.now() - opened).total_seconds() < WINDOW
    assert sent(night, "stop unit .*-setup")


def test_a_cut_connection_is_waited_out(tmp_path: Path) -> None:
    """Setup outlives it, and is found again."""
    night = WindowsNight(tmp_path)
    night.in_setup(lambda: night.host.cut(120.0))
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    assert len(sent(night, "start unit .*-setup:")) == 1


def test_a_killed_executor_waits_on(tmp_path: Path) -> None:
    """Whoever takes over finds setup running, and waits for it: nothing is begun anew, nothing goes back."""
    night = WindowsNight(tmp_path)
    night.world.pull_plug_when(
        lambda effect: str(effect).startswith("after journal") and "step-started(await-setup)" in str(effect)
    )
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    night.world.pull_plug_when(lambda _effect: False)
    assert night.host.machine.unit(f"runbook-{night.run_id}-setup").phase is UnitPhase.RUNNING
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    assert len(sent(night, "start unit .*-setup:")) == 1
    assert not sent(night, "go-back")


def test_a_reboot_in_the_middle_of_setup(tmp_path: Path) -> None:
    """Setup is gone half way: the machine goes back."""
    night = WindowsNight(tmp_path)
    night.in_setup(night.host.reboot)
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert "was started anew while it ran" in night.view.turned_back


def test_a_machine_that_answers_no_more_is_put_back_all_the_same(tmp_path: Path) -> None:
    """The hook runs elsewhere."""
    night = WindowsNight(tmp_path)
    night.in_setup(lambda: setattr(night.host.machine, "down", True))
    assert night.drive() is RunState.REVERTED
    night.assert_old()


def test_a_check_that_fails_after_the_conversion_ends_old(tmp_path: Path) -> None:
    """In this order: back to the snapshot, then the old engine is started."""
    night = WindowsNight(tmp_path)
    night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    back = next(n for n, text in enumerate(night.world.trace) if "-go-back:" in text)
    last = max(n for n, text in enumerate(night.world.trace) if "sc.exe start MSSQLSERVER" in text)
    assert last > back


def test_a_hook_that_takes_nothing(tmp_path: Path) -> None:
    """It says that all is well, its probe does not: setup never begins."""
    night = WindowsNight(tmp_path)
    night.host.lies = frozenset({"take"})
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert "its probe says that it is not there" in night.view.turned_back
    assert not sent(night, "-setup:")


@pytest.mark.parametrize(
    ("lie", "where"), [("revert", "C:/ProgramData, C:/SQL/data"), ("covers", "these did not go back: C:/SQL/data")]
)
def test_a_hook_that_does_not_go_back(tmp_path: Path, lie: str, where: str) -> None:
    """It says that all is well, the marks on the machine do not: held, and no engine is started on what is there."""
    night = WindowsNight(tmp_path)
    night.host.lies = frozenset({lie})
    night.host.setup_code = 1603
    assert night.drive() is RunState.HELD
    assert where in " ".join(step.why for step in night.view.steps.values())
    assert not night.host.ran_on_foreign_files
    assert not night.host.running
    assert night.world.public() != "old"
    night.host.lies = frozenset()
    assert night.drive() is RunState.REVERTED
    night.assert_old()


def test_a_hook_that_hangs_while_it_takes(tmp_path: Path) -> None:
    """Ended at the turn-back point; nothing was touched but the engine stopped."""
    night = WindowsNight(tmp_path)
    night.host.take_in = 1e9
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert sent(night, "stop unit .*-take-way-back")


def test_a_hook_that_hangs_while_it_goes_back(tmp_path: Path) -> None:
    """Ended after three times what was measured, and tried again."""
    night = WindowsNight(tmp_path)
    night.host.setup_code, night.host.back_in = 1603, 1e9
    night.when("after hyper: stop_unit[go-back]", lambda: setattr(night.host, "back_in", 60.0))
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert len(sent(night, "start unit .*-go-back:")) == 2


def test_a_snapshot_that_is_gone_is_no_way_back(tmp_path: Path) -> None:
    """Held, and what is missing is said."""
    night = WindowsNight(tmp_path)
    night.host.setup_code = 1603
    night.in_setup(night.host.snapshots.clear)
    assert night.drive() is RunState.HELD
    assert "the way back is not there any more on hyper" in " ".join(step.why for step in night.view.steps.values())


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda host: setattr(host, "pending", ("Windows Update",)), "a restart of db is pending: Windows Update"),
        (lambda host: setattr(host, "busy", ("msiexec",)), "another installation is under way on db: msiexec"),
        (lambda host: host.media.clear(), f"{SETUP} is not there on db"),
        (lambda host: host.media.update({SETUP: "15.0.2000.5"}), "is 15.0.2000.5, the plan goes to 16.0.4265.3"),
        (lambda host: setattr(host, "edition", "Express Edition"), "is Express Edition, the plan says Standard"),
        (lambda host: setattr(host, "build", "15.0.4420.2"), "is 15.0.4420.2, the plan says 15.0.4430.1"),
        (lambda host: setattr(host, "installer", False), "the Windows Installer on db is disabled"),
    ],
)
def test_what_setup_would_stumble_over_is_refused(
    tmp_path: Path, trouble: Callable[[SetupHost], None], why: str
) -> None:
    """Before anything is touched."""
    night = WindowsNight(tmp_path)
    trouble(night.host)
    assert night.drive() is RunState.REFUSED
    assert why in " ".join(step.why for step in night.view.steps.values())


def test_somebody_starts_the_engine_before_setup(tmp_path: Path) -> None:
    """The snapshot would be older than its files: it goes back instead of forward."""
    night = WindowsNight(tmp_path)

    def start() -> None:
        night.host._configure(ENGINE, "Auto", delayed=False)
        night.host._begins()

    night.when("step-done(take-way-back)", start)
    assert night.drive() is RunState.REVERTED
    assert "MSSQLSERVER on db is running" in night.view.turned_back
    night.assert_old()


RESTARTING = re.compile(r"begin-setup|start_unit\[setup\]|await-setup|restart-host|shutdown")
STEPS = ("stop-engine", "take-way-back", "begin-setup", "await-setup", "restart-host")


def moments(night: WindowsNight) -> list[int]:
    """Every moment of such a night at which a machine, or the record of a step on it, is about to change or has."""
    night.drive()
    wanted = re.compile(r" (db|hyper): |\((" + "|".join(STEPS) + r")\)")
    names = [str(effect) for effect in night.world.effects]
    return [at for at, name in enumerate(names) if wanted.search(name) and "check-hosts" not in name]


def prepared(directory: Path, ending: str) -> WindowsNight:
    night = WindowsNight(directory, RESTARTS, databases=("Contacts",))
    night.world.site.databases = ("Contacts",)
    if ending == "restart":
        night.host.setup_code = 3010
    if ending == "back":
        night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
    return night


@pytest.mark.parametrize("ending", ["there", "restart", "back"])
def test_a_killed_executor_at_every_write(tmp_path: Path, ending: str) -> None:
    """Whoever takes over settles by looking at units, services, marks and boots: it ends as it would have without the
    kill. Setup and snapshot are begun once."""
    whole = prepared(tmp_path, ending)
    found = moments(whole)
    names = [str(effect) for effect in whole.world.effects]
    if ending == "restart":  # up to there it is the same night
        found = [at for at in found if RESTARTING.search(names[at])]
    if ending == "back":
        begun = next(at for at, name in enumerate(names) if "undo-started" in name)
        found = [at for at in found if at >= begun]
    assert len(found) > 10
    for at in found:
        night = prepared(tmp_path, ending)
        state, came = night.drive_through([at])
        assert came == 1, at
        assert state is (RunState.REVERTED if ending == "back" else RunState.UPGRADED), (at, night.view.held)
        night.assert_ending(state)
        assert list(night.host.snapshots) == [night.run_id]
        assert len(sent(night, "start unit .*-setup:")) <= 2
