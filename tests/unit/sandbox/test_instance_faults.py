"""Injected faults do what they say, once, and leave a trace."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.sandbox.contract import Cancelled, ConnectionCut, SqlError
from runbook.sandbox.instance import faults
from runbook.sandbox.instance.instance import SandboxInstance
from tests.unit.sandbox.test_instance_fakes import Background, FakeSession, connect, eventually, server


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[SandboxInstance]:
    found = server(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def sa(instance: SandboxInstance) -> FakeSession:
    session = connect(instance)
    session.run("CREATE DATABASE db")
    return session


def log_of(instance: SandboxInstance) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (instance.directory / "statements.log").read_text().splitlines()]


def test_fail_strikes_matching_statements_and_counts(instance: SandboxInstance, sa: FakeSession) -> None:
    """--times 2 fails twice, whatever the case of letters; other statements are untouched; the log names each hit."""
    faults.add(instance.directory, "fail", r"checkpoint", times=2)
    assert sa.fails("CHECKPOINT") == [50998]
    sa.run("RECONFIGURE")
    assert sa.fails("CHECKPOINT") == [50998]
    sa.run("CHECKPOINT")
    assert [e["fault"] for e in log_of(instance) if e["event"] == "fault"] == ["fail", "fail"]
    assert [e.get("error") for e in log_of(instance) if e["event"] == "end" and e["sql"] == "CHECKPOINT"] == [
        50998,
        50998,
        None,
    ]
    assert faults.load(instance.directory) == []


def test_hang_ends_with_cancel_and_with_kill(instance: SandboxInstance, sa: FakeSession) -> None:
    """A hung statement ends at once when cancelled, and when its session is killed from another one."""
    faults.add(instance.directory, "hang", "CHECKPOINT")
    hung = Background(sa, "CHECKPOINT")
    monitor = connect(instance)
    eventually(lambda: any(r["wait_type"] == "SANDBOX_FAULT" for r in monitor.view("sys.dm_exec_requests")))
    before = time.monotonic()
    sa.cancel()
    assert isinstance(hung.join().problem, Cancelled)
    assert time.monotonic() - before < 0.3
    again = Background(sa, "CHECKPOINT")
    eventually(lambda: any(r["wait_type"] == "SANDBOX_FAULT" for r in monitor.view("sys.dm_exec_requests")))
    monitor.run(f"KILL {sa.spid}")
    problem = again.join().problem
    assert isinstance(problem, Cancelled)
    assert problem.killed
    assert [e["outcome"] for e in log_of(instance) if e["event"] == "end" and e["sql"] == "CHECKPOINT"] == [
        "cancelled",
        "killed",
    ]


def test_slow_delays_and_then_does_it(instance: SandboxInstance, sa: FakeSession) -> None:
    """The statement takes its seconds longer and has its effect."""
    faults.add(instance.directory, "slow", "CREATE DATABASE late", seconds=0.2)
    before = time.monotonic()
    sa.run("CREATE DATABASE late")
    assert time.monotonic() - before >= 0.2
    assert instance.find("late") is not None


def test_lie_answers_success_without_effect(instance: SandboxInstance, sa: FakeSession, tmp_path: Path) -> None:
    """No error, no file."""
    faults.add(instance.directory, "lie", "^BACKUP", times=1)
    sa.run(f"BACKUP DATABASE db TO DISK = '{tmp_path}/x.bak'")
    assert not (tmp_path / "x.bak").exists()
    sa.run(f"BACKUP DATABASE db TO DISK = '{tmp_path}/x.bak'")
    assert (tmp_path / "x.bak").exists()


def test_drop_cuts_before_the_effect(instance: SandboxInstance, sa: FakeSession) -> None:
    """The connection is cut and the effect is not there."""
    faults.add(instance.directory, "drop", "CREATE DATABASE", times=1)
    with pytest.raises(ConnectionCut):
        sa.run("CREATE DATABASE never")
    assert instance.find("never") is None


def test_disk_full_is_met_where_each_statement_needs_space(
    instance: SandboxInstance, sa: FakeSession, tmp_path: Path
) -> None:
    """BACKUP 3202 without a file, RESTORE 3257, CREATE DATABASE 5123, snapshot 5128, everything else 1105."""
    good = tmp_path / "good.bak"
    sa.run(f"BACKUP DATABASE db TO DISK = '{good}'")
    faults.add(instance.directory, "disk-full", "")
    assert sa.fails(f"BACKUP DATABASE db TO DISK = '{tmp_path}/x.bak'") == [3202, 3013]
    assert not (tmp_path / "x.bak").exists()
    assert sa.fails(f"RESTORE DATABASE db FROM DISK = '{good}' WITH REPLACE") == [3257, 3119, 3013]
    assert sa.fails("CREATE DATABASE x") == [5123, 1802]
    assert sa.fails(f"CREATE DATABASE s ON (NAME = db, FILENAME = '{tmp_path}/s') AS SNAPSHOT OF db") == [5128, 1802]
    assert sa.fails("RECONFIGURE") == [1105]
    faults.clear(instance.directory)
    assert sa.state("db") == "ONLINE"


def test_disk_full_while_appending_keeps_the_earlier_set(
    instance: SandboxInstance, sa: FakeSession, tmp_path: Path
) -> None:
    """A failed append leaves the file as it was before."""
    path = tmp_path / "x.bak"
    sa.run(f"BACKUP DATABASE db TO DISK = '{path}'")
    before = path.read_bytes()
    faults.add(instance.directory, "disk-full", "BACKUP", times=1)
    assert sa.fails(f"BACKUP DATABASE db TO DISK = '{path}'") == [3202, 3013]
    assert path.read_bytes() == before


def test_tail_backup_that_fails_gives_the_database_back(
    instance: SandboxInstance, sa: FakeSession, tmp_path: Path
) -> None:
    """BACKUP LOG WITH NORECOVERY on a full disk: no file, ONLINE as before, and the next attempt works."""
    sa.run(f"BACKUP DATABASE db TO DISK = '{tmp_path}/f.bak'")
    faults.add(instance.directory, "disk-full", "BACKUP LOG", times=1)
    statement = f"BACKUP LOG db TO DISK = '{tmp_path}/t.trn' WITH NORECOVERY"
    assert sa.fails(statement) == [3202, 3013]
    assert sa.state("db") == "ONLINE"
    sa.run(statement)
    assert sa.state("db") == "RESTORING"


def test_faults_end_with_their_time(instance: SandboxInstance, sa: FakeSession) -> None:
    """--seconds on anything but slow is how long the fault lives."""
    faults.add(instance.directory, "fail", "CHECKPOINT", seconds=0.1)
    assert sa.fails("CHECKPOINT") == [50998]
    time.sleep(0.12)
    sa.run("CHECKPOINT")


def test_broken_fault_file_does_not_stop_the_server(instance: SandboxInstance, sa: FakeSession) -> None:
    """Nonsense in faults.json, or an entry with a broken expression, is ignored; good entries count."""
    path = instance.directory / "faults.json"
    path.write_text("{ no json")
    sa.run("CHECKPOINT")
    path.write_text(json.dumps([{"kind": "fail", "match": "("}, 7, {"kind": "fail", "match": "CHECKPOINT"}]))
    assert sa.fails("CHECKPOINT") == [50998]


def test_unknown_kind_and_broken_expression_are_refused(tmp_path: Path) -> None:
    """Setting a fault checks kind and expression before anything is written."""
    with pytest.raises(ValueError, match="unknown fault"):
        faults.add(tmp_path, "explode")
    with pytest.raises(Exception, match=r"unterminated|missing"):
        faults.add(tmp_path, "fail", "(")
    assert not (tmp_path / "faults.json").exists()


def test_kill_fault_ends_the_process(tmp_path: Path) -> None:
    """The server is gone with status 9 at that statement; a restart finds everything that was committed."""
    child = os.fork()
    if child == 0:
        doomed = server(tmp_path / "s")
        session = connect(doomed)
        session.run("CREATE DATABASE db")
        session.write("db", "kept")
        faults.add(doomed.directory, "kill", "DROP DATABASE", times=1)
        session.run("DROP DATABASE db")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    again = server(tmp_path / "s")
    session = connect(again)
    assert session.read("db") == ["kept"]
    session.run("DROP DATABASE db")
    again.stop()


def test_passwords_do_not_reach_the_statement_log(instance: SandboxInstance, sa: FakeSession) -> None:
    """CREATE LOGIN is logged without its password."""
    sa.run("CREATE LOGIN app WITH PASSWORD = N'very secret', CHECK_POLICY = OFF")
    assert "very secret" not in (instance.directory / "statements.log").read_text()


def test_corrupt_names_the_database_it_concerns(
    instance: SandboxInstance, sa: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After RESTORE ... WITH RECOVERY one row of the restored database changes; inside a transaction it waits."""
    struck: list[str] = []
    monkeypatch.setattr(instance, "storage", Corrupting(instance.storage, struck))
    record = instance.find("db")
    assert record is not None
    faults.add(instance.directory, "corrupt", "ALTER DATABASE", times=1)
    sa.run("ALTER DATABASE db SET AUTO_CLOSE ON")
    assert struck == [record.path]
    faults.add(instance.directory, "corrupt", "CHECKPOINT", times=1)
    sa.run("USE db")
    sa.trancount = 1
    sa.run("CHECKPOINT")
    assert len(struck) == 1
    sa.trancount = 0
    sa.run("RECONFIGURE")
    assert struck == [record.path] * 2
    assert [e["database"] for e in log_of(instance) if e["event"] == "corrupted"] == ["db", "db"]


class Corrupting:
    """The storage with a recorded ``corrupt_one_row``."""

    def __init__(self, storage: Any, struck: list[str]) -> None:
        self._storage, self._struck = storage, struck

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def corrupt_one_row(self, path: str) -> str:
        self._struck.append(path)
        return "dbo.t"


def test_failed_statement_is_not_corrupted(
    instance: SandboxInstance, sa: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The corrupt fault strikes only statements that succeeded."""
    struck: list[str] = []
    monkeypatch.setattr(instance, "storage", Corrupting(instance.storage, struck))
    faults.add(instance.directory, "corrupt", "USE")
    with pytest.raises(SqlError):
        sa.run("USE nowhere")
    assert struck == []
