"""Upgrades of packages in place, whole nights on fakes: a machine with an engine, its service, packages and files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.states import RunState
from runbook.testing.enginehost import SOURCES, EngineHost, line
from tests.scenario.night import Night

WINDOW = 4 * 3600.0
STEPS = ("fetch-packages", "stop-engine", "cold-copy", "switch-repository", "upgrade-packages", "start-engine")
BAD_HEALTH = ("http://127.0.0.1:8090/health?bypass=1", (500, "no"))


class InPlace(Night):
    """Such a night; what must hold of the machine is asserted with what must hold of the data."""

    def __init__(self, directory: Path, **plan: object) -> None:
        super().__init__(directory, "in-place", window=WINDOW, **plan)
        assert self.engine_host
        self.host: EngineHost = self.engine_host

    def when(self, where: str, act: Callable[[], object]) -> None:
        """``act`` at the first moment with that name."""
        acts = [act]

        def look(effect: object) -> bool:
            if where in str(effect) and acts:
                acts.pop()()
            return False

        self.world.pull_plug_when(look)

    def while_running(self, unit: str, act: Callable[[], object], after: float = 3.0) -> None:
        """``act`` some seconds after long work has begun."""
        self.when(f"after db: start_unit[{unit}]", lambda: self.world.later(after, act))

    def assert_old(self) -> None:
        super().assert_old()
        self._assert_machine(2019)

    def assert_new(self) -> None:
        super().assert_new()
        self._assert_machine(2022)
        for database in self.world.servers["old"].databases.values():
            assert database.internal_version == 957

    def _assert_machine(self, year: int) -> None:
        host = self.host
        assert (host.installed, host.status, host.running, host.masked) == (year, "ii", True, False)
        assert host.machine.files[SOURCES].content == f"{line(year)}\n".encode()
        assert not host.ran_on_foreign_files, "an engine was started while its files were copied or binaries replaced"


def sent(night: Night, pattern: str) -> list[str]:
    return [one for one in night.world.trace if re.search(pattern, one)]


def test_there(tmp_path: Path) -> None:
    """From 2019 to 2022: every database is converted, the data is what it was, the machine is whole, the cold copy
    stays. Nothing is asked of the server between its stop and its start."""
    night = InPlace(tmp_path)
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    assert list(night.host.copies) == [f"/var/opt/mssql-runbook/{night.run_id}"]
    trace = night.world.trace
    down = [n for n, text in enumerate(trace) if "systemctl stop" in text or "systemctl start" in text]
    assert len(down) == 2
    assert not [text for text in trace[down[0] : down[1]] if text.startswith("old: ")]


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda host: setattr(host, "script_fails", True), "912: Script level upgrade"),
        (lambda host: setattr(host, "install_fails", True), "upgrade-packages on db failed (exit 100): E: Sub-process"),
        (lambda host: setattr(host, "others", ("Inst libldap [2] (3 )",)), "change other packages on db: libldap"),
        (lambda host: setattr(host, "others", ("Remv mssql-server-fts [15]",)), "mssql-server-fts (removed)"),
    ],
    ids=["script upgrade", "installation", "another package", "a package removed"],
)
def test_what_fails_ends_old(tmp_path: Path, trouble: Callable[[EngineHost], None], why: str) -> None:
    """The old engine with its own packages and files, and the reason said."""
    night = InPlace(tmp_path)
    trouble(night.host)
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert why in night.view.turned_back


def test_3417_is_named_too(tmp_path: Path) -> None:
    """Both lines of the error log stand in the reason."""
    night = InPlace(tmp_path)
    night.host.script_fails = True
    night.drive()
    assert "3417: Cannot recover the master database" in night.view.turned_back


def test_a_check_that_fails_after_the_conversion_ends_old(tmp_path: Path) -> None:
    """Files are converted by then: the cold copy is put back, and the proof shows it."""
    night = InPlace(tmp_path)
    night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert sent(night, "put-copy-back")
    order = [sent(night, what)[0] for what in ("put-copy-back", "old-packages")]
    at = [night.world.trace.index(text) for text in order]
    assert at == sorted(at)
    last = max(n for n, text in enumerate(night.world.trace) if "systemctl start" in text)
    assert last > at[1], "the old engine is started when packages and files are old again"


def test_an_installation_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    """At the turn-back point its unit is stopped, and what it left half configured is replaced."""
    night = InPlace(tmp_path)
    night.host.installs_in = 1e9
    opened = night.world.clock.now()
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert (night.world.clock.now() - opened).total_seconds() < WINDOW
    assert sent(night, "stop unit .*upgrade-packages")


def test_scripts_that_take_long_are_waited_out(tmp_path: Path) -> None:
    """Refused logins (18401) are no failure."""
    night = InPlace(tmp_path)
    night.host.converts_in = 900.0
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


def test_18401_is_waited_out(tmp_path: Path) -> None:
    """As the server itself says it, once it listens."""
    night = InPlace(tmp_path)
    night.when(
        "step-started(start-engine)",
        lambda: night.world.fault("old", "fail", "SERVERPROPERTY", times=8, number=18401),
    )
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


@pytest.mark.parametrize("unit", ["fetch-packages", "cold-copy", "upgrade-packages"])
def test_a_reboot_of_the_machine_in_long_work(tmp_path: Path, unit: str) -> None:
    """It ends old: the work was cut off, and no boot starts an engine on half of it."""
    night = InPlace(tmp_path)
    night.while_running(unit, night.host.reboot)
    assert night.drive() is RunState.REVERTED
    night.world.clock.advance(60.0)
    night.assert_old()
    assert "was started anew while it ran" in night.view.turned_back


def test_a_reboot_while_upgrade_scripts_run(tmp_path: Path) -> None:
    """The engine is started by the boot, runs them again, and the night goes on."""
    night = InPlace(tmp_path)
    night.when("step-started(start-engine)", lambda: night.world.later(10.0, night.host.reboot))
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_host_that_is_away_when_long_work_is_begun_is_waited_for(tmp_path: Path, at: str) -> None:
    """Right before or after the start was sent, so that nobody knows whether it runs: a look shows it once the host
    answers, and the night goes on. Going back would need the host just as much."""
    night = InPlace(tmp_path)

    def cut() -> None:
        night.host.machine.down = True
        night.world.later(45.0, back)

    def back() -> None:
        night.host.machine.down = False

    night.when(f"{at} db: start_unit[upgrade-packages]", cut)
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


@pytest.mark.parametrize("at", ["before db: write /etc/apt", "before db: run[systemctl]"])
def test_a_host_is_waited_for_as_long_as_a_reboot_takes_before_any_step(tmp_path: Path, at: str) -> None:
    """Five minutes, also where the step itself takes a moment, and a look that hangs would be ended after two."""
    night = InPlace(tmp_path)
    night.when(at, lambda: night.host.cut(280.0))
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


@pytest.mark.parametrize("done", ["fetch-packages", *STEPS[1:-1]])
def test_a_host_is_waited_for_between_two_steps(tmp_path: Path, done: str) -> None:
    """The first look of the next step finds it away: nothing failed, and going back would need it as well."""
    night = InPlace(tmp_path)
    night.when(f"step-done({done})", lambda: night.host.cut(100.0))
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


def test_a_host_that_stays_away_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """After minutes the run says what it waits for and is held: neither there nor back can be had without the host."""
    night = InPlace(tmp_path)

    def cut() -> None:
        night.host.machine.down = True

    night.when("before db: start_unit[upgrade-packages]", cut)
    assert night.drive() is RunState.HELD
    assert "nobody answers" in night.view.held


@pytest.mark.parametrize("unit", ["fetch-packages", "cold-copy", "upgrade-packages"])
def test_a_cut_connection_in_long_work_is_waited_out(tmp_path: Path, unit: str) -> None:
    """The work outlives it, and is found again."""
    night = InPlace(tmp_path)
    night.while_running(unit, lambda: night.host.cut(120.0))
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    assert len(sent(night, f"start unit .*-{unit}:")) == 1


@pytest.mark.parametrize("unit", ["put-copy-back", "old-packages"])
def test_a_reboot_on_the_way_back(tmp_path: Path, unit: str) -> None:
    """It is begun again: the copy is what it was."""
    night = InPlace(tmp_path)
    night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
    night.while_running(unit, night.host.reboot)
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert len(sent(night, f"start unit .*-{unit}:")) == 2


def moments(night: InPlace) -> list[int]:
    """Every moment of such a night at which the machine, or the record of a step on it, is about to change or has."""
    night.drive()
    names = [str(effect) for effect in night.world.effects]
    wanted = re.compile(r" db: |\((" + "|".join(STEPS) + r")\)")
    return [at for at, name in enumerate(names) if wanted.search(name) and "check-hosts" not in name]


def prepared(directory: Path, *, back: bool) -> InPlace:
    night = InPlace(directory, databases=("Contacts",))
    night.world.site.databases = ("Contacts",)
    if back:
        night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
    return night


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_a_killed_executor_anywhere_between_stop_and_start(tmp_path: Path, back: bool) -> None:
    """Whoever takes over settles by looking at units, packages and files: it ends as it would have without the kill, or
    old where work was cut off."""
    found = moments(prepared(tmp_path, back=back))
    assert len(found) > 40
    endings = []
    for at in found:
        night = prepared(tmp_path, back=back)
        state, came = night.drive_through([at])
        assert came == 1, at
        assert state in {RunState.UPGRADED, RunState.REVERTED}, (at, night.view.held)
        night.assert_ending(state)
        endings.append(state)
    assert set(endings) == {RunState.REVERTED} if back else RunState.UPGRADED in endings
