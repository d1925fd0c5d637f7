"""What only a journal in a SQLite file has: its mode, its files, its place. The contract: tests/contract."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from runbook.errors import JournalError, Refused
from runbook.events import Draft, Kind
from runbook.journal.store import open_store
from tests.unit.journal.books import Book


@pytest.fixture
def connections() -> Iterator[list[Any]]:
    """The connections that are made from now on, as the driver has them."""
    made: list[Any] = []

    def remember(connection: Any, _record: Any) -> None:
        made.append(connection)

    event.listen(Pool, "connect", remember)
    yield made
    event.remove(Pool, "connect", remember)


def test_the_triggers_are_there_after_opening_again(book: Book) -> None:
    """Opening an existing journal neither loses nor doubles them."""
    book.another_store().close()
    connection = sqlite3.connect(book.file)
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name").fetchall()
    connection.close()
    assert [name for (name,) in found] == ["runbook_event_no_delete", "runbook_event_no_update"]


def test_every_row_survives_the_loss_of_power(book: Book, connections: list[Any]) -> None:
    """The file is in the mode that SQLite's manual names durable; asked from the connection that writes."""
    book.another_store()
    names = ("journal_mode", "synchronous")
    assert [connections[-1].execute(f"PRAGMA {name}").fetchone()[0] for name in names] == ["wal", 2]


# --- when the disk is full -----------------------------------------------------------------------------------------


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
