"""Rows go in one after another, whole, by one hand, and never change."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runbook.errors import FencedOut, IllegalTransition, Refused
from runbook.events import Draft, Kind
from runbook.journal.lease import Process, acquire
from runbook.journal.log import RunLog
from runbook.journal.whole import first_break
from tests.contract.journal.books import RUN, Book
from tests.contract.journal.places import TABLES

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


def test_runs_are_listed_oldest_first_and_rows_without_what_is_not_asked_for(book: Book) -> None:
    """Whatever the order in which they were opened, and the order in which the database sorts text."""
    ids = ["20260321-100000-000a", "20250101-000000-ffff", "20260321-095959-0001"]
    for one in ids:
        opening = Draft(Kind.RUN_OPENED, None, dict(book.log.view.opening))
        RunLog.open_run(book.another_store(), one, opening, actor="x", now=book.clock.now)
    assert book.store.run_ids() == sorted([*ids, RUN])
    kinds = [row.kind for row in book.store.rows(RUN, 3, without=["statement", "note"])]
    assert kinds == ["step-done", "step-started", "step-done"]


def test_nothing_presses_while_there_is_room(book: Book) -> None:
    """The engine would turn back."""
    assert book.store.pressed == ""


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
@pytest.mark.parametrize("place", TABLES, indirect=True)
def test_the_database_itself_refuses_changes(book: Book, statement: str) -> None:
    """Triggers, whoever asks."""
    with pytest.raises(book.place.refusal, match="append-only"), book.place.hand() as hand:  # type: ignore[attr-defined]
        hand.execute(statement)
    assert book.verdict().ok


@pytest.mark.parametrize("place", TABLES, indirect=True)
def test_changes_are_still_refused_after_opening_again(book: Book) -> None:
    """Opening an existing journal neither loses nor doubles what refuses them."""
    book.another_store().close()
    with pytest.raises(book.place.refusal, match="append-only"), book.place.hand() as hand:  # type: ignore[attr-defined]
        hand.execute("DELETE FROM runbook_event")
    with book.forced() as hand:
        hand.execute("UPDATE runbook_event SET body = '{}' WHERE n = 3")
    assert not book.verdict().ok, "nothing else refused it"


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


@pytest.mark.parametrize("place", TABLES, indirect=True)
def test_reading_works_while_another_process_writes(book: Book) -> None:
    """A reader never waits and never sees half: at every look the rows form a whole chain up to the head."""
    rows = 400
    command = [sys.executable, "-c", WRITER, book.place.url, RUN, str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        reader, seen = book.place.reader(), set[int]()
        while writer.poll() is None:
            found = reader.rows(RUN)
            assert first_break(found) == ""
            seen.add(len(found))
        assert writer.returncode == 0
    assert len(seen) > 3, "it was looked at while it grew"
    assert len(reader.rows(RUN)) == 8 + rows
