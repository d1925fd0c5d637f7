"""At most one executor, and nothing that a kill could leave behind has to be removed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from runbook.errors import AlreadyRunning, UsageError
from runbook.journal.lease import Lease, Process, acquire, is_live
from runbook.journal.term import TERM, term
from tests.contract.journal.books import RUN, Book

HERE = Process("this-host", 4711, "")
THERE = Process("that-host", 4711, "")


def take(book: Book, who: Process = HERE) -> Lease:
    return acquire(book.another_store(), RUN, f"somebody@{who.host}", who, book.clock.now)


def test_a_lease_is_held_until_its_term_is_over(book: Book) -> None:
    """The second executor is refused, with who holds it; after the term it gets a higher number."""
    first = take(book)
    book.clock.advance(TERM - 0.1)
    with pytest.raises(AlreadyRunning, match="somebody@this-host"):
        take(book, THERE)
    book.clock.advance(0.2)
    assert take(book, THERE).fence == first.fence + 1


def test_a_heartbeat_renews_it(book: Book) -> None:
    """The term counts from the last sign of life."""
    first = take(book)
    for _ in range(4):
        book.clock.advance(TERM * 0.9)
        assert first.beat()
    with pytest.raises(AlreadyRunning):
        take(book, THERE)


def test_a_lost_lease_is_felt_at_the_next_heartbeat(book: Book) -> None:
    """It is not renewed, and the new holder's is not touched."""
    first = take(book)
    book.clock.advance(TERM + 1)
    second = take(book, THERE)
    assert not first.beat()
    first.release()
    assert second.beat()
    with pytest.raises(AlreadyRunning):
        take(book)


def test_a_released_lease_is_free_at_once(book: Book) -> None:
    """Nobody waits for a term after an orderly end."""
    first = take(book)
    first.release()
    assert take(book, THERE).fence == first.fence + 1


@pytest.mark.skipif(sys.platform != "linux", reason="processes are recognised through /proc")
def test_the_lease_of_a_dead_process_lapses_at_once(book: Book) -> None:
    """On the same host nobody waits for the term of a process that was killed."""
    sleeper = subprocess.Popen([sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert sleeper.stdout is not None
    sleeper.stdout.readline()
    token = _started_at(sleeper.pid)
    holder = Process("this-host", sleeper.pid, token)
    acquire(book.store, RUN, "sleeper", holder, book.clock.now)
    assert is_live(book.store.lease(RUN), book.clock.now(), HERE)
    sleeper.kill()
    sleeper.communicate()
    assert not is_live(book.store.lease(RUN), book.clock.now(), HERE)
    assert take(book).fence == 2


def test_a_process_number_given_to_another_process_is_not_the_holder(book: Book) -> None:
    """The same number with another start time is somebody else."""
    impostor = Process("this-host", os.getpid(), "1")
    acquire(book.store, RUN, "gone", impostor, book.clock.now)
    assert not is_live(book.store.lease(RUN), book.clock.now(), HERE)


def test_a_process_elsewhere_is_judged_by_its_heartbeat_alone(book: Book) -> None:
    """Its number means nothing on this host."""
    acquire(book.store, RUN, "far", Process("that-host", 2**22, "1"), book.clock.now)
    assert is_live(book.store.lease(RUN), book.clock.now(), HERE)


def test_of_many_that_ask_at_once_one_gets_it(book: Book) -> None:
    """The others are refused; the numbers do not double."""
    got: list[int] = []
    refused: list[str] = []

    def ask(number: int) -> None:
        try:
            got.append(take(book, Process(f"host-{number}", number, "")).fence)
        except AlreadyRunning as error:
            refused.append(error.message)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got, len(refused)) == ([1], 5)


def test_a_run_that_does_not_exist_has_no_lease(book: Book) -> None:
    """It cannot be taken; that is said, with its name and what to do, and nothing is left of the try."""
    with pytest.raises(UsageError, match="there is no run called nobody in this journal") as caught:
        acquire(book.store, "nobody", "x", HERE, book.clock.now)
    assert "runbook runs" in caught.value.hint
    assert book.store.lease("nobody") is None
    assert book.store.beat("nobody", 1, book.clock.now().isoformat()) is False
    assert book.store.run_ids() == [RUN]


def test_a_lease_that_moved_meanwhile_is_not_taken(book: Book) -> None:
    """Its holder gave a sign of life between the look and the grasp: nothing changes, also not who may write."""
    first = take(book)
    seen = book.store.lease(RUN)
    assert seen is not None
    book.clock.advance(1)
    assert first.beat()
    assert not book.store.take_lease(seen._replace(fence=2), before=seen)
    head = book.store.head(RUN)
    assert head is not None
    assert (head.fence, first.beat()) == (1, True)


def test_a_lease_that_was_renewed_since_is_not_taken_by_a_clock_that_is_ahead(book: Book) -> None:
    """An hour, on the machine of whoever watched it: its holder beat meanwhile, so it is alive."""
    first = take(book)
    seen = book.store.lease(RUN)
    book.clock.advance(1)
    assert first.beat()
    ahead = lambda: book.clock.now() + timedelta(hours=1)  # noqa: E731
    with pytest.raises(AlreadyRunning, match="somebody@this-host"):
        acquire(book.another_store(), RUN, "x", THERE, ahead, lapsed=seen)
    assert first.beat()


def test_a_number_is_not_given_twice(book: Book) -> None:
    """Nor a lower one, whatever its holder says."""
    take(book)
    seen = book.store.lease(RUN)
    assert seen is not None
    assert not book.store.take_lease(seen._replace(owner="other"), before=seen)
    assert book.store.lease(RUN) == seen


def _started_at(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[19]


def test_tests_may_want_another_term(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease carries the term it was taken with: whoever watches goes by that, not by an own one."""
    monkeypatch.setenv("RUNBOOK_LEASE", "3")
    first = take(book)
    monkeypatch.delenv("RUNBOOK_LEASE")
    book.clock.advance(2.9)
    assert is_live(book.store.lease(RUN), book.clock.now(), THERE)
    book.clock.advance(0.2)
    assert take(book, THERE).fence == first.fence + 1


@pytest.mark.parametrize("text", ["soon", "0.5", "601", "-3", "nan", "inf"])
def test_a_term_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not taken for the usual one, and said at the command line before anything is opened."""
    monkeypatch.setenv("RUNBOOK_LEASE", text)
    with pytest.raises(UsageError, match="RUNBOOK_LEASE") as caught:
        term()
    assert "1 to 600" in caught.value.hint
    done = subprocess.run([sys.executable, "-m", "runbook", "runs"], capture_output=True, text=True, check=False)
    assert (done.returncode, "RUNBOOK_LEASE" in done.stderr) == (2, True), done.stderr
