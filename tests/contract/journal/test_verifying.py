"""Whatever is done to the rows, ``audit verify`` notices it and names the row."""

from __future__ import annotations

import json
from typing import TypeVar

import pytest

from runbook.errors import JournalCorrupt
from runbook.events import GENESIS, Draft, Kind, chain
from runbook.journal.reading import COLUMNS, Row
from runbook.journal.store import Head
from runbook.journal.verifying import verify_run
from runbook.journal.whole import read_whole
from tests.contract.journal.books import RUN, Book
from tests.contract.journal.places import TABLES

T = TypeVar("T")

ROWS = 8

pytestmark = pytest.mark.parametrize("place", TABLES, indirect=True)


def test_an_untouched_journal_holds(book: Book) -> None:
    """Nothing was changed: nothing is said."""
    verdict = book.verdict()
    assert (verdict.ok, verdict.rows, verdict.problem) == (True, ROWS, "")


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in ("run_id", "n")])
@pytest.mark.parametrize("n", [1, 4, ROWS])
def test_a_changed_column_is_named(book: Book, column: str, n: int) -> None:
    """In the first row, in the middle, at the end; every column counts."""
    changed = "7" if column == "fence" else f"'~' || substr({column}, 2)"
    with book.forced() as connection:
        connection.execute(f"UPDATE runbook_event SET {column} = {changed} WHERE n = ?", (n,))
    assert f"row {n} " in book.verdict().problem


def test_every_byte_of_a_body_counts(book: Book) -> None:
    """One character of one statement."""
    with book.forced() as connection:
        connection.execute("UPDATE runbook_event SET body = replace(body, 'OFFLINE', 'OFFLINF') WHERE n = 3")
    assert book.verdict().problem == "row 3 (statement s0) does not match its hash"


def test_text_moved_from_one_column_into_the_next_is_noticed(book: Book) -> None:
    """The columns are hashed with their lengths, not glued together."""
    with book.forced() as connection:
        connection.execute("UPDATE runbook_event SET step_id = 's0d', actor = substr(actor, 2) WHERE n = 2")
    assert "row 2 " in book.verdict().problem


@pytest.mark.parametrize("n", range(1, ROWS))
def test_a_removed_row_is_named(book: Book, n: int) -> None:
    """Wherever it was."""
    with book.forced() as connection:
        connection.execute("DELETE FROM runbook_event WHERE n = ?", (n,))
    assert book.verdict().problem == f"row {n} is missing (the next one is {n + 1})"


def test_a_removed_row_is_noticed_when_the_others_close_up(book: Book) -> None:
    """Renumbering what follows does not hide it."""
    with book.forced() as connection:
        connection.execute("DELETE FROM runbook_event WHERE n = 4")
        for n in range(5, ROWS + 1):
            connection.execute("UPDATE runbook_event SET n = ? WHERE n = ?", (n - 1, n))
    assert "row 4 " in book.verdict().problem


@pytest.mark.parametrize("removed", [1, 3])
def test_rows_removed_at_the_end_are_noticed(book: Book, removed: int) -> None:
    """The head says how many there are."""
    with book.forced() as connection:
        connection.execute("DELETE FROM runbook_event WHERE n > ?", (ROWS - removed,))
    first = ROWS - removed + 1
    assert book.verdict().problem == f"row {first} is missing: the journal ends at {first - 1} of {ROWS} rows"


def test_all_rows_removed_are_noticed(book: Book) -> None:
    """An empty run with a head is no run without history."""
    with book.forced() as connection:
        connection.execute("DELETE FROM runbook_event")
    assert not book.verdict().ok


def test_an_end_cut_off_with_its_head_is_noticed_by_the_last_hash(book: Book) -> None:
    """Who rewinds the head too is caught by the hash that was printed when the run ended."""
    printed = book.verdict().hash
    with book.forced() as connection:
        connection.execute("DELETE FROM runbook_event WHERE n = ?", (ROWS,))
        last = connection.execute("SELECT row_hash FROM runbook_event WHERE n = ?", (ROWS - 1,)).fetchone()[0]
        connection.execute("UPDATE runbook_head SET n = ?, row_hash = ?", (ROWS - 1, last))
    assert book.verdict().ok
    assert printed in book.verdict(expect=printed).problem


