"""A statement that should end is ended on the server, and the call does not return before that is certain."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from runbook.adapters.sqlserver.connection import Answer, Connection
from runbook.adapters.sqlserver.diagnostics import Failure
from runbook.adapters.sqlserver.statement import Patience, Runner
from runbook.errors import Cancelled, ServerError
from runbook.testing.clock import FakeClock
from runbook.testing.control import StatementLog, Stoppable
from tests.unit.adapters.sqlserver.wire import BROKEN, CANCELLED, Server, Wire

HASTE = Patience(attention=0.2, kill=0.2, idle=0.02, look=0.01)
RUNNING = [{"status": "running", "command": "RESTORE LOG"}]


class Bench:
    """A runner, its server, and somebody who can stop it."""

    def __init__(self, *, can_cancel: bool = True) -> None:
        self.clock = FakeClock()
        self.server = Server(self.clock, can_cancel=can_cancel)
        self.stoppable = Stoppable(self.clock)
        self.log = StatementLog()
        self.runner = Runner(self.server, self.stoppable, self.log, HASTE)
        self.started = Event()
        self.killed = Event()
        self.free = Event()
        self.server.answers["IF EXISTS (SELECT 1 FROM sys.dm_exec_sessions"] = self._kill

    def _kill(self, wire: Wire) -> None:
        del wire
        self.killed.set()

    def until(self, ended: str) -> object:
        """An answer that waits for ``cancelled`` or ``killed``, and then breaks as a driver would."""

        def answer(wire: Wire) -> BaseException:
            self.started.set()
            assert {"cancelled": wire.cancelled, "killed": self.killed, "free": self.free}[ended].wait(5)
            return CANCELLED if ended == "cancelled" else BROKEN

        return answer

    def stop_when_started(self) -> None:
        def stop() -> None:
            assert self.started.wait(5)
            self.stoppable.stop("the window closes")

        Thread(target=stop, daemon=True).start()

    def run(self, sql: str, *, effect: bool = True) -> Answer:
        connection = self.server.open_once()
        return self.runner.run(connection, sql, effect=effect)


def test_an_answer_is_recorded_and_returned() -> None:
    """A statement that ends by itself: its rows, and its record."""
    bench = Bench()
    bench.server.answers["SELECT 1"] = [{"one": 1}]
    assert bench.run("SELECT 1 AS one", effect=False).value() == 1
    assert [(entry.text, entry.effect, entry.said) for entry in bench.log.entries] == [("SELECT 1 AS one", False, "ok")]


def test_a_cancelled_statement_is_gone_before_the_call_returns() -> None:
    """Attention ends it; the server is asked whether it runs still; then Cancelled, with the reason."""
    bench = Bench()
    bench.server.answers["RESTORE"] = bench.until("cancelled")
    bench.stop_when_started()
    with pytest.raises(Cancelled, match="the window closes"):
        bench.run("RESTORE LOG [x]")
    assert bench.server.statements() == ["RESTORE LOG [x]", "SELECT s.status, r.command FROM sys.dm_e"]
    assert bench.log.entries[0].said == "ended on the server"
    assert all(wire.closed for wire in bench.server.wires)


@pytest.mark.parametrize("can_cancel", [True, False])
def test_what_does_not_heed_attention_is_killed(can_cancel: bool) -> None:
    """After a while its session is killed from a second connection, and that is recorded as an effect. Attention is
    asked for twice and no more: each time may meet the statement's end, and that ends the process in unixODBC."""
    bench = Bench(can_cancel=can_cancel)
    bench.server.answers["RESTORE"] = bench.until("killed")
    bench.stop_when_started()
    with pytest.raises(Cancelled):
        bench.run("RESTORE LOG [x]")
    assert bench.server.wires[0].cancels == (2 if can_cancel else 0)
    assert [entry.text.split("\n")[-1].strip() for entry in bench.log.entries if entry.effect] == [
        "RESTORE LOG [x]",
        "KILL 51",
    ]


def test_a_rollback_is_waited_for() -> None:
    """A killed session that still rolls back keeps the call from returning."""
    bench = Bench()
    bench.server.answers["RESTORE"] = bench.until("killed")
    looks = iter([RUNNING, RUNNING, []])
    bench.server.answers["SELECT s.status"] = lambda wire: next(looks)
    bench.stop_when_started()
    with pytest.raises(Cancelled):
        bench.run("RESTORE LOG [x]")
    assert list(looks) == []


def test_what_cannot_be_ended_is_said_to_run() -> None:
    """Killed and still there: an error in doubt that names the session, and nothing waits for the stuck thread."""
    bench = Bench()
    bench.server.answers["RESTORE"] = bench.until("free")
    bench.server.answers["SELECT s.status"] = RUNNING
    bench.stop_when_started()
    with pytest.raises(ServerError, match="session 51 was killed and is still running on the server") as caught:
        bench.run("RESTORE LOG [x]")
    assert caught.value.in_doubt
    assert caught.value.hint
    assert not bench.server.wires[0].closed
    bench.free.set()


def test_a_server_that_does_not_answer_leaves_doubt() -> None:
    """When nobody can look, the error says that it may be still running."""
    bench = Bench()
    bench.server.answers["RESTORE"] = bench.until("free")
    bench.stop_when_started()
    connection = bench.server.open_once()
    bench.server.reachable = False
    with pytest.raises(ServerError, match="may be still running") as caught:
        bench.runner.run(connection, "RESTORE LOG [x]", effect=True)
    assert caught.value.in_doubt
    bench.free.set()


def test_a_broken_connection_is_in_doubt_and_looked_after() -> None:
    """The client is cut off; before the error is raised the server has confirmed that nothing runs."""
    bench = Bench()
    bench.server.answers["BACKUP"] = BROKEN
    with pytest.raises(Failure) as caught:
        bench.run("BACKUP LOG [x]")
    assert caught.value.in_doubt
    assert caught.value.number is None
    assert "SELECT s.status, r.command FROM sys.dm_e" in bench.server.statements()


def test_a_read_is_never_in_doubt() -> None:
    """A broken connection under a read changes nothing."""
    bench = Bench()
    bench.server.answers["SELECT"] = BROKEN
    connection = Connection(Wire(bench.server, 51), "runbook r 1", can_cancel=True)
    with pytest.raises(Failure) as caught:
        bench.runner.run(connection, "SELECT 1", effect=False)
    assert not caught.value.in_doubt


def test_cancelled_before_it_was_sent() -> None:
    """Nothing reaches the server any more."""
    bench = Bench()
    connection = bench.server.open_once()
    bench.stoppable.stop("told to")
    with pytest.raises(Cancelled):
        bench.runner.run(connection, "DROP DATABASE [x]", effect=True)
    assert bench.server.statements() == []


def test_the_record_holds_what_it_is_shown() -> None:
    """A secret in the statement does not reach the record, nor an error."""
    bench = Bench()
    bench.server.answers["CREATE LOGIN"] = BROKEN
    connection = bench.server.open_once()
    with pytest.raises(Failure) as caught:
        bench.runner.run(connection, "CREATE LOGIN x 0xFEED", effect=True, shown="CREATE LOGIN x <masked>")
    assert "FEED" not in f"{caught.value.message}{caught.value.statement}{bench.log.entries}"
