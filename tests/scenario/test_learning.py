"""What a real run took is what the next one is planned with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from runbook.graph import Node
from runbook.home import Home
from runbook.plan.compile import compile_plan
from runbook.rehearsal.predicting import RUNS_COUNT_FOR, experience
from runbook.rehearsal.taking import finished
from runbook.states import RunState
from runbook.step import Sizes
from tests.scenario.night import KINDS, Night


def planned(night: Night, home: Path, later: timedelta = timedelta(hours=1)) -> dict[str, Node]:
    """The plan, compiled after that night for the sizes it found."""
    now = night.world.clock.now() + later
    known = experience(Home(home, "sqlite://"), night.store, night.plan, now)
    sizes = Sizes(night.view.opening["sizes"])
    return dict(compile_plan(night.plan, KINDS.steps, sizes, known).graph.nodes)


def test_a_finished_run_is_known(tmp_path: Path) -> None:
    """Each step that was done is granted what it took there and a bit; where it had nothing to do, no less than what is
    computed; its way back was not gone, so that stays computed. And it says whose the figure is, and how old."""
    night = Night(tmp_path)
    computed = night.executor().compiled(night.plan, Sizes({"contacts": 1})).graph
    assert night.drive() is RunState.UPGRADED
    ((_, took),) = finished(night.store, night.plan.name)
    found = planned(night, tmp_path, timedelta(days=3))
    done = {identity: what["do_s"] for identity, what in took["steps"].items() if "do_s" in what}
    assert done
    for identity, seconds in done.items():
        assert seconds <= found[identity].do_budget
        assert found[identity].source.startswith(f"run {night.view.ended_at:%Y-%m-%d}, 3 days old (loads: ")
    looked = {identity for identity, what in took["steps"].items() if "look_s" in what}
    assert looked
    assert all(found[identity].do_budget >= computed[identity].do_budget for identity in looked)
    skipped = next(identity for identity in found if identity not in took["steps"])
    assert found[skipped].source == "computed"
    assert "way back computed" in found["close-gate"].source
    assert found["close-gate"].undo_budget == computed["close-gate"].undo_budget


def test_what_does_not_count(tmp_path: Path) -> None:
    """A run that has not ended, one of long ago, one that ends in the future, one of another plan."""
    night = Night(tmp_path)
    night.open()
    assert {node.source for node in planned(night, tmp_path).values()} == {"computed"}
    assert night.drive() is RunState.UPGRADED
    assert "computed" not in planned(night, tmp_path)["close-gate"].source.partition(" (")[0]
    later = planned(night, tmp_path, RUNS_COUNT_FOR + timedelta(days=1))
    assert {node.source for node in later.values()} == {"computed"}
    earlier = planned(night, tmp_path, timedelta(hours=-2))  # a clock that was set back
    assert {node.source for node in earlier.values()} == {"computed"}
    assert list(finished(night.store, "another")) == []
