"""The plug is pulled after the pivot, and on the way back from there: nothing reverts by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.errors import RunbookError
from runbook.events import Kind
from runbook.states import RunState
from runbook.testing import PowerCut
from tests.scenario.losing import BOTH, accept, night_of, serving, upgraded, write
from tests.scenario.night import Night


@BOTH
def test_nothing_reverts_by_itself_after_the_pivot_whenever_it_is_killed(tmp_path: Path, strategy: str) -> None:
    """Killed at every moment after the gate opened, and at the window's end at that: it ends on the new setup."""
    first = night_of(tmp_path, strategy)
    first.open()
    begun = len(first.world.effects)
    first.drive()
    seen = [str(effect) for effect in first.world.effects[begun:]]
    pivot = next(
        at for at, effect in enumerate(seen) if "gate" in effect and "open" in effect and "writing" not in effect
    )
    tried = 0
    for at in range(pivot, len(seen)):
        night = night_of(tmp_path, strategy)
        night.open()
        night.world.pull_plug(at)
        with pytest.raises(PowerCut):
            night.drive()
        night.next_process(minutes=120)
        if night.world.public() == "closed":
            continue  # the pivot was recorded, the gate was not opened: nobody was let in
        written = night.world.users_write(serving(night))
        assert night.drive() is RunState.UPGRADED, seen[at]
        assert written
        assert Kind.TURNED_BACK not in {row.kind for row in night.store.rows(night.run_id)}
        tried += 1
    assert tried > 20


@BOTH
@pytest.mark.parametrize("late", [False, True], ids=["within", "exceeded"])
def test_killed_at_every_moment_of_the_way_back(tmp_path: Path, strategy: str, late: bool) -> None:
    """A person decided it: whoever resumes goes on with it, and it ends old and whole, or new, with nothing lost."""
    first = _decided(tmp_path, strategy, late)
    begun = len(first.world.effects)
    ending = first.drive()
    assert ending is (RunState.HELD if late else RunState.REVERTED)
    total = len(first.world.effects) - begun
    assert total > 60
    for at in range(0, total, 3):
        night = _decided(tmp_path, strategy, late)
        try:
            ending, came = night.drive_through([at, at * 13 % total])
            assert came
            _assert_whole(night, ending, late)
        except (RunbookError, AssertionError) as error:
            where = [str(effect) for effect in night.world.effects[begun:][at : at + 1]]
            raise AssertionError(f"cut at {at} {where}: {error}") from error


def _decided(directory: Path, strategy: str, late: bool) -> Night:
    night = upgraded(directory, strategy)
    accept(night)
    if late:
        write(night, "late", "Contacts")
    return night


def _assert_whole(night: Night, ending: RunState, late: bool) -> None:
    if not late:
        assert ending is RunState.REVERTED
        night.assert_old()
        return
    assert Kind.HELD in {row.kind for row in night.store.rows(night.run_id)}, "a person was told"
    assert ending in (RunState.HELD, RunState.UPGRADED), "upgraded: resumed after that"
    assert night.world.public() == serving(night)
    assert "late" in str(night.world.data(serving(night))["Contacts"])
    assert all(night.world.content(serving(night))["jobs"][name] for name in ("scheduled-sends", "nightly-rollup"))
    assert night.world.content(serving(night))["jobs"]["old-import"] is False
