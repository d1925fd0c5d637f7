"""Two sessions at once, and a cancel at each stage of long work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.sandbox.contract import Cancelled, SqlError
from runbook.sandbox.instance.instance import SandboxInstance
from tests.unit.sandbox.test_instance_fakes import Background, FakeSession, connect, eventually, server


class Held:
    """The storage, with copies that stop half-way until they are let go; they can be cancelled there."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self.reached = threading.Event()
        self.go = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def copy_file(self, source: str, target: str, progress: Callable[[float], None], check: Callable[[], None]) -> None:
        self._storage.copy_file(source, target, progress, check)
        progress(0.5)
        self.reached.set()
        while not self.go.wait(0.005):
            check()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[SandboxInstance]:
    found = server(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def sa(instance: SandboxInstance) -> FakeSession:
    session = connect(instance)
    session.run("CREATE DATABASE db")
    session.write("db", "one")
    session.run("BACKUP DATABASE db TO DISK = 'f.bak'")
    return session


@pytest.fixture
def held(instance: SandboxInstance, sa: FakeSession, monkeypatch: pytest.MonkeyPatch) -> Held:
    found = Held(instance.storage)
    monkeypatch.setattr(instance, "storage", found)
    return found


def test_backups_of_one_database_are_serialised(instance: SandboxInstance, sa: FakeSession, held: Held) -> None:
    """A second full is 3023; a log backup waits for its turn, so that its LSNs come after the full's."""
    first = Background(connect(instance), "BACKUP DATABASE db TO DISK = 'a.bak'")
    held.reached.wait(5)
    assert sa.fails("BACKUP DATABASE db TO DISK = 'b.bak'") == [3023, 3013]
    log = Background(sa, "BACKUP LOG db TO DISK = 'l.trn'")
    time.sleep(0.05)
    assert log.is_running
    held.go.set()
    assert first.join().problem is None
    assert log.join().problem is None
    rows = sa.view("msdb.dbo.backupset")
    assert [r["type"] for r in rows] == ["D", "D", "L"]
    assert rows[1]["last_lsn"] < rows[2]["last_lsn"]


def test_one_device_has_one_writer(instance: SandboxInstance, sa: FakeSession, held: Held) -> None:
    """A second BACKUP to the same file is 3201 with error 32, and does not hurt the first."""
    sa.run("CREATE DATABASE other")
    first = Background(connect(instance), "BACKUP DATABASE db TO DISK = 'a.bak' WITH CHECKSUM")
    held.reached.wait(5)
    with pytest.raises(SqlError, match=r"3201.*32\("):
        sa.run("BACKUP DATABASE other TO DISK = 'a.bak'")
    held.go.set()
    first.join()
    sa.run("RESTORE VERIFYONLY FROM DISK = 'a.bak' WITH CHECKSUM")


def test_backup_does_not_stop_writers_and_has_one_moment(
    instance: SandboxInstance, sa: FakeSession, held: Held
) -> None:
    """Writes go on while pages are copied; what was committed before the copy is in it."""
    backup = Background(connect(instance), "BACKUP DATABASE db TO DISK = 'a.bak'")
    held.reached.wait(5)
    sa.write("db", "during")
    held.go.set()
    backup.join()
    sa.run("RESTORE DATABASE db FROM DISK = 'a.bak' WITH REPLACE")
    assert sa.read("db") == ["one"]


def test_offline_with_rollback_ends_a_running_backup(instance: SandboxInstance, sa: FakeSession, held: Held) -> None:
    """The backup's session is killed, its file removed, the database OFFLINE."""
    backup = Background(connect(instance), "BACKUP DATABASE db TO DISK = 'a.bak'")
    held.reached.wait(5)
    sa.run("ALTER DATABASE db SET OFFLINE WITH ROLLBACK IMMEDIATE")
    assert isinstance(backup.join().problem, Cancelled)
    assert not (instance.backup_directory / "a.bak").exists()
    assert sa.state("db") == "OFFLINE"


def test_nobody_waits_for_a_revert(instance: SandboxInstance, sa: FakeSession, held: Held) -> None:
    """USE is 927 at once while the revert copies, for the source and the snapshot; afterwards both are ONLINE."""
    held.go.set()
    sa.run(f"CREATE DATABASE s ON (NAME = db, FILENAME = '{instance.data_directory}/s.ss') AS SNAPSHOT OF db")
    sa.write("db", "later")
    held.reached.clear()
    held.go.clear()
    revert = Background(connect(instance), "RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 's'")
    held.reached.wait(5)
    before = time.monotonic()
    assert sa.fails("USE db") == [927]
    assert sa.fails("USE s") == [927]
    assert time.monotonic() - before < 0.5
    held.go.set()
    assert revert.join().problem is None
    assert sa.read("db") == ["one"]


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("BACKUP DATABASE db TO DISK = 'x.bak'", "ONLINE"),
        ("BACKUP LOG db TO DISK = 'x.bak'", "ONLINE"),
        ("BACKUP LOG db TO DISK = 'x.bak' WITH NORECOVERY", "ONLINE"),
        ("CREATE DATABASE s ON (NAME = db, FILENAME = '{data}/s.ss') AS SNAPSHOT OF db", "ONLINE"),
    ],
)
def test_cancelled_half_way(instance: SandboxInstance, sa: FakeSession, held: Held, statement: str, state: str) -> None:
    """Within a moment: no file, no history, no database left over, content as before, and the same statement works."""
    statement = statement.format(data=instance.data_directory)
    worker = connect(instance)
    work = Background(worker, statement)
    held.reached.wait(5)
    before = time.monotonic()
    worker.cancel()
    assert isinstance(work.join().problem, Cancelled)
    assert time.monotonic() - before < 0.5
    assert not (instance.backup_directory / "x.bak").exists()
    assert len(sa.view("msdb.dbo.backupset")) == 1
    assert instance.find("s") is None
    assert sa.state("db") == state
    assert sa.read("db") == ["one"]
    held.go.set()
    worker.run(statement)


