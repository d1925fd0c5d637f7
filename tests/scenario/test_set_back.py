"""An instance that goes back to an earlier state in the middle of a run: its files were copied back, msdb with them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.errors import FencedOut
from runbook.journal.reading import Row
from runbook.states import RunState
from runbook.testing import PowerCut
from tests.scenario.night import Night

FAILS = ("http://127.0.0.1:8090/health?bypass=1", (500, "no"))


def _at(night: Night, where: str, act: Callable[[], object]) -> None:
    """``act`` at the first such moment."""
    acts = [act]

    def look(effect: object) -> bool:
        if where in str(effect) and acts:
            acts.pop()()
        return False

    night.world.pull_plug_when(look)


class Msdb:
    """What msdb of the old server knows of runs, put aside and put back with a restart of the engine."""

    def __init__(self, night: Night) -> None:
        self.night = night
        self.old = night.world.servers["old"]
        self.take()

    def take(self) -> None:
        self.marker, self.copies = self.old.marker, copy.deepcopy(self.old.copies)

    def put_back(self) -> None:
        self.night.world.kill_server("old")
        self.night.world.start_server("old")
        self.old.marker, self.old.copies = self.marker, copy.deepcopy(self.copies)

    @property
    def rows(self) -> list[Row]:
        return [row for _, row in sorted(self.old.copies[self.night.run_id].items())]


def _taken_over(directory: Path) -> tuple[Night, Msdb]:
    """Msdb is put aside while the first executor holds the server; then a second one takes over."""
    night = Night(directory)
    night.open()
    msdb = Msdb(night)
    executor = night.executor()
    night.world.pull_plug_when(_both(night, "before old: backup_full", msdb.take, "before old: set_user_access"))
    with pytest.raises(PowerCut):
        executor.drive(night.run_id, night.plan)
    night.next_process()
    assert msdb.marker is not None
    assert msdb.marker.fence == 1
    return night, msdb


def _both(night: Night, first: str, act: Callable[[], object], cut: str) -> Callable[[object], bool]:
    acts = [act]

    def look(effect: object) -> bool:
        if first in str(effect) and acts:
            acts.pop()()
        return cut in str(effect)

    return look


@pytest.mark.parametrize("where", ["before old: cut_tail", "before pointer: forward", "step-started(open-gate)"])
def test_the_holder_claims_it_again(tmp_path: Path, where: str) -> None:
    """It shows an older claim of the same run, which only going back to an earlier state can bring about: whoever holds
    it claims it again before the next effect there or elsewhere, on the record, and the night goes on. The second place
    of the journal gets the rows again that it has lost."""
    night, msdb = _taken_over(tmp_path)
    _at(night, where, msdb.put_back)
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    marker = night.world.servers["old"].marker
    assert marker is not None
    assert (marker.fence, marker.ended) == (2, True)
    assert [text for text in night.view.findings if "went back to an earlier state and was claimed again" in text]
    assert msdb.rows == night.store.rows(night.run_id)


def test_the_same_holder_sends_again_what_was_lost(tmp_path: Path) -> None:
    """The marker is the one it put itself, only rows are missing: a gap never stands in the copy."""
    night = Night(tmp_path)
    night.open()
    msdb = Msdb(night)
    seen: list[list[int]] = []

    def look(effect: object) -> bool:
        text = str(effect)
        if "before old: backup_full[Contacts]" in text:
            msdb.take()
        if "before pointer: forward" in text:
            msdb.put_back()
        if night.run_id in msdb.old.copies:
            seen.append([row.n for row in msdb.rows])
        return False

    night.world.pull_plug_when(look)
    assert night.drive() is RunState.UPGRADED
    assert all(found == list(range(1, len(found) + 1)) for found in seen)
    assert any(len(after) < len(before) for before, after in itertools.pairwise(seen)), "it was put back"
    assert msdb.rows == night.store.rows(night.run_id)


def test_a_marker_that_is_gone_is_no_earlier_state(tmp_path: Path) -> None:
    """A person took it away: that is respected, whatever became of the session meanwhile."""
    night, msdb = _taken_over(tmp_path)

    def take_away() -> None:
        msdb.marker = None
        msdb.put_back()

    _at(night, "before old: cut_tail", take_away)
    with pytest.raises(BaseException, match="was taken away") as caught:
        night.drive()
    assert isinstance(caught.value, FencedOut) or "Fenced" in type(caught.value).__name__
