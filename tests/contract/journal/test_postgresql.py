"""What a PostgreSQL server has to be, and whom a process that stands still in a transaction holds up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.errors import JournalCorrupt, Refused, RunbookError
from runbook.journal.lease import Process, acquire
from runbook.journal.store import open_for_reading, open_store
from tests.contract.journal.books import RUN, Book, store_of
from tests.contract.journal.places import PostgresqlDatabase
from tests.postgresql import Cluster, running

STOPPED = """
import os, signal, sys
from runbook.adapters.clock import SystemClock
from runbook.errors import FencedOut
from runbook.events import Draft, Kind
from runbook.journal.log import RunLog
from runbook.journal.store import open_store
store = open_store(sys.argv[1])
log = RunLog.load(store, sys.argv[2], actor="sleeper", now=SystemClock().now, fence=int(sys.argv[3]))
real = store._statements.add_row
def stop_in_the_middle(*values):
    store._statements.add_row = real
    os.kill(os.getpid(), signal.SIGSTOP)
    real(*values)
store._statements.add_row = stop_in_the_middle
try:
    log.append(Draft(Kind.NOTE, None, {"text": "late"}))
except FencedOut:
    print("fenced out", flush=True)
"""


@pytest.fixture
def sleeper(postgresql: Cluster) -> Iterator[tuple[Book, subprocess.Popen[str]]]:
    """An executor that holds the lease and was stopped between two statements of a write."""
    place = PostgresqlDatabase(postgresql.database())
    book = Book(place)
    lease = acquire(book.store, RUN, "sleeper", Process("a", 1, ""), book.clock.now)
    command = [sys.executable, "-c", STOPPED, place.url, RUN, str(lease.fence)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            yield book, process
        finally:
            process.kill()
            place.close()


def test_a_process_stopped_inside_a_transaction_blocks_nobody_for_long(
    sleeper: tuple[Book, subprocess.Popen[str]],
) -> None:
    """The server ends its session; a successor takes over within the term of a lease, and the sleeper is fenced out."""
    book, process = sleeper
    book.clock.advance(60)
    successor = acquire(book.another_store(), RUN, "second", Process("b", 2, ""), book.clock.now)
    process.send_signal(signal.SIGCONT)
    assert process.stdout is not None
    assert process.stdout.read() == "fenced out\n"
    assert successor.beat()
    assert (book.verdict().problem, book.verdict().rows) == ("", 8)


# --- what a server has to be -----------------------------------------------------------------------------------------


def test_two_that_begin_in_the_same_second_make_one_journal(postgresql: Cluster) -> None:
    """The tables of an empty database are made once, by whoever is first."""
    url, failed = postgresql.database(), []
    begin = threading.Barrier(4)

    def open_it() -> None:
        begin.wait()
        try:
            open_store(url).close()
        except RunbookError as error:
            failed.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    found = Cluster.execute(url, "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'runbook%' ORDER BY tgname")
    assert [name for (name,) in found] == [f"runbook_event_no_{verb}" for verb in ("delete", "truncate", "update")]


def test_a_database_that_cannot_hold_every_text_is_refused(postgresql: Cluster) -> None:
    """Before anything is written, with how to make one."""
    with pytest.raises(Refused, match="LATIN1") as caught:
        open_store(postgresql.database("LATIN1"))
    assert "createdb" in caught.value.hint


def test_a_server_that_forgets_is_refused() -> None:
    """A journal that is gone after a crash is no journal; a commit that may be lost is made one that may not."""
    with running("fsync=off", "synchronous_commit=off") as cluster, pytest.raises(Refused, match="fsync off"):
        open_store(cluster.database())
    with running("synchronous_commit=off", "default_transaction_isolation=serializable") as cluster:
        place = PostgresqlDatabase(cluster.database())
        book = Book(place)
        for name, wanted in (("synchronous_commit", "on"), ("transaction_isolation", "read committed")):
            found = store_of(book)._transactions.read(
                lambda cursor, name=name: cursor.execute(f"SHOW {name}").fetchone()
            )
            assert found == (wanted,)
        place.close()


def test_truncate_is_refused_too(postgresql: Cluster) -> None:
    """It is neither an update nor a delete to PostgreSQL."""
    place = PostgresqlDatabase(postgresql.database())
    book = Book(place)
    with pytest.raises(place.refusal, match="append-only"):
        Cluster.execute(place.url, "TRUNCATE runbook_event")
    assert book.verdict().ok
    place.close()


def test_another_owners_tables_are_not_taken_for_a_journal(postgresql: Cluster) -> None:
    """Named as such, for who reads and who writes."""
    url = postgresql.database()
    Cluster.execute(url, "CREATE TABLE runbook_head (run_id text); CREATE TABLE runbook_event (run_id text)")
    reader = open_for_reading(url)
    with pytest.raises(JournalCorrupt, match="not a journal"):
        reader.head("x")
    reader.close()
