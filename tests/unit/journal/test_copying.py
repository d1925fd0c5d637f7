"""The second place of the journal: what is there when, and what happens when it does not answer."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook.errors import HostError, JournalCorrupt, Refused, Unreachable
from runbook.events import GENESIS, chain
from runbook.journal.copying import LONGEST_PAUSE, Copier, Directory
from runbook.journal.reading import Row
from runbook.testing.store import MemoryStore

RUN = "20260321-100000-7f3a"


def rows(first: int, last: int, *, body: str = '{"text":"Zoë\\n"}') -> list[Row]:
    made, previous = [], GENESIS if first == 1 else "p" * 64
    for n in range(first, last + 1):
        at = datetime(2026, 3, 21, 10, tzinfo=UTC).isoformat()
        digest = chain(previous, RUN, n, at, "note", "", "me", 1, body)
        made.append(Row(RUN, n, at, "note", "", "me", 1, body, previous, digest))
        previous = digest
    return made


ROWS = rows(1, 9)


class Shelf:
    """A place in memory that can be told to fail."""

    name = "shelf"
    server = ""

    def __init__(self) -> None:
        self.kept: list[Row] = []
        self.sent: list[int] = []
        self.trouble: Exception | None = None
        self.tries = 0

    def newest(self, run_id: str) -> tuple[int, str] | None:
        del run_id
        self._fail()
        return (self.kept[-1].n, self.kept[-1].hash) if self.kept else None

    def add(self, rows: Sequence[Row]) -> None:
        self.tries += 1
        self._fail()
        self.sent.append(len(rows))
        self.kept += [row for row in rows if row not in self.kept]

    def rows(self, run_id: str) -> list[Row]:
        del run_id
        return self.kept

    def held_by(self, fence: int) -> None: ...

    def run_ids(self) -> list[str]:
        return [RUN]

    def remove(self, run_id: str) -> None:
        del run_id
        self._fail()
        self.kept = []

    def close(self) -> None: ...

    def _fail(self) -> None:
        if self.trouble:
            raise self.trouble


class Bench:
    def __init__(self) -> None:
        self.time = 0.0
        self.place = Shelf()
        self.lagging: list[tuple[int, bool]] = []
        self.copier = Copier(self.place, RUN, lambda: self.time)
        self.copier.on_behind = lambda newest, silent: self.lagging.append((newest, silent))
        self.store = MemoryStore()
        self.store.append(ROWS[:5], expected=0, fence=None)


def test_it_begins_with_what_the_place_lacks() -> None:
    """All rows of a new place, the rest of one that has some; what it has is not sent again."""
    bench = Bench()
    assert bench.copier.begin(bench.store, is_new=True) == ""
    assert bench.copier.settle(wholly=True) == ""
    assert bench.place.kept == ROWS[:5]
    bench.store.append(ROWS[5:], expected=5, fence=None)
    again = Copier(bench.place, RUN, lambda: 0.0)
    again.begin(bench.store, is_new=False)
    again.settle(wholly=True)
    assert (bench.place.kept, bench.place.sent) == (ROWS, [5, 4])


def test_an_effect_waits_for_rows_that_change_the_state_alone() -> None:
    """Statements and notes go along with the next step; whatever stands before a row that counts goes with it."""
    bench = Bench()
    bench.copier.add(ROWS[:3])
    bench.copier.settle()
    assert bench.place.kept == []
    bench.copier.add([ROWS[3]._replace(kind="step-started")])
    bench.copier.settle()
    assert len(bench.place.kept) == 4
    bench.copier.add(ROWS[4:])
    bench.copier.settle()
    assert len(bench.place.kept) == 4


def test_rows_go_along_in_one_batch() -> None:
    """What was handed over since the last time is one batch, and nothing is sent when there is nothing."""
    bench = Bench()
    bench.copier.add(ROWS[:1])
    bench.copier.add(ROWS[1:4])
    bench.copier.settle(wholly=True)
    bench.copier.settle(wholly=True)
    assert bench.place.sent == [4]


def test_a_place_that_has_seen_more_than_this_journal_refuses_it() -> None:
    """An older copy of the journal is noticed before it is used."""
    bench = Bench()
    bench.place.kept = list(ROWS[:7])
    with pytest.raises(Refused, match="older than its copy at shelf, which has seen row 7") as caught:
        bench.copier.begin(bench.store, is_new=False)
    assert "runbook recover" in caught.value.hint
    bench.place.kept = rows(1, 4, body='{"text":"another story"}')
    with pytest.raises(Refused, match="row 4"):
        bench.copier.begin(bench.store, is_new=False)


@pytest.mark.parametrize("trouble", [Unreachable("away"), OSError(errno.ENOSPC, "No space left on device")])
def test_a_place_that_fails_is_noted_once_and_tried_again_later(trouble: Exception) -> None:
    """One finding, one word to the instances; tries with growing pauses; all rows in the end, and that is noted too."""
    bench = Bench()
    bench.place.trouble = trouble
    bench.copier.add(ROWS[:3])
    assert "does not take rows" in bench.copier.settle(wholly=True)
    assert bench.lagging == [(3, isinstance(trouble, Unreachable))]
    bench.copier.add(ROWS[3:])
    assert [bench.copier.settle(wholly=True), bench.place.tries] == ["", 1], "not again at once"
    for wait in (1.1, 2.1, 4.1):
        bench.time += wait
        assert bench.copier.settle(wholly=True) == ""
    assert (bench.place.tries, len(bench.lagging)) == (4, 1)
    bench.time += LONGEST_PAUSE
    bench.place.trouble = None
    assert "has all rows again" in bench.copier.settle(wholly=True)
    assert bench.place.kept == ROWS
    assert not bench.copier.is_behind


def test_a_place_that_cannot_be_used_refuses_a_new_run_and_not_one_in_the_middle() -> None:
    """Nothing was touched yet: mend it. In the middle of a night: go on."""
    bench = Bench()
    bench.place.trouble = HostError("the directory is not there")
    with pytest.raises(Refused, match="cannot be used: the directory is not there") as caught:
        bench.copier.begin(bench.store, is_new=True)
    assert "journal_copy: none" in caught.value.hint
    assert "does not take rows" in bench.copier.begin(bench.store, is_new=False)
    bench.place.trouble, bench.time = None, 9.0
    bench.copier.settle(wholly=True)
    assert bench.place.kept == ROWS[:5]


def test_a_place_where_somebody_else_writes_is_left_alone() -> None:
    """Two histories of one run: noted, and not tried again."""
    bench = Bench()
    bench.place.trouble = JournalCorrupt("row 3 is another one")
    bench.copier.add(ROWS[:3])
    assert "row 3 is another one" in bench.copier.settle(wholly=True)
    bench.time += 1000
    assert [bench.copier.settle(wholly=True), bench.place.tries] == ["", 1]


def test_at_the_end_it_is_complete_or_gone() -> None:
    """The rest is sent even in a pause; removed when nothing is left to go back from."""
    bench = Bench()
    bench.place.trouble = Unreachable("away")
    bench.copier.add(ROWS[:3])
    bench.copier.settle(wholly=True)
    bench.place.trouble = None
    bench.copier.hurry()
    assert "again" in bench.copier.finish(remove=False)
    assert bench.place.kept == ROWS[:3]
    gone = Copier(bench.place, RUN, lambda: 0.0)
    assert gone.finish(remove=True) == ""
    assert bench.place.kept == []
    bench.place.trouble = Unreachable("away")
    assert "could not be removed: away" in Copier(bench.place, RUN, lambda: 0.0).finish(remove=True)


# --- a directory


def test_a_directory_keeps_rows_as_they_are(tmp_path: Path) -> None:
    """Written, read back, found again, removed."""
    place = Directory(tmp_path)
    assert (place.newest(RUN), place.rows(RUN)) == (None, [])
    place.add(ROWS[:4])
    place.add(ROWS[4:])
    assert place.rows(RUN) == ROWS
    assert (place.newest(RUN), place.run_ids()) == ((9, ROWS[-1].hash), [RUN])
    place.remove(RUN)
    assert list(tmp_path.iterdir()) == []
    place.remove(RUN)


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    """Statements and names are nobody else's business."""
    Directory(tmp_path).add(ROWS)
    (file,) = tmp_path.iterdir()
    assert os.name == "nt" or file.stat().st_mode & 0o077 == 0


