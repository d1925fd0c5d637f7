"""A PostgreSQL that goes away: in a run, in a write, in a commit. Nothing is lost, and nothing is written twice."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from runbook.errors import JournalUnwritable, Refused, RunbookError
from runbook.events import Draft, Kind
from runbook.journal.store import SqlStore, open_for_reading
from tests.contract.journal.books import RUN, Book, store_of
from tests.contract.journal.places import PostgresqlDatabase
from tests.e2e.system import wait_until
from tests.postgresql import Cluster, running

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
