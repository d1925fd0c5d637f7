"""A commit in PostgreSQL whose answer is lost: looked up, never written twice."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from runbook.errors import FencedOut
from runbook.events import Draft, Kind
from runbook.journal.lease import Process, acquire
from runbook.journal.log import RunLog
from tests.contract.journal.books import RUN, Book
from tests.contract.journal.places import PostgresqlDatabase
from tests.e2e.system import wait_until
from tests.postgresql import Cluster, at_port

NOTE = Draft(Kind.NOTE, None, {"text": "seen"})


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
