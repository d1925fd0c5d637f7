"""``status`` tells who watches: a guard that died is not taken for one, and one elsewhere is no promise."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runbook.adapters import detached
from runbook.adapters.detached import Place
from runbook.cli import main
from runbook.commands.guards import said
from runbook.events import Draft, Kind
from runbook.journal.lease import Process
from tests.unit.journal.books import RUN, Book

HOLDER = """\
import sys
from pathlib import Path
from runbook.adapters.detached import Place
place = Place(Path(sys.argv[1]))
assert place.take()
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A run under way."""
    made = Book(tmp_path / "journal.db")
    yield made
    made.close()


@pytest.fixture
def status(
    tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What ``runbook status`` prints."""
    monkeypatch.setenv("RUNBOOK_HOME", str(tmp_path))
    monkeypatch.delenv("RUNBOOK_JOURNAL", raising=False)

    def run(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["runbook", "status", *options])
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr().out

    return run


@contextmanager
def guard(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the place of this run's guard."""
    lock = home / "guard" / f"{RUN}.lock"
    words = [sys.executable, "-c", HOLDER, str(lock)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def note(book: Book, *given: Any, **more: Any) -> None:
    book.log.append(Draft(Kind.NOTE, None, {"text": "a guard", "finding": False, **said(*given, **more)}))


def guards(status: Callable[..., str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(status("--json"))["guards"]
    return found


def test_nobody_watches(status: Callable[..., str]) -> None:
    """Plainly."""
    assert guards(status) == []
    assert "guard: NONE watches" in status()


def test_a_guard_of_this_machine_is_known_by_its_process(
    tmp_path: Path, book: Book, status: Callable[..., str]
) -> None:
    """Its number and since when; killed, it is not shown a moment longer, although its file and its note stay."""
    began = datetime.now(UTC).replace(microsecond=0)
    with guard(tmp_path) as process:
        note(book, Process.here().host, process.pid, "1", watches=True, unfit="new: no rights")
        (found,) = guards(status)
        assert (found["process"], found["alive"], found["unfit"]) == (process.pid, True, "new: no rights")
        assert datetime.fromisoformat(found["since"]) >= began
        text = status()
        assert f"guard: process {process.pid} on {Process.here().host} watches since" in text
        assert "BUT IT COULD NOT TAKE OVER: new: no rights" in text
    assert guards(status) == []
    assert "guard: NONE watches" in status()


def test_a_guard_elsewhere_is_known_by_its_note_only(book: Book, status: Callable[..., str]) -> None:
    """Until it says that it ends its watch; whether it lives is not claimed."""
    note(book, "that-host", 7, "1", watches=True)
    (found,) = guards(status)
    assert (found["host"], found["alive"]) == ("that-host", None)
    assert "process 7 on that-host said at" in status()
    note(book, "that-host", 7, "1", watches=False)
    assert guards(status) == []


def test_a_guard_with_another_home_on_this_machine(book: Book, status: Callable[..., str]) -> None:
    """A second checkout: its process is there, or it is not."""
    here = Process.here()
    note(book, here.host, here.pid, here.token, watches=True)
    assert [one["alive"] for one in guards(status)] == [True]
    note(book, here.host, here.pid, "1", watches=True)
    assert guards(status) == []


def test_nobody_watches_what_has_ended(tmp_path: Path, book: Book, status: Callable[..., str]) -> None:
    """And nobody need."""
    book.log.append(Draft(Kind.RUN_FINISHED, None, {"ending": "reverted", "reason": "x"}))
    with guard(tmp_path):
        assert guards(status) == []
        assert "guard" not in status()


def test_looking_whether_a_place_is_taken_keeps_nobody_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks has it for a moment; whoever wants it asks again."""
    answers = iter([False, True])
    monkeypatch.setattr(detached, "_lock", lambda _handle: next(answers))
    assert Place(tmp_path / "lock").take()
