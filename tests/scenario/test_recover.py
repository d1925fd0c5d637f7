"""The journal is lost: rebuilt from its second place, the run goes on. On fakes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runbook.commands import recovering
from runbook.commands.recovering import Found
from runbook.errors import (
    AlreadyRunning,
    JournalCorrupt,
    NotPermitted,
    PlanChanged,
    Refused,
    Unreachable,
)
from runbook.events import GENESIS, Kind, chain
from runbook.journal.copying import Directory
from runbook.journal.reading import Row
from runbook.journal.verifying import verify_run
from runbook.journal.whole import read_whole
from runbook.states import RunState
from runbook.testing import PowerCut
from runbook.testing.store import MemoryStore
from tests.scenario.night import Night

STRIDE = 11
"""Every so manieth moment of a night loses its journal."""


def killed(directory: Path, at: str = "old: cut_tail", **how: str) -> Night:
    """A night that ended in the middle, its machine gone with the journal."""
    night = Night(directory, **how)
    night.open()
    night.world.pull_plug(name=at)
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    return night


def lose_journal(night: Night) -> list[Row]:
    """An empty journal in its place; the rows that were in it."""
    rows = night.store.rows(night.run_id)
    night.store = MemoryStore(night._durable, lambda: night.world.check_power(night.world.generation))
    return rows


def recover(night: Night, run: str | None = None, *sources: str, accept_gap: bool = False) -> Found:
    executor = night.executor()
    found = recovering.find(executor, night.plan.path, run, sources, accept_gap=accept_gap)
    recovering.rebuild(executor, found)
    return found


def copies(night: Night) -> dict[int, Row]:
    return night.world.servers["old"].copies[night.run_id]


def forged(rows: list[Row], at: int, body: str) -> list[Row]:
    """Another history from that row on, with a chain that holds."""
    made, previous = rows[: at - 1], rows[at - 2].hash if at > 1 else GENESIS
    for row in rows[at - 1 :]:
        text = body if row.n == at else row.body
        digest = chain(previous, *row[:7], text)
        made.append(row._replace(body=text, previous=previous, hash=digest))
        previous = digest
    return made


@pytest.mark.parametrize("strategy", ["side-by-side", "scripts"])
@pytest.mark.parametrize("trouble", ["none", "fail"])
def test_whenever_the_journal_is_lost_the_run_ends_old_or_new(tmp_path: Path, strategy: str, trouble: str) -> None:
    """Power and journal are lost at moments all over the night; rebuilt from the copy, the run ends old or new, whole,
    with a record that holds. This is the proof that a copy has what it takes."""

    def fresh() -> Night:
        night = Night(tmp_path, strategy, databases=("Contacts", "Archive"))
        night.world.site.databases = ("Contacts", "Archive")
        if trouble == "fail":
            night.world.site.overrides["http://127.0.0.1:8090/health?bypass=1"] = (500, "no")
        night.open()
        return night

    whole = fresh()
    first = len(whole.world.effects)
    whole.drive()
    last = len(whole.world.effects) - first
    ended = 0
    for at in range(8, last, STRIDE):
        night = fresh()
        night.world.pull_plug(at)
        with pytest.raises(PowerCut):
            night.drive()
        night.next_process()
        lose_journal(night)
        if night.run_id not in night.world.servers["old"].copies:
            assert trouble == "fail", "reverted: nothing is left to go back from"
            night.assert_old()
            continue
        recover(night)
        ending = night.view.ending or night.drive()
        night.assert_ending(ending)
        if ending is RunState.UPGRADED:
            assert verify_run(night.run_id, read_whole(night.store, night.run_id)).ok
        ended += 1
    assert ended > 10


def test_what_is_rebuilt_is_the_journal(tmp_path: Path) -> None:
    """Row for row, and its fencing number is at least the highest that was ever given out."""
    night = killed(tmp_path)
    lost = lose_journal(night)
    found = recover(night)
    rows = night.store.rows(night.run_id)
    there = len(found.rows)
    assert rows[:there] == lost[:there]
    assert {row.kind for row in lost[there:]} <= {"statement", "statement-ended", "note"}
    assert rows[-1].kind == Kind.NOTE
    assert "rebuilt from old" in rows[-1].body
    head = night.store.head(night.run_id)
    assert head is not None
    assert head.fence == 1
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


def test_a_journal_that_has_the_beginning_is_completed(tmp_path: Path) -> None:
    """An old backup of the journal: what it lacks is added, what it has is not touched."""
    night = killed(tmp_path)
    lost = lose_journal(night)
    night.store.append(lost[:20], expected=0, fence=None)
    found = recover(night, night.run_id[:10])
    assert (found.here, night.store.rows(night.run_id)[: len(found.rows)]) == (20, list(found.rows))
    assert night.drive() is RunState.UPGRADED


def test_a_directory_serves_as_well_and_the_longer_copy_wins(tmp_path: Path) -> None:
    """Two places of which one is only shorter do not disagree."""
    (tmp_path / "share").mkdir()
    night = killed(tmp_path, more="journal_copy: share\n")
    lost = lose_journal(night)
    there = Directory(tmp_path / "share").rows(night.run_id)
    night.world.servers["old"].copies[night.run_id] = {row.n: row for row in there[:30]}
    found = recover(night)
    assert found.places == {str(tmp_path / "share"): len(there), "old": 30}
    assert night.store.rows(night.run_id)[: len(there)] == lost[: len(there)]
    assert night.drive() is RunState.UPGRADED


def test_two_copies_that_disagree_are_named(tmp_path: Path) -> None:
    """The first row that differs and both places; nothing is written. One place alone may then be named."""
    night = killed(tmp_path)
    lost = lose_journal(night)
    (tmp_path / "other").mkdir()
    Directory(tmp_path / "other").add(forged(lost, 25, '{"text":"another story"}'))
    with pytest.raises(Refused, match=r"disagree from row 25 on") as caught:
        recover(night, None, "server", str(tmp_path / "other"))
    assert "old" in caught.value.message
    assert str(tmp_path / "other") in caught.value.message
    assert night.store.run_ids() == []
    recover(night, None, "server")
    assert night.drive() is RunState.UPGRADED


def test_a_copy_that_an_instance_contradicts_is_refused(tmp_path: Path) -> None:
    """Only a forged copy is left: the row of the claim that an instance has seen is not in it."""
    night = killed(tmp_path)
    lost = lose_journal(night)
    (tmp_path / "other").mkdir()
    Directory(tmp_path / "other").add(forged(lost, 2, '{"text":"another claim"}'))
    with pytest.raises(Refused, match=r"what \w+ has seen disagree about row 2"):
        recover(night, None, str(tmp_path / "other"))


def test_a_copy_that_was_changed_is_refused(tmp_path: Path) -> None:
    """A row that does not match its hash, or is missing in the middle: named."""
    night = killed(tmp_path)
    lose_journal(night)
    kept = copies(night)
    kept[12] = kept[12]._replace(body="{}")
    with pytest.raises(JournalCorrupt, match=r"the copy at old does not hold: row 12"):
        recover(night)
    del kept[12]
    with pytest.raises(JournalCorrupt, match="row 12 is missing"):
        recover(night)
    assert night.store.run_ids() == []


def test_a_journal_with_other_or_more_rows_is_not_touched(tmp_path: Path) -> None:
    """Nothing to recover, or two histories: named, and nothing is written."""
    night = killed(tmp_path)
    lost = night.store.rows(night.run_id)
    del copies(night)[len(copies(night))]
    with pytest.raises(Refused, match=rf"has {len(lost)} rows .* nothing to recover"):
        recover(night)
    lose_journal(night)
    night.store.append(forged(lost, 9, "{}")[:15], expected=0, fence=None)
    with pytest.raises(Refused, match=r"disagree about run .* from row 9 on"):
        recover(night)
    assert len(night.store.rows(night.run_id)) == 15


def test_a_run_in_somebodys_hands_is_not_recovered(tmp_path: Path) -> None:
    """Its executor lives, by this journal."""
    night = Night(tmp_path)
    night.open()
    caught: list[str] = []

    def ask(effect: object) -> bool:
        if "before old: cut_tail" in str(effect):
            with pytest.raises(AlreadyRunning) as refused:
                recovering.find(night.executor(), night.plan.path, None, (), accept_gap=False)
            caught.append(refused.value.message)
        return False

    night.world.pull_plug_when(ask)
    assert night.drive() is RunState.UPGRADED
    assert caught


def test_a_plan_of_another_run_is_refused(tmp_path: Path) -> None:
    """What differs is said, as for a resume."""
    night = killed(tmp_path)
    lose_journal(night)
    path = night.plan.path
    path.write_text(path.read_text(encoding="utf-8").replace("name: mailer", "name: other"), encoding="utf-8")
    with pytest.raises(PlanChanged, match="is not the one that run") as caught:
        recover(night)
    assert any("name" in change for change in caught.value.changes)


def test_no_copy_is_said_with_the_places(tmp_path: Path) -> None:
    """None at all, or none of that run: where was looked, and what is there."""
    night = Night(tmp_path)
    with pytest.raises(Refused, match="no copy of any run is at old") as caught:
        recover(night)
    assert "--from" in caught.value.hint
    night = killed(tmp_path)
    lose_journal(night)
    with pytest.raises(Refused, match="no copy of run 1999 at old") as caught:
        recover(night, "1999")
    assert night.run_id in caught.value.hint


def test_a_server_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    """Away, or without the rights to look; with another place beside it, that one is enough and the rest is told."""
    night = killed(tmp_path)
    lost = lose_journal(night)
    old = night.world.servers["old"]
    old.missing_permissions = ("sysadmin",)
    with pytest.raises(NotPermitted, match="old: the login is no member of sysadmin") as caught:
        recover(night)
    assert "--from" in caught.value.hint
    old.missing_permissions = ()
    old.down = True
    with pytest.raises(Unreachable, match="old"):
        recover(night)
    with pytest.raises(Unreachable, match="nowhere"):
        recover(night, None, str(tmp_path / "nowhere"))
    (tmp_path / "share").mkdir()
    Directory(tmp_path / "share").add(lost)
    found = recover(night, None, "server", str(tmp_path / "share"))
    assert any("old" in what for what in found.silent)


def test_rows_that_an_instance_knows_to_be_missing_stop_it(tmp_path: Path) -> None:
    """The second place took no rows for a while, then the machine was lost: refused with both numbers, and the run goes
    on only when a person accepts it; that is on record."""
    night = Night(tmp_path)
    night.open()
    old = night.world.servers["old"]

    def trouble(effect: object) -> bool:
        if "step-started(close-gate)" in str(effect):
            old.copies_refused = True
        return "before old: cut_tail" in str(effect)

    night.world.pull_plug_when(trouble)
    with pytest.raises(PowerCut):
        night.drive()
    old.copies_refused = False
    night.next_process()
    lose_journal(night)
    with pytest.raises(
        Refused, match=r"rows are missing: the last one found of run .* is \d+, \w+ knows of row \d+"
    ) as c:
        recover(night)
    last, seen = map(int, re.findall(r"(?:is|row) (\d+)", c.value.message))
    assert last == len(copies(night)) < seen
    assert "--accept-gap" in c.value.hint
    found = recover(night, accept_gap=True)
    assert any(line.startswith("LOST") for line in recovering.told(found))
    note = json.loads(night.store.rows(night.run_id)[-1].body)
    assert f"rows up to {seen} are lost" in note["text"]


def test_a_lost_claim_that_was_accepted_does_not_refuse_the_resume(tmp_path: Path) -> None:
    """The row of the last claim is in no copy: accepted by a person, the instances let the rebuilt run go on."""
    night = killed(tmp_path)
    night.world.servers["old"].copies_refused = True
    night.world.pull_plug(name="executor-started")
    with pytest.raises(PowerCut):
        night.drive()
    night.world.servers["old"].copies_refused = False
    night.next_process()
    lose_journal(night)
    with pytest.raises(Refused, match="rows are missing"):
        recover(night)
    recover(night, accept_gap=True)
    head = night.store.head(night.run_id)
    assert head is not None
    assert head.fence == 2, "the number of the claim whose row is lost"
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


def test_a_run_that_has_ended_is_rebuilt_as_ended(tmp_path: Path) -> None:
    """For the record: upgraded, and its chain holds."""
    night = Night(tmp_path)
    assert night.drive() is RunState.UPGRADED
    lose_journal(night)
    recover(night)
    assert night.view.ending is RunState.UPGRADED
    assert verify_run(night.run_id, read_whole(night.store, night.run_id)).ok