def test_an_inserted_row_is_named(book: Book) -> None:
    """In the middle, with the others moved to make room and its own hash in order."""
    with book.forced() as connection:
        for n in range(ROWS, 4, -1):
            connection.execute("UPDATE runbook_event SET n = ? WHERE n = ?", (n + 1, n))
        _forge(connection, 5)
    assert "row 6 " in book.verdict().problem


def test_a_row_added_at_the_end_is_named(book: Book) -> None:
    """Its hash fits, but the head does not know it."""
    with book.forced() as connection:
        _forge(connection, ROWS + 1)
    assert book.verdict().problem == f"row {ROWS + 1} was added after the end"


def test_swapped_rows_are_named(book: Book) -> None:
    """Two neighbours in the wrong order."""
    with book.forced() as connection:
        for old, new in ((3, 99), (4, 3), (99, 4)):
            connection.execute("UPDATE runbook_event SET n = ? WHERE n = ?", (new, old))
    assert "row 3 " in book.verdict().problem


def test_a_removed_head_is_noticed(book: Book) -> None:
    """The half that is left does not pass for the whole."""
    with book.forced() as connection:
        connection.execute("DELETE FROM runbook_head")
    assert book.verdict().problem == "the head of the run was removed"


def test_a_story_that_cannot_be_is_noticed_though_every_hash_fits(book: Book) -> None:
    """Rewritten from a row on, hashes and head included: a step that was never begun is done."""
    with book.forced() as connection:
        connection.execute("DELETE FROM runbook_event WHERE n = ?", (ROWS,))
        _forge(connection, ROWS, kind="step-done", step="s3")
        last = connection.execute("SELECT row_hash FROM runbook_event WHERE n = ?", (ROWS,)).fetchone()[0]
        connection.execute("UPDATE runbook_head SET row_hash = ?", (last,))
    assert "s3 may not go from pending to done" in book.verdict().problem


def test_nothing_is_done_on_a_journal_that_does_not_hold(book: Book) -> None:
    """An executor that reads it refuses to go on."""
    with book.forced() as connection:
        connection.execute("UPDATE runbook_event SET actor = 'nobody' WHERE n = 5")
    with pytest.raises(JournalCorrupt, match="row 5 "):
        book.another_log()


def _forge(connection: object, n: int, kind: str = "note", step: str = "") -> None:
    """Insert a row whose own hash fits the row before it."""
    before = connection.execute("SELECT row_hash FROM runbook_event WHERE n = ?", (n - 1,)).fetchone()  # type: ignore[attr-defined]
    previous = before[0] if before else GENESIS
    at, actor, body = "2026-03-21T10:00:00.000000+00:00", "dba@host/1", json.dumps({})
    digest = chain(previous, RUN, n, at, kind, step, actor, 0, body)
    values = (RUN, n, at, kind, step, actor, 0, body, previous, digest)
    connection.execute(f"INSERT INTO runbook_event VALUES ({', '.join('?' * 10)})", values)  # type: ignore[attr-defined]


@pytest.mark.parametrize("moment", ["head", "rows"])
def test_rows_added_while_it_is_read_are_no_contradiction(book: Book, moment: str) -> None:
    """A run is under way in another process: neither ``audit verify`` nor a second executor may call that damage."""

    class Meanwhile:
        """Somebody writes a row right after the head, or the rows, were read."""

        def rows(self, run_id: str) -> list[Row]:
            return self._then("rows", book.store.rows(run_id))

        def head(self, run_id: str) -> Head | None:
            return self._then("head", book.store.head(run_id))

        def _then(self, read: str, found: T) -> T:
            if read == moment:
                book.log.append(Draft(Kind.NOTE, None, {"text": f"after the {read}"}))
            return found

    assert verify_run(RUN, read_whole(Meanwhile(), RUN)).problem == ""
