"""Rows go in one after another, whole, by one hand, and never change."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from runbook.errors import FencedOut, IllegalTransition, JournalError, Refused
from runbook.events import Draft, Kind
from runbook.journal.lease import Process, acquire
from runbook.journal.log import RunLog
from runbook.journal.reading import SqliteReader
from runbook.journal.store import open_store
from runbook.journal.whole import first_break
from tests.unit.journal.books import RUN, Book

NOTE = Draft(Kind.NOTE, None, {"text": "seen"})


# --- one order for all writers -------------------------------------------------------------------------------------


def test_only_one_of_two_writers_gets_a_place(book: Book) -> None:
    """Rows for a place that is taken are refused, and nothing of them is left."""
    mine, other = book.log, book.another_log()
    rows = mine._chained([(NOTE, book.clock.now())])
    other.append(NOTE)
    assert book.store.append(rows, expected=rows[0].n - 1, fence=None) is False
    assert [row.actor for row in book.store.rows(RUN, rows[0].n - 1)] == ["other@host/2"]


def test_a_writer_that_is_behind_reads_first_and_then_writes(book: Book) -> None:
    """What a person decided meanwhile is folded in before the executor's own row."""
    book.another_log().append(Draft(Kind.REQUESTED, None, {"what": "revert", "reason": "the boss called"}))
    book.log.append(NOTE)
    assert book.log.view.revert_requested == "the boss called"
    assert book.verdict().ok


def test_what_became_illegal_meanwhile_is_not_written(book: Book) -> None:
    """The check is repeated after reading: nothing follows an ending."""
    book.another_log().append(Draft(Kind.RUN_FINISHED, None, {"ending": "refused", "reason": ""}))
    with pytest.raises(IllegalTransition):
        book.log.append(Draft(Kind.STEP_STARTED, "s2", {}))
    assert book.verdict().ok


def test_many_writers_make_one_chain(book: Book) -> None:
    """Four threads with a connection each, all rows are there and the chain holds."""
    logs = [book.another_log() for _ in range(4)]
    threads = [threading.Thread(target=lambda log=log: [log.append(NOTE) for _ in range(15)]) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdict = book.verdict()
    assert (verdict.problem, verdict.rows) == ("", 8 + 60)


def test_a_run_id_is_taken_once(book: Book) -> None:
    """Opening it again is refused and leaves the first alone."""
    opening = Draft(Kind.RUN_OPENED, None, dict(book.log.view.opening))
    with pytest.raises(Refused, match="exists already"):
        RunLog.open_run(book.another_store(), RUN, opening, actor="x", now=book.clock.now)
    assert book.verdict().ok


def test_what_is_buffered_is_written_with_the_next_row(book: Book) -> None:
    """In order, in the same transaction, with the time at which it happened."""
    book.log.buffer(NOTE)
    assert len(book.store.rows(RUN)) == 8
    book.clock.advance(3)
    book.log.append(Draft(Kind.STEP_STARTED, "s2", {}))
    note, started = book.store.rows(RUN, 8)
    assert (note.kind, started.kind) == ("note", "step-started")
    assert note.at < started.at


# --- never changed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runbook_event SET body = '{}' WHERE n = 3",
        "DELETE FROM runbook_event WHERE n = 8",
        "DELETE FROM runbook_event",
        "UPDATE runbook_event SET n = n + 100",
    ],
)
def test_the_database_itself_refuses_changes(book: Book, statement: str) -> None:
    """Triggers, whoever asks."""
    connection = sqlite3.connect(book.file)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()
    assert book.verdict().ok


def test_the_triggers_are_there_after_opening_again(book: Book) -> None:
    """Opening an existing journal neither loses nor doubles them."""
    book.another_store().close()
    connection = sqlite3.connect(book.file)
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name").fetchall()
    connection.close()
    assert [name for (name,) in found] == ["runbook_event_no_delete", "runbook_event_no_update"]


def test_every_row_survives_the_loss_of_power(book: Book) -> None:
    """The file is in the mode that SQLite's manual names durable; asked from the connection that writes."""
    names = ("journal_mode", "synchronous")
    found = [
        book.store._within(lambda cursor, name=name: cursor.execute(f"PRAGMA {name}").fetchone()[0], begin=False)
        for name in names
    ]
    assert found == ["wal", 2]


# --- one hand ------------------------------------------------------------------------------------------------------


