"""Reads share sessions; nothing of one read reaches the next, and nothing that changes something shares."""

from __future__ import annotations

import pytest

from runbook.adapters.sqlserver import idle
from runbook.adapters.sqlserver.client import Client
from runbook.adapters.sqlserver.idle import Idle
from runbook.adapters.sqlserver.server import Server
from runbook.errors import ServerError, WrongTarget
from runbook.ports import ServerIdentity, UserAccess
from runbook.testing.clock import FakeClock
from runbook.testing.control import StatementLog, Unstoppable
from tests.unit.adapters.sqlserver import wire

IDENTITY = ServerIdentity("OLDSQL", "OLDSQL", "15.0.4430.1", "Developer", 3, "", "Linux", "/", "/", "/", "/")


class Bench:
    """A client with idle sessions on a wire that notes which session was sent what."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.wire = wire.Server(self.clock)
        self.wire.answers["SELECT 1"] = [{"one": 1}]
        self.idle = Idle(self.clock.monotonic)
        self.client = Client(self.wire, Unstoppable(self.clock), StatementLog(), idle=self.idle)

    def sessions(self) -> int:
        """How many were opened."""
        return len(self.wire.wires)

    def open(self) -> list[int]:
        """Numbers of those that are still there."""
        return [one.session_id for one in self.wire.wires if not one.closed]


@pytest.fixture
def bench() -> Bench:
    """One for each test."""
    return Bench()


def test_reads_share_a_session(bench: Bench) -> None:
    """Three reads, one login."""
    for _ in range(3):
        assert bench.client.read("SELECT 1").value() == 1
    assert bench.sessions() == 1


def test_a_session_goes_back_to_master(bench: Bench) -> None:
    """One that stayed in the database would keep it from being closed."""
    bench.client.read("SELECT 1", "Contacts")
    assert [sql for _, sql in bench.wire.sent[1:]] == ["USE [Contacts]", "SELECT 1;\nUSE [master]"]
    bench.wire.sent.clear()
    with bench.client.reading("Contacts") as session:
        session.read("SELECT 1")
    assert bench.wire.statements() == ["USE [Contacts]", "SELECT 1", "USE [master]"]
    bench.wire.sent.clear()
    bench.client.read("SELECT 1")
    assert bench.wire.statements() == ["SELECT 1"]


def test_what_changes_something_has_a_session_of_its_own(bench: Bench) -> None:
    """It is opened for it and closed after it."""
    bench.client.read("SELECT 1")
    bench.client.effect("ALTER DATABASE [x] SET OFFLINE")
    changed = next(number for number, sql in bench.wire.sent if sql.startswith("ALTER"))
    assert changed == 52
    assert bench.open() == [51]


def two(bench: Bench) -> None:
    """Idle sessions."""
    with bench.client.reading(), bench.client.reading():
        pass
    assert bench.open() == [51, 52]


def test_a_refusal_costs_no_login(bench: Bench) -> None:
    """The server said why: every session would be told the same, and stays."""
    two(bench)
    bench.wire.answers["SELECT 2"] = wire.odbc_error("42S02", "[SQL Server]Invalid object name 'x'. (208) (SQLExec)")
    with pytest.raises(ServerError):
        bench.client.read("SELECT 2")
    assert bench.client.read("SELECT 1").value() == 1
    assert bench.open() == [51, 52]


def test_a_refusal_in_a_database_leaves_none_there(bench: Bench) -> None:
    """That session is closed, wherever it stands; the others are in master."""
    two(bench)
    bench.wire.answers["SELECT 2"] = wire.odbc_error("42S02", "[SQL Server]Invalid object name 'x'. (208) (SQLExec)")
    with pytest.raises(ServerError):
        bench.client.read("SELECT 2", "Contacts")
    assert len(bench.open()) == 1


@pytest.mark.parametrize("problem", [wire.BROKEN, wire.CANCELLED, wire.odbc_error("42000", "no more (596) (SQLExec)")])
def test_after_an_error_that_is_no_answer_none_is_trusted(bench: Bench, problem: Exception) -> None:
    """The session that failed is closed, and so are the others that are as old."""
    two(bench)
    bench.wire.answers["SELECT 2"] = problem
    with pytest.raises(ServerError):
        bench.client.read("SELECT 2")
    assert bench.open() == []


def test_a_broken_session_costs_one_more_try(bench: Bench) -> None:
    """The server was started again meanwhile: the read is done on a new session."""
    bench.client.read("SELECT 1")
    bench.wire.answers["SELECT 2"] = lambda w: wire.BROKEN if w.session_id == 51 else [{"two": 2}]
    assert bench.client.read("SELECT 2").value() == 2
    assert bench.open() == [52]


def test_one_that_waited_long_is_closed(bench: Bench) -> None:
    """A firewall or another server may be in between by then."""
    bench.client.read("SELECT 1")
    bench.clock.advance(idle.LINGER + 1)
    bench.client.read("SELECT 1")
    assert bench.open() == [52]


def test_closed_at_the_end(bench: Bench) -> None:
    """And none is kept from then on."""
    bench.client.read("SELECT 1")
    bench.idle.close()
    bench.client.read("SELECT 1")
    assert bench.open() == []


def test_who_answers_is_asked_on_the_session_that_carries_the_change(bench: Bench) -> None:
    """An address that leads elsewhere by now: what idle sessions of the old server say does not count."""
    server = Server(bench.client, "r")
    asked = "SELECT CAST(SERVERPROPERTY('ServerName')"
    bench.wire.answers[asked] = lambda w: [{"server_name": "OLDSQL" if w.session_id == 51 else "CLONE"}]
    bench.client.read("SELECT 1")
    server.pin(IDENTITY, {})
    for change in (
        lambda: server.set_job_enabled("0f8fad5b-d9cb-469f-a165-70867728950e", enabled=False),
        lambda: server.drop_login("mailer_app"),
        lambda: server.kill(60),
        lambda: server.set_user_access("Contacts", UserAccess.MULTI_USER),
    ):
        with pytest.raises(WrongTarget, match="CLONE"):
            change()
    assert not [sql for _, sql in bench.wire.sent if sql.startswith(("EXEC", "DROP", "KILL", "IF", "ALTER"))]
