"""The same plan typed once more when its night is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.cli import show
from runbook.commands.status import Status
from runbook.journal.lease import Process, acquire
from runbook.states import RunState
from tests.scenario.night import Night


def test_what_an_upgrade_left_is_nothing_to_clear_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused, and first of all it says that these servers are upgraded already: the hints of the checks, followed to
    the letter, would drop the databases that are in use."""
    night = Night(tmp_path)
    assert night.drive() is RunState.UPGRADED
    first, content = night.run_id, night.world.content("new")
    night.next_process()
    night.run_id = ""
    assert night.drive() is RunState.REFUSED
    note = next(one for one in night.view.findings if "upgraded these servers" in one)
    assert f"run {first} upgraded these servers" in note
    assert f"runbook revert {first}" in note
    show.ending(Status(night.view, live=False, owner=""), "")
    said = capsys.readouterr().out
    assert said.index("no HINT here is meant for it") < said.index("HINT:")
    assert night.world.content("new") == content


def test_after_a_revert_nothing_of_that_is_said(tmp_path: Path) -> None:
    """The old setup is in use, and the hints are meant."""
    night = Night(tmp_path)
    night.world.site.overrides["http://127.0.0.1:8090/health?bypass=1"] = (500, "no")
    assert night.drive() is RunState.REVERTED
    night.world.site.overrides.clear()
    night.next_process()
    night.run_id = ""
    assert night.drive() is RunState.UPGRADED
    assert not [one for one in night.view.findings if "upgraded these servers" in one]


@pytest.mark.parametrize("in_order", [True, False])
def test_only_an_executor_that_did_not_end_in_order_was_lost(tmp_path: Path, in_order: bool) -> None:
    """One that was stopped and gave its lease back is no cause for alarm."""
    night = Night(tmp_path)
    night.open()
    first = acquire(night.store, night.run_id, "somebody", Process.here(), night.world.clock.now)
    if in_order:
        first.release()
    night.next_process()
    assert night.drive() is RunState.UPGRADED
    assert any("(somebody) was lost" in one for one in night.view.findings) is not in_order