def test_an_older_executor_is_fenced_out(book: Book) -> None:
    """It cannot write once another has taken over; the new one can."""
    first = acquire(book.store, RUN, "first", Process("a", 1, ""), book.clock.now)
    old = book.another_log(first.fence)
    old.append(NOTE)
    book.clock.advance(60)
    second = acquire(book.store, RUN, "second", Process("b", 2, ""), book.clock.now)
    new = book.another_log(second.fence)
    with pytest.raises(FencedOut, match=f"executor {second.fence}, this is {first.fence}"):
        old.append(NOTE)
    new.append(NOTE)
    assert new.view.n == 10
    assert book.verdict().ok


def test_a_fenced_out_write_leaves_nothing(book: Book) -> None:
    """Neither the row nor a moved head, and the next writer is not in its way."""
    lease = acquire(book.store, RUN, "first", Process("a", 1, ""), book.clock.now)
    late = book.another_log(lease.fence - 1)
    with pytest.raises(FencedOut):
        late.append(NOTE)
    assert len(book.store.rows(RUN)) == 8
    book.another_log(lease.fence).append(NOTE)
    assert book.verdict().ok


def test_a_person_may_write_whoever_holds_the_lease(book: Book) -> None:
    """A request is not bound to the lease."""
    acquire(book.store, RUN, "first", Process("a", 1, ""), book.clock.now)
    book.another_log().append(Draft(Kind.REQUESTED, None, {"what": "hold", "reason": "look"}))
    assert book.verdict().ok


# --- when the disk is full -----------------------------------------------------------------------------------------


@pytest.fixture
def connections() -> Iterator[list[Any]]:
    """The connections that are made from now on, as the driver has them."""
    made: list[Any] = []

    def remember(connection: Any, _record: Any) -> None:
        made.append(connection)

    event.listen(Pool, "connect", remember)
    yield made
    event.remove(Pool, "connect", remember)


def test_a_full_disk_is_said_and_nothing_is_half_written(book: Book, connections: list[Any]) -> None:
    """The row is refused with what to do; with room again the same log goes on, and the chain holds."""
    log = book.another_log()
    pages = connections[-1].execute("PRAGMA page_count").fetchone()[0]
    connections[-1].execute(f"PRAGMA max_page_count={pages}").close()
    large = Draft(Kind.NOTE, None, {"text": "x" * 100_000})
    with pytest.raises(JournalError, match="cannot be written: database or disk is full") as caught:
        log.append(large)
    assert "Make room" in caught.value.hint
    assert caught.value.exit_code == 40, "the run can be resumed"
    assert book.verdict().rows == 8
    connections[-1].execute(f"PRAGMA max_page_count={pages + 1000}").close()
    log.append(large)
    assert (book.verdict().ok, book.verdict().rows) == (True, 9)


def test_nobody_else_may_read_it(book: Book) -> None:
    """Statements and names of servers are in it; the files beside it take its mode."""
    book.log.append(Draft(Kind.NOTE, None, {"text": "more"}))
    files = list(book.file.parent.glob("journal.db*"))
    assert len(files) > 1
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


@pytest.mark.parametrize("path", ["/dev/null/journal.db", "/proc/journal.db"])
@pytest.mark.skipif(sys.platform != "linux", reason="places where nothing can be made")
def test_a_journal_that_cannot_be_opened_says_so(path: str) -> None:
    """With the place, the cause and a hint; no traceback of a library."""
    with pytest.raises(Refused, match="cannot be opened") as caught:
        open_store(f"sqlite:///{path}")
    assert "RUNBOOK_JOURNAL" in caught.value.hint


def test_a_password_in_the_url_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the message nor in what it came from; and a URL that is none makes no file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused) as caught:
        open_store("sqlite://scott:tiger@host/journal.db")
    assert "tiger" not in f"{caught.value.message} {caught.value.hint}"
    assert list(tmp_path.iterdir()) == []


# --- reading while another process writes ----------------------------------------------------------------------------

WRITER = """
import sys
from runbook.adapters.clock import SystemClock
from runbook.events import Draft, Kind
from runbook.journal.log import RunLog
from runbook.journal.store import open_store
log = RunLog.load(open_store(sys.argv[1]), sys.argv[2], actor="writer", now=SystemClock().now)
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    log.append(Draft(Kind.NOTE, None, {"text": "x" * 500, "number": number}))
"""


def test_reading_works_while_another_process_writes(book: Book) -> None:
    """A reader never waits and never sees half: at every look the rows form a whole chain up to the head."""
    rows = 400
    command = [sys.executable, "-c", WRITER, f"sqlite:///{book.file}", RUN, str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        reader, seen = SqliteReader(book.file), set[int]()
        while writer.poll() is None:
            found = reader.rows(RUN)
            assert first_break(found) == ""
            seen.add(len(found))
        assert writer.returncode == 0
    assert len(seen) > 3, "it was looked at while it grew"
    assert len(reader.rows(RUN)) == 8 + rows
    reader.close()