def test_a_line_that_was_cut_off_is_no_row(tmp_path: Path) -> None:
    """Power lost in the middle of a line: it does not count, and the next line begins anew."""
    place = Directory(tmp_path)
    place.add(ROWS[:4])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    assert place.rows(RUN) == ROWS[:3]
    assert place.newest(RUN) == (3, ROWS[2].hash)
    place.add(ROWS[3:])
    assert place.rows(RUN) == ROWS


def test_a_full_disk_leaves_no_half_line_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before it was full is taken back; later rows follow whole ones."""
    place, write = Directory(tmp_path), os.write
    place.add(ROWS[:4])
    room = [100]

    def limited(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", limited)
    with pytest.raises(OSError, match="No space"):
        place.add(ROWS[4:])
    monkeypatch.undo()
    place.add(ROWS[4:])
    assert place.rows(RUN) == ROWS


@pytest.mark.parametrize("line", [b"junk", b'{"run_id": "other"}', b"[]", b"\xff"])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    """File and number of the line."""
    place = Directory(tmp_path)
    place.add(ROWS[:2])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes() + line + b"\n")
    with pytest.raises(JournalCorrupt, match=rf"{RUN}\.journal is damaged at line 3"):
        place.rows(RUN)


def test_a_row_written_twice_is_one_row_and_two_histories_are_none(tmp_path: Path) -> None:
    """The same row again, after a reply that was lost, does no harm; another one under its number does."""
    place = Directory(tmp_path)
    place.add(ROWS[:4])
    place.add(ROWS[3:])
    assert place.rows(RUN) == ROWS
    place.add(rows(1, 1, body='{"text":"another"}'))
    with pytest.raises(JournalCorrupt, match="line 11"):
        place.rows(RUN)


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A share that is not mounted is not made up."""
    place = Directory(tmp_path / "share")
    for act in (lambda: place.newest(RUN), lambda: place.add(ROWS), place.run_ids):
        with pytest.raises(HostError, match="is not there"):
            act()
    assert not (tmp_path / "share").exists()
