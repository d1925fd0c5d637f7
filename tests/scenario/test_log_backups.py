"""Somebody else's log backups go on while the new server is seeded: they are carried along, or named before the cut."""

from __future__ import annotations

from pathlib import Path

from runbook.events import Kind
from runbook.states import RunState
from runbook.testing.backups import somebody_backs_up_the_log
from tests.scenario.night import Night


def backed_up(night: Night, when: str, *paths: str) -> RunState:
    """Drive the night; when that step is done, users write and a foreign job backs the log up, once for each path."""
    executor = night.open()

    def meanwhile(event: object) -> None:
        if (getattr(event, "kind", ""), getattr(event, "step", "")) == (Kind.STEP_DONE, when):
            for path in paths:
                night.world.users_write("old", "Contacts", privileged=True)
                somebody_backs_up_the_log(night.world.servers["old"], "Contacts", path)

    executor.listeners.append(meanwhile)
    return executor.drive(night.run_id, night.plan)


def test_they_are_restored_on_the_new_server(tmp_path: Path) -> None:
    """Two of them, with what users wrote between them: nothing is missing on the new server."""
    night = Night(tmp_path)
    ending = backed_up(night, "seed-restore[Contacts]", "/exchange/theirs-1.trn", "/exchange/theirs-2.trn")
    assert ending is RunState.UPGRADED, night.view.turned_back
    rows = night.world.data("new")["Contacts"]
    assert rows != night.data["Contacts"], "what users wrote meanwhile came along"
    assert night.state("restore-logs[Contacts]") == "done"
    assert night.state("restore-logs[Archive]") == "skipped"
    assert night.world.trace.count("new: RESTORE LOG Contacts WITH NORECOVERY") == 3


def test_one_the_new_server_cannot_read_stops_it_before_the_cut(tmp_path: Path) -> None:
    """Named with its path; no database was ever closed for it."""
    night = Night(tmp_path)
    assert backed_up(night, "seed-restore[Contacts]", "/backup/theirs.trn") is RunState.REVERTED
    assert "/backup/theirs.trn" in night.view.turned_back
    assert not any(
        "cut_tail" in line or ("NORECOVERY" in line and line.startswith("old")) for line in night.world.trace
    )
    assert night.world.public() == "old"


def test_one_taken_right_before_the_cut_stops_it(tmp_path: Path) -> None:
    """Too late to be carried, early enough to be noticed: the old server is never cut."""
    night = Night(tmp_path)
    executor = night.open()
    taken: list[str] = []

    def meanwhile(event: object) -> None:
        kind, step = getattr(event, "kind", ""), getattr(event, "step", "")
        ended = kind in (Kind.STEP_SKIPPED, Kind.STEP_DONE)
        if ended and step == "restore-logs[Contacts]":
            taken.append(step)
            somebody_backs_up_the_log(night.world.servers["old"], "Contacts", "/exchange/late.trn")

    executor.listeners.append(meanwhile)
    ending = executor.drive(night.run_id, night.plan)
    assert taken == ["restore-logs[Contacts]"]
    assert ending is RunState.REVERTED
    assert "/exchange/late.trn" in night.view.turned_back
    assert night.state("cut-database[Contacts]") == "blocked"
    night.assert_old()
