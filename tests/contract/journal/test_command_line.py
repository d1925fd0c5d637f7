"""The commands that look at a journal, wherever it is: the same answers, and nothing is changed by looking."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runbook.adapters.clock import SystemClock
from runbook.journal.lease import Process, acquire
from tests.contract.journal.books import RUN, Book
from tests.contract.journal.places import TABLES, PostgresqlDatabase
from tests.postgresql import Cluster

ROOT = Path(__file__).parents[3]


def runbook(home: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command line with this journal."""
    environment = {**os.environ, "RUNBOOK_HOME": str(home), "RUNBOOK_JOURNAL": url, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "runbook", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("place", TABLES, indirect=True)
def test_looking_at_a_run(book: Book, tmp_path: Path) -> None:
    """``status``, ``runs`` and ``audit`` know what is in it; ``hold`` is recorded; the chain holds."""

    def ask(*arguments: str) -> str:
        done = runbook(tmp_path / "home", book.place.url, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    status = json.loads(ask("status", "--json"))
    assert (status["run"], status["plan"], status["state"]) == (RUN, "Größe 大", "interrupted")
    assert [step["state"] for step in status["steps"]] == ["done", "done", "pending", "pending"]
    assert RUN in ask("runs")
    lease = acquire(book.store, RUN, "dba@elsewhere/1", Process("elsewhere", 1, ""), SystemClock().now)
    assert json.loads(ask("status", "--json"))["executor"] == "dba@elsewhere/1"
    assert lease.beat()
    ask("hold", "--reason", "the boss called")
    assert "the boss called" in ask("audit", "show")
    assert len(ask("audit", "export").splitlines()) == 9
    assert f"run {RUN}" in ask("audit", "verify")
    assert not (tmp_path / "home" / "journal.db").exists()


@pytest.mark.parametrize("place", TABLES, indirect=True)
def test_a_changed_row_is_named(book: Book, tmp_path: Path) -> None:
    """``audit verify`` ends with 20."""
    with book.forced() as hand:
        hand.execute("UPDATE runbook_event SET body = '{}' WHERE n = 3")
    done = runbook(tmp_path / "home", book.place.url, "audit", "verify")
    assert (done.returncode, "row 3 " in done.stdout) == (20, True)


@pytest.mark.parametrize("verb", ["status", "runs", "audit show", "audit verify"])
def test_looking_into_an_empty_database_leaves_it_empty(postgresql: Cluster, tmp_path: Path, verb: str) -> None:
    """There is no run yet; whoever looks may not be who should own the tables."""
    url = postgresql.database()
    done = runbook(tmp_path / "home", url, *verb.split(" "))
    if verb in ("status", "audit show"):
        assert (done.returncode, "there is no run yet" in done.stderr) == (2, True), done.stderr
    else:
        assert done.returncode == 0, done.stderr
    assert Cluster.execute(url, "SELECT relname FROM pg_class WHERE relname LIKE 'runbook%'") == []


def test_whoever_may_only_read_can_look(postgresql: Cluster, tmp_path: Path) -> None:
    """With SELECT on the tables and nothing else; what would write says what is missing."""
    place = PostgresqlDatabase(postgresql.database())
    book = Book(place)
    for statement in (
        "CREATE ROLE visitor LOGIN PASSWORD 'v1sitor'",
        "GRANT SELECT ON runbook_event, runbook_head, runbook_lease TO visitor",
    ):
        Cluster.execute(place.url, statement)
    url = place.url.replace(f"runbook:{postgresql.password}", "visitor:v1sitor")
    assert runbook(tmp_path / "home", url, "status").returncode == 0
    assert runbook(tmp_path / "home", url, "audit", "verify").returncode == 0
    acquire(book.store, RUN, "dba@elsewhere/1", Process("elsewhere", 1, ""), SystemClock().now)
    place.close()
    done = runbook(tmp_path / "home", url, "hold", "--reason", "x")
    assert (done.returncode, "permission denied" in done.stderr) == (40, True), done.stderr
    assert "v1sitor" not in done.stderr


def test_a_wrong_password_is_said_at_once_and_not_shown(postgresql: Cluster, tmp_path: Path) -> None:
    """With the place, the cause and a hint."""
    url = postgresql.database().replace(postgresql.password, "tops3cret")
    done = runbook(tmp_path / "home", url, "status")
    assert done.returncode == 30
    assert "password authentication failed" in done.stderr
    assert "HINT: " in done.stderr
    assert "tops3cret" not in done.stderr
