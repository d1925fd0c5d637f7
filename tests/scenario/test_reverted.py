"""A revert that did not put back what it should: found by looking, done again, and never the end of the road."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.events import Kind
from runbook.states import RunState
from runbook.testing import FakeSqlServer, PowerCut
from runbook.testing.world import Effect
from tests.scenario.night import Night
from tests.scenario.test_slipped_in import asides, failing, findings, write

REVERT = "RESTORE DATABASE Contacts FROM DATABASE_SNAPSHOT"


def reverts(night: Night) -> int:
    """How often Contacts was told to go back to its snapshot."""
    return sum(REVERT in line for line in night.world.trace)


def rebased(night: Night) -> bool:
    """Whether the log of Contacts can be backed up again: after the last revert came a full backup."""
    return night.world.servers["old"].get("Contacts").log_backup_lsn is not None


def after_backup(night: Night, monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> None:
    """An administrator writes right after a backup of that kind has ended, that many times."""
    backup, left = FakeSqlServer.backup_full, [None] * times

    def backup_full(self: FakeSqlServer, database: str, path: str, **options: Any) -> None:
        backup(self, database, path, **options)
        if f"{database}-{name}" in path and left:
            left.pop()
            write(night, f"slipped in {len(left)}")

    monkeypatch.setattr(FakeSqlServer, "backup_full", backup_full)


def test_a_revert_that_lied_is_done_again(tmp_path: Path) -> None:
    """It was answered with success and nothing was put back: the way back is not recorded as gone but tried again."""
    night = failing(tmp_path)
    night.world.fault("old", "lie", REVERT)
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert reverts(night) == 2
    assert rebased(night)


def test_a_revert_that_goes_on_lying_is_held_until_it_works(tmp_path: Path) -> None:
    """Twice in vain it is held, says why and where, and goes on from there once somebody has mended the server."""
    night = failing(tmp_path)
    fault = night.world.fault("old", "lie", REVERT, times=-1)
    assert night.drive() is RunState.HELD
    assert night.state("run-scripts[Contacts]") == "stuck"
    assert "success was reported for the revert of Contacts to Contacts_rb_" in night.view.held
    assert "nothing was put back" in night.view.held

    fault.times = len(fault.hits)
    night.next_process()
    assert night.drive() is RunState.REVERTED
    night.assert_old()


def test_written_after_the_revert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator's row that came after the revert would keep the proof from ever holding: it is kept in a file
    that the record names, and the database is reverted once more."""
    night = failing(tmp_path)
    after_backup(night, monkeypatch, "rebase", 1)
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert reverts(night) == 2
    assert rebased(night)
    (kept,) = [path for path, content in asides(night).items() if "slipped in" in content]
    assert kept in findings(night)


def test_somebody_who_writes_after_every_revert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held, naming what differs and what a person may do; when he has stopped, a resume ends it, with all he wrote in
    files."""
    night = failing(tmp_path)
    after_backup(night, monkeypatch, "rebase", 2)
    assert night.drive() is RunState.HELD
    assert "Contacts on old is not what it was" in night.view.held
    night.next_process()
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    kept = "".join(asides(night).values())
    assert "slipped in 1" in kept
    assert "slipped in 0" in kept


def test_killed_anywhere_in_the_second_revert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the executor is lost while the database is reverted once more: it ends old, proven, and with a log chain
    that begins anew."""
    cuts = 0
    while True:
        with monkeypatch.context() as patched:
            night = failing(tmp_path)
            after_backup(night, patched, "rebase", 1)
            night.open()
            night.world.pull_plug_when(moments_of_the_second(night, cuts))
            try:
                night.drive()
            except PowerCut:
                night.next_process()
                night.world.pull_plug_when(lambda _effect: False)
                assert night.drive() is RunState.REVERTED
            else:
                break
            night.assert_old()
            assert rebased(night), cuts
        cuts += 1
    assert cuts > 10


def moments_of_the_second(night: Night, wanted: int) -> Callable[[Effect], bool]:
    """That moment, counted from the failed proof to the one that holds."""
    seen = [0]

    def due(_effect: Effect) -> bool:
        kinds = [row.kind for row in night.store.rows(night.run_id) if row.step == "expect-return[Contacts]"]
        seen[0] += Kind.UNDO_FAILED in kinds and kinds[-1] != Kind.UNDO_DONE
        return seen[0] > wanted

    return due
