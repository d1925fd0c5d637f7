"""A full disk under the journal: room was kept for the way back, on a real file system that really is full."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook import failpoints
from runbook.commands.checking import check
from runbook.errors import JournalUnwritable, Refused
from runbook.events import Draft, Kind
from runbook.journal.reserve import SIZE, SPARE, Reserve
from runbook.journal.store import LeaseRow, open_for_reading, open_store
from tests.disks import MIB, Disk, mounted
from tests.scenario.night import Night
from tests.unit.journal.books import RUN, Book

ROW = Draft(Kind.NOTE, None, {"text": "x" * 600})
MANY = 2000
"""Writes after which there should be no room any more."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """24 MiB."""
    with mounted(tmp_path / "disk", 24 * MIB) as made:
        yield made


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Disk]:
    """Less than four times the reserve."""
    with mounted(tmp_path / "disk", SPARE * SIZE - MIB) as made:
        yield made


def write_on(book: Book, disk: Disk) -> None:
    """Until it fails; somebody else takes what room there is at once."""
    while True:
        book.log.append(ROW)
        if book.store.pressed:
            disk.fill()


def test_room_is_kept_from_the_first_row_on(disk: Disk) -> None:
    """Really allocated, beside the journal, for nobody else's eyes, and only once."""
    book = Book(disk.journal)
    before = disk.free()
    assert disk.reserve.held >= SIZE
    assert 24 * MIB - before > SIZE, "it is not a file with a hole"
    assert disk.reserve.path.name == "journal.db.reserve"
    assert disk.reserve.path.stat().st_mode & 0o077 == 0
    book.another_store()
    assert before - disk.free() < MIB
    book.close()


def test_a_disk_that_fills_up_leaves_room_for_the_way_back(disk: Disk) -> None:
    """The write for which there was no room is made; from then on the store says so, and a thousand rows more fit."""
    book = Book(disk.journal)
    disk.fill()
    written = 0
    while not book.store.pressed and written < MANY:
        book.log.append(ROW)
        written += 1
    assert f"the disk under the journal is full ({disk.journal})" in book.store.pressed
    assert disk.reserve.held == 0
    for _ in range(1000):
        book.log.append(ROW)
    assert (book.verdict().problem, book.verdict().rows) == ("", 8 + written + 1000)
    book.close()


def test_a_lease_makes_room_as_well(disk: Disk) -> None:
    """Not only rows are written: whoever takes over on a full disk can."""
    book = Book(disk.journal)
    lease: LeaseRow | None = None
    disk.fill()
    while not book.store.pressed and (lease is None or lease.fence < MANY):
        fence, now = (lease.fence + 1 if lease else 1), book.clock.now().isoformat()
        following = LeaseRow(RUN, "x" * 8000, "host", 1, "", fence, now, 15.0, 0)
        assert book.store.take_lease(following, before=lease)
        lease = following
    assert "full" in book.store.pressed
    assert book.store.lease(RUN) == lease
    book.close()


def test_when_that_is_used_up_too_nothing_is_half_written(disk: Disk) -> None:
    """The run is interrupted; with room again it goes on, and new room is kept."""
    book = Book(disk.journal)
    disk.fill()
    with pytest.raises(JournalUnwritable, match="full") as caught:
        write_on(book, disk)
    assert caught.value.exit_code == 40
    rows = book.log.view.n
    assert (book.verdict().problem, book.verdict().rows) == ("", rows)
    disk.clear()
    again = book.another_store()
    assert (again.pressed, disk.reserve.held >= SIZE) == ("", True)
    book.log.append(ROW)
    assert (book.verdict().problem, book.verdict().rows) == ("", rows + 1)
    book.close()


def test_a_journal_on_a_full_disk_can_still_be_opened(disk: Disk) -> None:
    """Whoever takes the run up finds the room that was kept."""
    book = Book(disk.journal)
    book.close()
    disk.fill()
    again = open_store(f"sqlite:///{disk.journal}")
    assert "full" in again.pressed
    assert len(again.rows(RUN)) == 8
    again.close()
    assert disk.reserve.held == 0, "there is no room for a new one"
    open_store(f"sqlite:///{disk.journal}").close()
    disk.clear()
    open_store(f"sqlite:///{disk.journal}").close()
    assert disk.reserve.held >= SIZE


def test_a_full_disk_keeps_nobody_from_looking(disk: Disk) -> None:
    """While somebody writes, and when nobody does."""
    book = Book(disk.journal)
    disk.fill()
    for close in (lambda: None, book.close):
        close()
        reader = open_for_reading(f"sqlite:///{disk.journal}")
        assert len(reader.rows(RUN)) == 8
        reader.close()


