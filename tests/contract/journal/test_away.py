"""A PostgreSQL that goes away: in a run, in a write, in a commit. Nothing is lost, and nothing is written twice."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from runbook.errors import FencedOut, JournalCorrupt, JournalUnwritable, Refused, RunbookError
from runbook.events import Draft, Kind
from runbook.journal.lease import Process, acquire
from runbook.journal.log import RunLog
from runbook.journal.store import SqlStore, open_for_reading, open_store
from tests.contract.journal.books import RUN, Book
from tests.contract.journal.places import PostgresqlDatabase
from tests.e2e.system import wait_until
from tests.postgresql import Cluster, at_port, running

NOTE = Draft(Kind.NOTE, None, {"text": "seen"})


@pytest.fixture(scope="module")
def own_server() -> Iterator[Cluster]:
    """One that may be stopped."""
    with running() as cluster:
        yield cluster


@pytest.fixture
def away(own_server: Cluster) -> Iterator[Book]:
    """A book on it."""
    place = PostgresqlDatabase(own_server.database())
    yield Book(place)
    place.close()


def store_of(book: Book) -> SqlStore:
    """The one that its log writes with."""
    assert isinstance(book.store, SqlStore)
    return book.store


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["shut down", "crashed"])
def test_a_server_that_is_away_for_a_while_is_waited_for(away: Book, own_server: Cluster, how: signal.Signals) -> None:
    """A write that is asked for meanwhile is made once it is back; whoever reads waits as well."""
    own_server.stop(how)
    written = threading.Event()
    writer = threading.Thread(target=lambda: (away.log.append(NOTE), written.set()))
    writer.start()
    assert not written.wait(0.7), "there is nobody who could have written it"
    own_server.start()
    writer.join(30)
    assert written.is_set()
    assert (away.verdict().ok, away.verdict().rows) == (True, 9)


def test_writers_go_on_through_a_crash_of_the_server(away: Book, own_server: Cluster) -> None:
    """Three machines write without pause while it crashes and comes back: every row once, one chain."""
    logs = [away.another_log() for _ in range(3)]
    failed: list[RunbookError] = []

    def write(log: object, name: int) -> None:
        try:
            for number in range(150):
                log.append(Draft(Kind.NOTE, None, {"text": f"{name}.{number}"}))  # type: ignore[attr-defined]
        except RunbookError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(log, name)) for name, log in enumerate(logs)]
    for thread in threads:
        thread.start()
    for least in (60, 200):
        wait_until(lambda least=least: (away.store.head(RUN) or (0,))[0] > least)
        own_server.stop(signal.SIGQUIT)
        own_server.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert away.verdict().problem == ""
    bodies = [row.body for row in away.store.rows(RUN, 8)]
    assert len(bodies) == len(set(bodies)) == 450


def test_a_server_that_stays_away_interrupts_the_run(away: Book, own_server: Cluster) -> None:
    """After a bounded time, with exit code 40 and what to do; when it is back the same log goes on."""
    store_of(away).patience = 0.5
    own_server.stop()
    try:
        with pytest.raises(JournalUnwritable, match="cannot be written") as caught:
            away.log.append(NOTE)
    finally:
        own_server.start()
    assert caught.value.exit_code == 40
    assert "resume" in caught.value.hint
    assert "server" in caught.value.hint
    away.log.append(NOTE)
    assert (away.verdict().ok, away.verdict().rows) == (True, 9)


def test_who_comes_after_one_that_waited_in_vain_does_not_wait_again(away: Book, own_server: Cluster) -> None:
    """An executor has many threads and its lease to give back; it must not end only when each has had its turn."""
    store_of(away).patience = 30
    failed: list[RunbookError] = []
    asking = threading.Event()

    def write() -> None:
        asking.set()
        try:
            away.store.beat(RUN, 1, "x")
        except RunbookError as error:
            failed.append(error)

    own_server.stop()
    try:
        waiting = threading.Thread(target=write)
        waiting.start()
        asking.wait()
        store_of(away).patience = 0.3
        with pytest.raises(JournalUnwritable):
            away.log.append(NOTE)
        store_of(away).patience = 30
        waiting.join(5)
        assert [error.exit_code for error in failed] == [40], "nor does one who waits already"
        later = threading.Thread(target=write)
        later.start()
        later.join(5)
        assert len(failed) == 2
    finally:
        own_server.start()
    away.log.append(NOTE)
    assert away.verdict().ok


def test_who_only_looks_is_refused_while_it_is_away(away: Book, own_server: Cluster) -> None:
    """Without a word about an interrupted run; and without waiting when it cannot even be reached."""
    reader = open_for_reading(away.place.url)
    assert isinstance(reader, SqlStore)
    reader.patience = 0.2
    own_server.stop()
    try:
        with pytest.raises(Refused, match="cannot be read"):
            reader.rows(RUN)
        with pytest.raises(Refused, match="cannot be opened"):
            open_for_reading(away.place.url)
    finally:
        own_server.start()
        reader.close()


# --- a commit without an answer --------------------------------------------------------------------------------------


class Cut:
    """Stands between the journal and its server, and cuts the connection at the next commit, once."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.at_commit = ""
        """``unsent``: the server never hears of it; ``done``: it did it, and nobody hears; ``late``: it does it when
        the journal asks again already."""
        self.then: Callable[[], object] = lambda: None
        """Called when it is cut, before the journal notices."""
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self._to))
                threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """Between both, until one ends or the moment comes."""
        with suppress(OSError), client, server:
            while True:
                for one in select.select([client, server], [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    if one is client and self.at_commit and data.endswith(b"COMMIT\0"):
                        self._cut(client, server, data)
                        return
                    (server if one is client else client).sendall(data)

    def _cut(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        when, self.at_commit = self.at_commit, ""
        before = self.connections
        if when == "done":
            server.sendall(data)
            assert server.recv(65536)
        self.then()
        client.close()
        if when == "late":
            wait_until(lambda: self.connections > before)
            threading.Event().wait(0.3)  # until the journal stands at the lock of the first try; less would show less
            server.sendall(data)
            assert server.recv(65536)

    def close(self) -> None:
        """No more connections."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture
def cut(postgresql: Cluster) -> Iterator[Cut]:
    """A line that can be cut."""
    made = Cut(postgresql.port)
    yield made
    made.close()


@pytest.fixture
def cut_off(postgresql: Cluster, cut: Cut) -> Iterator[Book]:
    """A book whose log writes over that line; others reach the server directly."""
    place = PostgresqlDatabase(postgresql.database())
    direct, place.url = place.url, at_port(place.url, cut.port)
    book = Book(place)
    place.url = direct
    yield book
    place.close()


MOMENTS = ["unsent", "done", "late"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_commit_without_an_answer_is_looked_up(cut_off: Book, cut: Cut, moment: str) -> None:
    """Whether the server did it or not, the row is there once, and the log goes on from it."""
    cut_off.log.buffer(NOTE)
    cut.at_commit = moment
    cut_off.log.append(Draft(Kind.STEP_STARTED, "s2", {"intent": "s2", "undo": None}))
    assert cut.at_commit == "", "it was cut"
    assert [row.kind for row in cut_off.store.rows(RUN, 8)] == ["note", "step-started"]
    cut_off.log.append(Draft(Kind.STEP_DONE, "s2"))
    assert (cut_off.verdict().problem, cut_off.verdict().rows) == ("", 11)


@pytest.mark.parametrize(("moment", "kinds"), [("unsent", ["note", "step-done"]), ("done", ["step-done", "note"])])
def test_somebody_else_writes_before_it_is_looked_up(cut_off: Book, cut: Cut, moment: str, kinds: list[str]) -> None:
    """Their row does not hide whether ours is there: it is written once, before or after."""
    other = cut_off.another_log()
    cut_off.log.append(Draft(Kind.STEP_STARTED, "s2", {"intent": "s2", "undo": None}))
    cut.then = lambda: other.append(NOTE)
    if moment == "unsent":  # the server still holds the lock of a transaction that nobody will end
        cut.then = lambda: threading.Thread(target=other.append, args=(NOTE,)).start()
    cut.at_commit = moment
    cut_off.log.append(Draft(Kind.STEP_DONE, "s2"))
    wait_until(lambda: len(cut_off.store.rows(RUN, 9)) == 2)
    assert sorted(row.kind for row in cut_off.store.rows(RUN, 9)) == sorted(kinds)
    if moment == "done":
        assert [row.kind for row in cut_off.store.rows(RUN, 9)] == kinds
    assert cut_off.verdict().problem == ""


@pytest.mark.parametrize(("moment", "written"), [("unsent", False), ("done", True)])
def test_a_successor_takes_over_before_it_is_looked_up(cut_off: Book, cut: Cut, moment: str, written: bool) -> None:
    """What was written under the old number is known as written; what was not is fenced out."""
    lease = acquire(cut_off.store, RUN, "first", Process("a", 1, ""), cut_off.clock.now)
    cut_off.log.fence = lease.fence
    successor = cut_off.another_store()
    cut_off.clock.advance(60)
    taken = threading.Event()

    def take_over() -> None:
        acquire(successor, RUN, "second", Process("b", 2, ""), cut_off.clock.now)
        taken.set()

    def then() -> None:
        if moment == "done":
            take_over()
            return
        for row in postgres_sessions(cut_off):  # as the server does with a session whose line is dead
            Cluster.execute(cut_off.place.url, f"SELECT pg_terminate_backend({row})")
        take_over()

    cut.then, cut.at_commit = then, moment
    if written:
        cut_off.log.append(NOTE)
    else:
        with pytest.raises(FencedOut):
            cut_off.log.append(NOTE)
    assert taken.is_set()
    assert len(cut_off.store.rows(RUN, 8)) == int(written)
    assert cut_off.verdict().problem == ""


def postgres_sessions(book: Book) -> list[object]:
    """Those that stand in a transaction."""
    asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
    return [pid for (pid,) in Cluster.execute(book.place.url, asked)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_lease_that_was_taken_without_an_answer_is_held(cut_off: Book, cut: Cut, moment: str) -> None:
    """It is not taken for somebody else's; and it can be renewed and given back."""
    cut.at_commit = moment
    lease = acquire(cut_off.store, RUN, "first", Process("a", 1, ""), cut_off.clock.now)
    cut.at_commit = moment
    assert lease.beat()
    cut.at_commit = moment
    lease.release()
    found = cut_off.store.lease(RUN)
    assert found is not None
    assert (cut.at_commit, found.fence, found.released) == ("", 1, 1)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_is_opened_once_without_an_answer(cut_off: Book, cut: Cut, moment: str) -> None:
    """Its own first row is not taken for that of another run with the same name."""
    opening = Draft(Kind.RUN_OPENED, None, dict(cut_off.log.view.opening))
    cut.at_commit = moment
    log = RunLog.open_run(cut_off.store, "another", opening, actor="x", now=cut_off.clock.now)
    log.append(NOTE)
    assert len(cut_off.store.rows("another")) == 2


# --- a process that stands still in a transaction --------------------------------------------------------------------

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
