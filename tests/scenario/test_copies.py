"""The second place of the journal in whole nights on fakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runbook.errors import Refused
from runbook.events import RECORD_ONLY, Kind
from runbook.journal.reading import Row
from runbook.states import RunState
from runbook.testing import PowerCut
from tests.scenario.night import Night

BAD_HEALTH = ("http://127.0.0.1:8090/health?bypass=1", (500, "no"))


def kept(night: Night) -> list[Row]:
    found = night.world.servers["old"].copies.get(night.run_id, {})
    return [found[n] for n in sorted(found)]


@pytest.mark.parametrize("strategy", ["side-by-side", "scripts"])
def test_before_every_effect_the_second_place_has_all_that_it_needs(tmp_path: Path, strategy: str) -> None:
    """Nothing is sent to a server, gate or pointer before the copy has every row that changed the run's state: what it
    lacks are statements of steps that it knows to be started."""
    night = Night(tmp_path, strategy)
    night.open()
    compared = []

    def compare(effect: object) -> bool:
        if re.match(r"before (old|new|gate|pointer): ", str(effect)):
            rows = night.store.rows(night.run_id)
            there = len(kept(night))
            assert kept(night) == rows[:there]
            assert {row.kind for row in rows[there:]} <= RECORD_ONLY, effect
            compared.append(str(effect))
        return False

    night.world.pull_plug_when(compare)
    assert night.drive() is RunState.UPGRADED
    assert len(compared) > 20
    assert kept(night) == night.store.rows(night.run_id), "and after an upgrade it is whole"


def test_reverted_or_refused_nothing_is_left_of_it(tmp_path: Path) -> None:
    """The old setup is as it was."""
    night = Night(tmp_path)
    night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
    assert night.drive() is RunState.REVERTED
    assert night.world.servers["old"].copies == {}


def test_a_second_place_that_takes_nothing_does_not_stop_the_night(tmp_path: Path) -> None:
    """Noted once; when it takes rows again it gets them all, and that is noted as well."""
    night = Night(tmp_path)
    old = night.world.servers["old"]
    night.open()

    def trouble(effect: object) -> bool:
        if "step-started(close-gate)" in str(effect):
            old.copies_refused = True
        if "before pointer: forward" in str(effect):
            old.copies_refused = False
        return False

    night.world.pull_plug_when(trouble)
    assert night.drive() is RunState.UPGRADED
    night.assert_new()
    said = [text for text in night.view.findings if "second place" in text]
    assert len(said) == 2
    assert "does not take rows" in said[0]
    assert "has all rows again" in said[1]
    assert kept(night) == night.store.rows(night.run_id)
    for server in night.world.servers.values():
        assert server.marker is not None
        assert server.marker.behind > server.marker.position, "the instances know that rows were missing"


def test_the_instances_know_when_an_executor_began_without_its_second_place(tmp_path: Path) -> None:
    """Resumed while the place takes nothing: the new claim says so too."""
    night = Night(tmp_path)
    night.open()
    night.world.pull_plug(name="old: cut_tail")
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    night.world.servers["old"].copies_refused = True
    assert night.drive() is RunState.UPGRADED
    marker = night.world.servers["new"].marker
    assert marker is not None
    assert max(marker.position, marker.behind) > len(kept(night))


def test_a_new_run_is_refused_when_its_second_place_cannot_be_used(tmp_path: Path) -> None:
    """A directory that is not there, before anything is touched: the run ends refused and is in nobody's way."""
    night = Night(tmp_path, more="journal_copy: share\n")
    with pytest.raises(Refused, match="second place of the journal"):
        night.drive()
    assert night.view.ending is RunState.REFUSED
    assert night.world.servers["old"].marker is None
    (tmp_path / "share").mkdir()
    night.run_id = ""
    assert night.drive() is RunState.UPGRADED
    (file,) = (tmp_path / "share").iterdir()
    assert len(file.read_text(encoding="utf-8").splitlines()) == len(night.store.rows(night.run_id))


def test_without_a_second_place_it_is_said_what_is_lost(tmp_path: Path) -> None:
    """journal_copy: none is a finding of every executor."""
    night = Night(tmp_path, more="journal_copy: none\n")
    assert night.drive() is RunState.UPGRADED
    assert any("lost with it" in text for text in night.view.findings)
    assert night.world.servers["old"].copies == {}


def test_what_a_person_asked_for_is_copied_too(tmp_path: Path) -> None:
    """Rows that another process wrote are in the copy, in their place."""
    from runbook.commands.runs import request

    night = Night(tmp_path)
    executor = night.open()

    def ask(effect: object) -> bool:
        if "before gate: close" in str(effect) and not night.view.revert_requested:
            request(night.executor(), night.run_id, "revert", "a person asked")
        return False

    night.world.pull_plug_when(ask)
    seen: list[Row] = []
    executor.listeners.append(lambda event: seen.extend(kept(night)) if event.kind is Kind.UNDO_DONE else None)
    assert executor.drive(night.run_id, night.plan) is RunState.REVERTED
    assert Kind.REQUESTED in {row.kind for row in seen}
