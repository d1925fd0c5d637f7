"""Standbys are tried before anything is touched, and one that does not take over refuses the night."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from runbook.commands import checking, runs
from runbook.states import RunState
from runbook.testing import PowerCut, Program
from runbook.testing.machine import Machine
from runbook.testing.world import Effect
from tests.scenario.night import Night

PAGE = "http://127.0.0.1:8090/vip"
HOSTS = '  lb1: {address: "ssh://deploy@lb1"}\n'
PLAN = f"""\
standby:
  - {{name: second, kind: url, url: "http://127.0.0.1:8090/second", contains: web2}}
  - name: address
    kind: command
    host: lb1
    exercise: [vip, move, there]
    back: [vip, move, home]
    probe: [vip, is-there]
    url: "{PAGE}"
    contains: lb2
    within: 10s
"""


@dataclass
class Vip:
    """An address that one of two machines has."""

    machine: Machine
    there: bool = False
    sticks: bool = False
    """It does not move, whatever it is told."""
    refuses: bool = False
    moves: int = 0

    def program(self, argv: tuple[str, ...]) -> Program | None:
        """What its commands do."""
        if argv[:2] == ("vip", "is-there"):
            return Program(exit_code=0 if self.there else 1)
        if argv[:2] == ("vip", "move"):
            return Program(0.5, 4 if self.refuses else 0, effect=lambda: self.move(argv[2] == "there"))
        return None

    def move(self, there: bool) -> None:
        """It moves."""
        self.moves += 1
        if not self.sticks and not self.refuses:
            self.there = there


class StandbyNight(Night):
    """With a load balancer whose address moves, and a second front end."""

    def __init__(self, directory: Path, strategy: str = "side-by-side") -> None:
        super().__init__(directory, strategy, more=PLAN, hosts=HOSTS)
        machine = self.world.add_host("lb1")
        self.vip = Vip(machine)
        machine.knows.append(self.vip.program)
        self.world.site.overrides[PAGE] = (200, "served by lb2")
        self.world.site.overrides["http://127.0.0.1:8090/second"] = (200, "served by web2")

    def assert_ending(self, ending: RunState) -> None:
        """As always; and the address is at home."""
        super().assert_ending(ending)
        assert not self.vip.there


def test_one_that_takes_over_is_back_before_anything_is_touched(tmp_path: Path) -> None:
    """It moves there and back; then the night goes on as any other."""
    night = StandbyNight(tmp_path)
    assert night.drive() is RunState.UPGRADED
    assert night.vip.moves == 2
    night.assert_ending(RunState.UPGRADED)
    trace = night.world.trace
    back = next(i for i, line in enumerate(trace) if "vip move home" in line)
    assert not any(line.startswith(("old: BACKUP", "gate:")) for line in trace[:back])


def test_a_page_that_does_not_answer_refuses_the_night(tmp_path: Path) -> None:
    """Exit 30; nothing is moved for it."""
    night = StandbyNight(tmp_path)
    night.world.site.overrides["http://127.0.0.1:8090/second"] = (502, "")
    assert night.drive() is RunState.REFUSED
    assert "http://127.0.0.1:8090/second answers 502" in night.view.steps["check-standby"].why
    assert night.vip.moves == 0


@pytest.mark.parametrize("trouble", ["sticks", "refuses", "page"])
def test_one_that_does_not_take_over_refuses_the_night(tmp_path: Path, trouble: str) -> None:
    """It does not move, its command fails, or it moves and does not answer: it is brought back, and exit 30."""
    night = StandbyNight(tmp_path)
    if trouble == "page":
        night.world.site.overrides[PAGE] = (502, "")
    else:
        setattr(night.vip, trouble, True)

    def mended(effect: Effect) -> bool:
        if "turned-back" in effect.name:
            night.vip.sticks = night.vip.refuses = False
        return False

    night.world.pull_plug_when(mended)
    assert night.drive() is RunState.REFUSED
    night.assert_ending(RunState.REFUSED)
    assert any("vip move home" in line for line in night.world.trace)
    assert not any("BACKUP" in line for line in night.world.trace)


def test_one_that_does_not_come_back_is_held(tmp_path: Path) -> None:
    """The work stays with the standby: that is for a person to know, whatever the exit code of a refusal is."""
    night = StandbyNight(tmp_path)

    def sticks(effect: Effect) -> bool:
        if "vip" in effect.name and "after" in effect.moment and night.vip.there:
            night.vip.sticks = True
        return False

    night.world.pull_plug_when(sticks)
    assert night.drive() is RunState.HELD
    assert "the standby address does not give the work back within 10 s" in night.view.held
    night.vip.sticks = False
    night.next_process()
    assert night.drive() is RunState.REFUSED
    night.assert_ending(RunState.REFUSED)


def test_one_that_does_the_work_already_refuses_the_night(tmp_path: Path) -> None:
    """Then something has failed, and there is no standby left."""
    night = StandbyNight(tmp_path)
    night.vip.there = True
    assert night.drive() is RunState.REFUSED
    assert night.vip.moves == 0


def test_killed_while_it_does_the_work(tmp_path: Path) -> None:
    """At every moment of the exercise: the next process brings it back, and tries again or refuses."""
    night = StandbyNight(tmp_path)
    night.open()
    first = len(night.world.effects)
    night.drive()
    ours = [
        at for at, effect in enumerate(night.world.effects[first:]) if "lb1" in str(effect) or "standby" in str(effect)
    ]
    assert len(ours) > 10
    for at in ours:
        again = StandbyNight(tmp_path)
        again.open()
        ending, _ = again.drive_through([at])
        again.assert_ending(ending)
        assert ending is RunState.UPGRADED


def test_a_later_way_back_does_not_move_it_again(tmp_path: Path) -> None:
    """The work is where it belongs since long: it is looked at, and left."""
    night = StandbyNight(tmp_path)
    night.world.site.overrides["http://127.0.0.1:8090/health?bypass=1"] = (500, "no")
    assert night.drive() is RunState.REVERTED
    assert night.vip.moves == 2
    night.assert_ending(RunState.REVERTED)


def test_a_night_that_is_called_off_moves_nothing(tmp_path: Path) -> None:
    """A person decides to turn back before the exercise began: the checks end, and it is not begun any more."""
    night = StandbyNight(tmp_path)
    night.open()
    runs.revert(night.executor(), night.run_id, "not tonight")
    assert night.view.ending is RunState.REFUSED
    assert night.vip.moves == 0


def test_check_moves_nothing(tmp_path: Path) -> None:
    """`runbook check` is safe in business hours: the exercise is for the night."""
    night = StandbyNight(tmp_path)
    compiled = night.executor().compiled(night.plan, night.executor().world(night.plan).sizes)
    asked = set(checking._preflight(compiled).nodes)
    assert "check-standby" in asked
    assert not {name for name in asked if name.startswith(("exercise-standby", "return-standby"))}


def test_cut_off_for_good_while_it_does_the_work(tmp_path: Path) -> None:
    """Nobody comes for hours: whoever resumes then finds it brought back first."""
    night = StandbyNight(tmp_path)
    night.open()
    night.world.pull_plug_when(lambda effect: "after lb1: run[vip]" in str(effect))
    with pytest.raises(PowerCut):
        night.drive()
    assert night.vip.there
    night.next_process(minutes=300)
    assert night.drive() is RunState.REFUSED
    night.assert_ending(RunState.REFUSED)