def test_it_is_not_what_fills_a_small_disk(tiny: Disk) -> None:
    """There the journal works without; a full disk is then a clear error."""
    book = Book(tiny.journal)
    assert not tiny.reserve.path.exists()
    tiny.fill()
    with pytest.raises(JournalUnwritable, match="full"):
        write_on(book, tiny)
    assert book.store.pressed == ""
    assert book.verdict().ok
    book.close()


def test_a_new_journal_on_a_full_disk_is_refused(disk: Disk) -> None:
    """Nothing was touched yet."""
    disk.journal.parent.mkdir()
    disk.fill()
    with pytest.raises(Refused, match="cannot be opened"):
        open_store(f"sqlite:///{disk.journal}")
    assert not disk.reserve.path.exists()


def test_less_room_than_a_way_back_takes_is_as_good_as_none(tiny: Disk) -> None:
    """No reserve was to be had, and what is free would not do: whoever has a run in hand then turns back."""
    Book(tiny.journal).close()
    assert open_store(f"sqlite:///{tiny.journal}").pressed == ""
    tiny.fill()
    with tiny.filler.open("r+b") as filler:
        filler.truncate(tiny.filler.stat().st_size - SIZE // 2)
    assert "is nearly full" in open_store(f"sqlite:///{tiny.journal}").pressed


def test_who_only_reads_makes_none(book: Book) -> None:
    """``status`` and ``audit`` leave the directory as it is."""
    Reserve(book.file).path.unlink()
    reader = open_for_reading(f"sqlite:///{book.file}")
    reader.rows(RUN)
    reader.close()
    assert not Reserve(book.file).path.exists()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """Nobody's file is written over; the journal works without."""
    other = tmp_path / "other"
    other.write_text("mine", encoding="utf-8")
    (tmp_path / "journal.db.reserve").symlink_to(other)
    book = Book(tmp_path / "journal.db")
    assert other.read_text(encoding="utf-8") == "mine"
    assert book.verdict().ok
    book.close()


def test_an_error_about_something_else_leaves_it_alone(book: Book) -> None:
    """A lock, say."""
    locked = sqlite3.OperationalError("database is locked")
    locked.sqlite_errorcode = sqlite3.SQLITE_BUSY
    assert not Reserve(book.file).give_up_for(locked)
    assert not Reserve(book.file).give_up_for(None)
    assert Reserve(book.file).held >= SIZE


def test_a_disk_too_small_for_it_is_named_by_check(tiny: Disk, tmp_path: Path) -> None:
    """A no-go before the night, with the place and the sizes; with room there is nothing to say."""
    night = Night(tmp_path)
    for journal, ok in ((tmp_path / "roomy.db", True), (tiny.journal, False)):
        executor = night.executor()
        executor.store = open_store(f"sqlite:///{journal}")
        report = check(executor, night.plan.path, None)
        (found,) = [one for one in report.findings if one.check == "journal-room"]
        assert found.ok is ok, found
        assert report.go is ok, [one for one in report.findings if not one.ok]
        executor.store.close()
    assert found.what.endswith("the disk has 14 MiB free, it takes 16")
    assert str(tiny.reserve.path) in found.what
    assert "RUNBOOK_JOURNAL" in found.hint


# --- the same without a disk: failpoints ----------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A run under way."""
    made = Book(tmp_path / "journal.db")
    yield made
    failpoints.arm("")
    made.close()


@pytest.mark.parametrize("point", ["journal.before-append", "journal.after-append"])
def test_a_failpoint_fills_the_disk_as_a_disk_does(book: Book, point: str) -> None:
    """The reserve is given up and the write tried again: the row is there, and the run is told to turn back."""
    reserve = Reserve(book.file)
    assert reserve.held
    failpoints.arm(f"{point}~note=full")
    book.log.append(ROW)
    book.log.append(ROW)
    assert (book.log.view.n, len(book.store.rows(RUN))) == (len(book.store.rows(RUN)), book.log.view.n)
    assert "the disk under the journal is full" in book.store.pressed
    assert not reserve.held


def test_a_failpoint_may_leave_no_room_at_all(book: Book) -> None:
    """The second try fails as well: JournalUnwritable, nothing is written, and the next process goes on."""
    failpoints.arm("journal.before-append~note=full;journal.before-append~note=full")
    rows = book.store.rows(RUN)
    with pytest.raises(JournalUnwritable, match="No space left on device"):
        book.log.append(ROW)
    assert book.store.rows(RUN) == rows
    book.log.append(ROW)
    assert len(book.store.rows(RUN)) == len(rows) + 1
