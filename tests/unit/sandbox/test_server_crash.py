"""The server process is killed in the middle of real work; faults strike through the driver."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pyodbc
import pytest

from runbook.sandbox import manage
from tests.unit.sandbox.test_server_support import Background, Db, driver, eventually, fill, running, state

COUNT = "SELECT COUNT_BIG(*) FROM big.dbo.big"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    driver()
    found = tmp_path_factory.mktemp("server")
    fill(Db(manage.start(found, "OLDSQL", "2019")), "big", 50_000)
    yield found
    manage.stop(found)


@pytest.fixture
def info(folder: Path) -> Iterator[manage.ServerInfo]:
    manage.clear_faults(folder)
    yield manage.start(folder, "OLDSQL", "2019")
    manage.clear_faults(folder)


def kill_during(info: manage.ServerInfo, sql: str, command: str) -> Db:
    """Kill -9 while the statement is seen to run; a connection to the restarted server."""
    watcher, worker = Db(info), Db(info)
    work = Background(worker, sql)
    eventually(lambda: (running(watcher, worker.spid) or ("",))[0] == command)
    os.kill(info.pid, signal.SIGKILL)
    assert work.join() is not None
    return Db(manage.start(info.directory, info.name, info.version))


def test_killed_in_backup(info: manage.ServerInfo, tmp_path: Path) -> None:
    """What is left is no valid backup; the data is whole; the next BACKUP over it works."""
    path = tmp_path / "x.bak"
    backup = f"BACKUP DATABASE big TO DISK = N'{path}' WITH COMPRESSION, CHECKSUM, COPY_ONLY, INIT"
    db = kill_during(info, backup, "BACKUP DATABASE")
    if path.exists():
        assert db.fails(f"RESTORE VERIFYONLY FROM DISK = N'{path}'") in (3254, 3241, 3256, 3287)
    assert db.one(COUNT) == 50_000
    assert db.one("SELECT COUNT(*) FROM msdb.dbo.backupset") == 0
    path.unlink(missing_ok=True)
    db.run(backup)
    db.run(f"RESTORE VERIFYONLY FROM DISK = N'{path}'")


def test_killed_in_tail_log_backup(info: manage.ServerInfo, tmp_path: Path) -> None:
    """RESTORING or ONLINE; recovery gives every row back."""
    db = Db(info)
    db.run(f"BACKUP DATABASE big TO DISK = N'{tmp_path}/f.bak'")
    db.close()
    db = kill_during(info, f"BACKUP LOG big TO DISK = N'{tmp_path}/t.trn' WITH NORECOVERY, COMPRESSION", "BACKUP LOG")
    if state(db, "big") == "RESTORING":
        db.run("RESTORE DATABASE big WITH RECOVERY")
    assert db.one(COUNT) == 50_000


def test_killed_in_restore(info: manage.ServerInfo, tmp_path: Path) -> None:
    """The target is RESTORING and cannot be recovered; the source is untouched; a second RESTORE works."""
    db = Db(info)
    db.run(f"BACKUP DATABASE big TO DISK = N'{tmp_path}/f.bak' WITH COPY_ONLY, COMPRESSION")
    db.close()
    data = info.directory / "data"
    restore = (
        f"RESTORE DATABASE copy FROM DISK = N'{tmp_path}/f.bak' WITH REPLACE, "
        f"MOVE 'big' TO '{data}/copy.mdf', MOVE 'big_log' TO '{data}/copy_log.ldf'"
    )
    db = kill_during(info, restore, "RESTORE DATABASE")
    names = dict(db.rows("SELECT name, state_desc FROM sys.databases"))
    assert names.get("copy") in (None, "RESTORING")
    if "copy" in names:
        assert db.fails("RESTORE DATABASE copy WITH RECOVERY") == 4333
        assert db.fails("USE copy") == 927
    db.run(restore)
    assert db.one("SELECT COUNT_BIG(*) FROM copy.dbo.big") == 50_000
    db.run("DROP DATABASE copy")


def test_killed_in_revert(info: manage.ServerInfo) -> None:
    """The restart completes the revert, or it never began; never RESTORING."""
    db = Db(info)
    db.run(f"CREATE DATABASE s ON (NAME = big, FILENAME = N'{info.directory}/data/s.ss') AS SNAPSHOT OF big")
    db.run("DELETE TOP (100) FROM big.dbo.big")
    db.close()
    db = kill_during(info, "RESTORE DATABASE big FROM DATABASE_SNAPSHOT = 's'", "RESTORE DATABASE")
    assert (state(db, "big"), state(db, "s")) == ("ONLINE", "ONLINE")
    assert db.one(COUNT) in (50_000, 49_900)
    db.run("RESTORE DATABASE big FROM DATABASE_SNAPSHOT = 's'")
    assert db.one(COUNT) == 50_000
    db.run("DROP DATABASE s")


def test_killed_in_a_transaction(info: manage.ServerInfo) -> None:
    """Committed work is there, uncommitted work is not."""
    db = Db(info)
    db.run("CREATE DATABASE acid")
    db.run("USE acid; CREATE TABLE dbo.t (id int); INSERT dbo.t VALUES (1); BEGIN TRAN; INSERT dbo.t VALUES (2)")
    os.kill(info.pid, signal.SIGKILL)
    eventually(lambda: manage.status(info.directory) is None)
    db = Db(manage.start(info.directory, info.name, info.version))
    assert db.rows("SELECT id FROM acid.dbo.t") == [(1,)]
    db.run("DROP DATABASE acid")


def test_drop_fault_cuts_the_connection_before_the_effect(info: manage.ServerInfo) -> None:
    """The client sees a broken link, not an error; nothing was changed."""
    db = Db(info)
    manage.fault(info.directory, "drop", "DELETE", times=1)
    with pytest.raises(pyodbc.Error) as cut:
        db.run("DELETE big.dbo.big")
    assert cut.value.args[0].startswith("08")
    assert Db(info).one(COUNT) == 50_000


def test_kill_fault_ends_the_server(info: manage.ServerInfo) -> None:
    """The process is gone at that statement; a restart serves again."""
    db = Db(info)
    manage.fault(info.directory, "kill", "CHECKPOINT", times=1)
    with pytest.raises(pyodbc.Error):
        db.run("CHECKPOINT")
    eventually(lambda: manage.status(info.directory) is None)
    db = Db(manage.start(info.directory, info.name, info.version))
    db.run("CHECKPOINT")
    assert db.one(COUNT) == 50_000


def test_fail_lie_and_slow_through_the_driver(info: manage.ServerInfo) -> None:
    """50998 by number; success without effect; the effect after a delay."""
    db = Db(info)
    manage.fault(info.directory, "fail", "ALTER DATABASE big", times=1)
    assert db.fails("ALTER DATABASE big SET AUTO_CLOSE ON") == 50998
    manage.fault(info.directory, "lie", "DELETE", times=1)
    db.run("DELETE big.dbo.big")
    assert db.one(COUNT) == 50_000
    manage.fault(info.directory, "slow", "CREATE DATABASE slow", seconds=0.3, times=1)
    db.run("CREATE DATABASE slow; DROP DATABASE slow")


def test_corrupt_changes_one_row_after_recovery(info: manage.ServerInfo, tmp_path: Path) -> None:
    """The restored database differs from its source in exactly one row; CHECKDB finds it sound."""
    db = Db(info)
    db.run(f"BACKUP DATABASE big TO DISK = N'{tmp_path}/f.bak' WITH COPY_ONLY")
    data = info.directory / "data"
    manage.fault(info.directory, "corrupt", "RESTORE DATABASE copy.*RECOVERY", times=1)
    db.run(
        f"RESTORE DATABASE copy FROM DISK = N'{tmp_path}/f.bak' WITH RECOVERY, "
        f"MOVE 'big' TO '{data}/copy.mdf', MOVE 'big_log' TO '{data}/copy_log.ldf'"
    )
    different = "SELECT COUNT(*) FROM big.dbo.big a JOIN copy.dbo.big b ON a.id = b.id WHERE a.pad <> b.pad"
    assert db.one(different) == 1
    assert db.one("SELECT COUNT_BIG(*) FROM copy.dbo.big") == 50_000
    db.run("DBCC CHECKDB ('copy') WITH NO_INFOMSGS")
    db.run("DROP DATABASE copy")


def test_disk_full_through_the_driver(info: manage.ServerInfo, tmp_path: Path) -> None:
    """3202 with the words 'not enough space', and no file."""
    db = Db(info)
    manage.fault(info.directory, "disk-full", "BACKUP", times=1)
    with pytest.raises(pyodbc.Error, match=r"112\(There is not enough space"):
        db.run(f"BACKUP DATABASE big TO DISK = N'{tmp_path}/x.bak' WITH COPY_ONLY")
    assert not (tmp_path / "x.bak").exists()