def test_cancelled_revert_can_be_repeated(instance: SandboxInstance, sa: FakeSession, held: Held) -> None:
    """It leaves RESTORING, refuses recovery and LOG restores, and the revert given again completes it."""
    held.go.set()
    sa.run(f"CREATE DATABASE s ON (NAME = db, FILENAME = '{instance.data_directory}/s.ss') AS SNAPSHOT OF db")
    sa.write("db", "later")
    held.reached.clear()
    held.go.clear()
    worker = connect(instance)
    work = Background(worker, "RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 's'")
    held.reached.wait(5)
    worker.cancel()
    assert isinstance(work.join().problem, Cancelled)
    assert sa.state("db") == "RESTORING"
    assert sa.fails("RESTORE DATABASE db WITH RECOVERY") == [4333, 3013]
    held.go.set()
    worker.run("RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 's'")
    assert sa.read("db") == ["one"]


def test_many_sessions_come_and_go_while_a_database_changes(instance: SandboxInstance, sa: FakeSession) -> None:
    """Ten sessions enter and leave while another one takes the database away and gives it back: everybody gets an
    answer, nobody is left inside, and every error is one of the expected."""
    stop = threading.Event()
    problems: list[BaseException] = []

    def wander() -> None:
        while not stop.wait(0.001):  # a single place that is never free could not be given up by anybody else
            try:
                session = connect(instance, database="db")
            except SqlError as problem:
                if problem.number != 4060:
                    problems.append(problem)
                continue
            try:
                session.read("db")
            except SqlError as problem:
                if problem.number not in (942, 924, 6106):
                    problems.append(problem)
            except Cancelled:
                pass  # evicted
            finally:
                session.close()

    threads = [threading.Thread(target=wander, daemon=True) for _ in range(10)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        for action in ("OFFLINE", "ONLINE", "SINGLE_USER", "MULTI_USER", "READ_ONLY", "READ_WRITE"):
            clause = "" if action in ("ONLINE", "MULTI_USER") else " WITH ROLLBACK IMMEDIATE"
            eventually(lambda a=action, c=clause: numbers(sa, f"ALTER DATABASE db SET {a}{c}") == [])
    stop.set()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert problems == []
    assert {e.spid for e in instance.registry.all()} == {sa.spid}
    assert sa.read("db") == ["one"]


def numbers(session: FakeSession, sql: str) -> list[int]:
    """Error numbers, none when it succeeded. 5064: somebody took the single-user slot, the known trap."""
    try:
        session.run(sql)
    except SqlError as problem:
        if problem.number != 5064:
            raise
        return [problem.number]
    return []
