"""Several sessions at once: cancel, KILL, eviction, waiting, and what monitors see, through the driver."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pyodbc
import pytest

from runbook.sandbox import manage
from tests.unit.sandbox.test_server_support import (
    Background,
    Db,
    driver,
    eventually,
    fill,
    move,
    native,
    running,
    state,
)

SOON = 1.0
"""Seconds within which a cancelled or killed statement has ended; generous, because the machine is busy."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[manage.ServerInfo]:
    driver()
    folder = tmp_path_factory.mktemp("server")
    info = manage.start(folder, "OLDSQL", "2019")
    fill(Db(info), "big", 50_000)
    yield info
    manage.stop(folder)


@pytest.fixture
def sa(server: manage.ServerInfo) -> Iterator[Db]:
    manage.clear_faults(server.directory)
    found = Db(server)
    yield found
    found.close()
    manage.clear_faults(server.directory)


@pytest.fixture
def other(server: manage.ServerInfo) -> Iterator[Db]:
    found = Db(server)
    yield found
    found.close()


def fresh(sa: Db, name: str) -> str:
    """A database with one small table."""
    sa.run(f"IF DB_ID(N'{name}') IS NOT NULL DROP DATABASE [{name}]")
    sa.run(f"CREATE DATABASE [{name}]")
    sa.run(f"USE [{name}]; CREATE TABLE dbo.t (id int PRIMARY KEY, v int); INSERT dbo.t VALUES (1, 10); USE master")
    return name


def cancel_when(sa: Db, victim: Background, condition: str = "") -> float:
    """Cancel a running batch as soon as it is seen to run; how long it took to end, in seconds."""
    eventually(lambda: (running(sa, victim.db.spid) or ("",))[0].startswith(condition) and running(sa, victim.db.spid))
    before = time.monotonic()
    victim.db.cursor.cancel()
    victim.join()
    return time.monotonic() - before


def test_cancelled_backup_leaves_no_file(sa: Db, other: Db, tmp_path: Path) -> None:
    """The partial file is removed and there is no history; the session goes on."""
    backup = Background(other, f"BACKUP DATABASE big TO DISK = N'{tmp_path}/x.bak' WITH COMPRESSION, STATS = 1")
    assert cancel_when(sa, backup, "BACKUP") < SOON
    assert backup.problem is not None
    assert not (tmp_path / "x.bak").exists()
    assert other.one("SELECT COUNT(*) FROM msdb.dbo.backupset WHERE database_name = 'big'") == 0


def test_cancelled_restore_leaves_the_database_restoring(
    sa: Db, other: Db, server: manage.ServerInfo, tmp_path: Path
) -> None:
    """Not to be recovered half-done; the next RESTORE succeeds."""
    sa.run(f"BACKUP DATABASE big TO DISK = N'{tmp_path}/x.bak' WITH COMPRESSION, COPY_ONLY")
    moves = move(server, "big").replace("/big", "/copy")
    statement = f"RESTORE DATABASE copy FROM DISK = N'{tmp_path}/x.bak' WITH STATS = 1, {moves}"
    restore = Background(other, statement)
    assert cancel_when(sa, restore, "RESTORE") < SOON
    assert state(sa, "copy") == "RESTORING"
    assert sa.fails("RESTORE DATABASE copy WITH RECOVERY") == 4333
    sa.run(statement.replace("STATS = 1", "REPLACE"))
    assert sa.one("SELECT COUNT(*) FROM copy.dbo.big") == 50_000
    sa.run("DROP DATABASE copy")


def test_hung_statement_ends_with_cancel_and_with_kill(sa: Db, other: Db, server: manage.ServerInfo) -> None:
    """A fault holds it; the attention frees the session, KILL ends it."""
    name = fresh(sa, "hung")
    manage.fault(server.directory, "hang", "UPDATE hung")
    stuck = Background(other, f"UPDATE {name}.dbo.t SET v = 11")
    assert cancel_when(sa, stuck, "UPDATE") < SOON
    assert other.one(f"SELECT v FROM {name}.dbo.t") == 10
    again = Background(other, f"UPDATE {name}.dbo.t SET v = 12")
    eventually(lambda: running(sa, other.spid))
    before = time.monotonic()
    sa.run(f"KILL {other.spid}")
    assert again.join() is not None
    assert time.monotonic() - before < SOON
    eventually(lambda: not sa.rows("SELECT 1 FROM sys.dm_exec_sessions WHERE session_id = ?", other.spid))
    assert sa.one(f"SELECT v FROM {name}.dbo.t") == 10


def test_kill_rolls_back(sa: Db, other: Db) -> None:
    """What the killed session had written but not committed is gone, and its locks with it."""
    name = fresh(sa, "killed")
    other.run(f"BEGIN TRAN; UPDATE {name}.dbo.t SET v = 99")
    sa.run(f"KILL {other.spid}")
    eventually(lambda: not sa.rows("SELECT 1 FROM sys.dm_exec_sessions WHERE session_id = ?", other.spid))
    sa.run(f"UPDATE {name}.dbo.t SET v = v + 1")
    assert sa.one(f"SELECT v FROM {name}.dbo.t") == 11
    with pytest.raises(pyodbc.Error):
        other.run("SELECT 1")


def test_rollback_immediate_ends_and_rolls_back(sa: Db, other: Db) -> None:
    """SINGLE_USER WITH ROLLBACK IMMEDIATE: the other's transaction is undone, its connection is dead."""
    name = fresh(sa, "evict")
    other.run(f"USE {name}; BEGIN TRAN; DELETE dbo.t")
    sa.run(f"ALTER DATABASE {name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
    assert any("Nonqualified transactions are being rolled back" in m for m in sa.messages)
    with pytest.raises(pyodbc.Error):
        other.run("SELECT 1")
    assert sa.one(f"SELECT COUNT(*) FROM {name}.dbo.t") == 1
    sa.run(f"ALTER DATABASE {name} SET MULTI_USER")


def test_alter_waits_and_can_be_timed_out(sa: Db, other: Db, server: manage.ServerInfo) -> None:
    """Without a termination clause it waits behind an idle transaction elsewhere; a query timeout ends it."""
    name = fresh(sa, "waits")
    other.run(f"BEGIN TRAN; UPDATE {name}.dbo.t SET v = 1")
    impatient = Db(server)
    impatient.connection.timeout = 1
    impatient.cursor = impatient.connection.cursor()
    with pytest.raises(pyodbc.Error) as timed_out:
        impatient.run(f"ALTER DATABASE {name} SET READ_ONLY")
    assert timed_out.value.args[0] == "HYT00"
    waiting = Background(impatient, f"ALTER DATABASE {name} SET READ_ONLY")
    waiting.db.connection.timeout = 0
    other.run("COMMIT")
    waiting.join()
    assert sa.fails(f"UPDATE {name}.dbo.t SET v = 2") == 3906
    impatient.close()


def test_monitors_see_the_blocker(sa: Db, other: Db, server: manage.ServerInfo) -> None:
    """dm_exec_requests names the session that is waited for; dm_tran_locks has the DATABASE locks."""
    name = fresh(sa, "blocked")
    other.run(f"USE {name}")
    third = Db(server)
    waiting = Background(third, f"ALTER DATABASE {name} SET OFFLINE")
    query = "SELECT blocking_session_id FROM sys.dm_exec_requests WHERE session_id = ?"
    eventually(lambda: sa.rows(query, third.spid) == [(other.spid,)])
    locks = sa.rows(
        "SELECT request_session_id, request_mode, request_status FROM sys.dm_tran_locks "
        "WHERE resource_type = 'DATABASE' AND resource_database_id = DB_ID(?)",
        name,
    )
    assert (other.spid, "S", "GRANT") in locks
    assert (third.spid, "X", "WAIT") in locks
    other.run("USE master")
    waiting.join()
    third.close()


def test_percent_complete_of_a_backup(sa: Db, other: Db, tmp_path: Path) -> None:
    """A monitor sees it grow."""
    backup = Background(other, f"BACKUP DATABASE big TO DISK = N'{tmp_path}/x.bak' WITH COMPRESSION, COPY_ONLY")
    seen = set()
    while backup.is_running:
        found = running(sa, other.spid)
        if found is not None and found[0] == "BACKUP DATABASE":
            seen.add(found[2])
    assert backup.join() is None
    assert len(seen) > 1


def test_sessions_of_a_database_are_found(sa: Db, other: Db) -> None:
    """The query of a drain step: who stands in the database."""
    name = fresh(sa, "drained")
    query = (
        "SELECT session_id, login_name, program_name, open_transaction_count FROM sys.dm_exec_sessions "
        "WHERE is_user_process = 1 AND session_id <> @@SPID AND database_id = DB_ID(?)"
    )
    assert sa.rows(query, name) == []
    other.run(f"USE {name}; BEGIN TRAN")
    found = sa.rows(query, name)
    assert [(r[0], r[1], r[3]) for r in found] == [(other.spid, "sa", 1)]


def test_backup_in_a_transaction_is_refused(server: manage.ServerInfo, tmp_path: Path) -> None:
    """3021 with autocommit off, as pyodbc has it by default."""
    careless = Db(server)
    careless.connection.autocommit = False
    assert careless.fails(f"BACKUP DATABASE big TO DISK = N'{tmp_path}/x.bak'") == 3021
    careless.connection.rollback()
    careless.close()


def test_application_lock_excludes_a_second_session(sa: Db, other: Db) -> None:
    """sp_getapplock with timeout 0 gives -1 to the second, and 0 after the first has gone."""
    take = (
        "DECLARE @r int; EXEC @r = sp_getapplock @Resource = N'runbook', @LockMode = N'Exclusive', "
        "@LockOwner = N'Session', @LockTimeout = 0; SELECT @r"
    )
    assert sa.one(take) == 0
    assert other.one(take) == -1
    sa.close()
    eventually(lambda: other.one(take) == 0)


def test_job_runs_and_is_stopped(sa: Db, server: manage.ServerInfo) -> None:
    """A job writes a row; a long one is stopped; history has both."""
    name = fresh(sa, "jobs")
    for job, command in (("writer", f"UPDATE {name}.dbo.t SET v = 77"), ("long", "WAITFOR DELAY '01:00:00'")):
        sa.run(
            f"EXEC msdb.dbo.sp_add_job @job_name = N'{job}'; "
            f"EXEC msdb.dbo.sp_add_jobstep @job_name = N'{job}', @step_name = N's', @subsystem = N'TSQL', "
            f"@command = N'{command.replace(chr(39), chr(39) * 2)}', @database_name = N'{name}'; "
            f"EXEC msdb.dbo.sp_add_jobserver @job_name = N'{job}'"
        )
        sa.run(f"EXEC msdb.dbo.sp_start_job @job_name = N'{job}'")
    history = (
        "SELECT h.run_status FROM msdb.dbo.sysjobhistory h JOIN msdb.dbo.sysjobs j ON j.job_id = h.job_id "
        "WHERE h.step_id = 0 AND j.name = ?"
    )
    eventually(lambda: sa.rows(history, "writer") == [(1,)])
    assert sa.one(f"SELECT v FROM {name}.dbo.t") == 77
    active = (
        "SELECT COUNT(*) FROM msdb.dbo.sysjobactivity WHERE start_execution_date IS NOT NULL AND "
        "stop_execution_date IS NULL AND session_id = (SELECT MAX(session_id) FROM msdb.dbo.syssessions)"
    )
    assert sa.one(active) == 1
    sa.run("EXEC msdb.dbo.sp_stop_job @job_name = N'long'")
    eventually(lambda: sa.rows(history, "long") == [(3,)])
    assert sa.one(active) == 0
    assert sa.fails("EXEC msdb.dbo.sp_stop_job @job_name = N'long'") == 22022


def test_disabling_exactly_the_enabled_jobs(sa: Db) -> None:
    """By id, as a runbook does it; the ones that were off stay off."""
    for job in ("on1", "off1"):
        sa.run(f"EXEC msdb.dbo.sp_add_job @job_name = N'{job}', @enabled = {int(job == 'on1')}")
    found = sa.rows("SELECT job_id, name FROM msdb.dbo.sysjobs WHERE enabled = 1 AND name LIKE 'o%1'")
    assert [n for _, n in found] == ["on1"]
    sa.run(f"EXEC msdb.dbo.sp_update_job @job_id = '{found[0][0]}', @enabled = 0")
    assert sa.one("SELECT COUNT(*) FROM msdb.dbo.sysjobs WHERE enabled = 1 AND name LIKE 'o%1'") == 0


def test_native_numbers_reach_the_client(sa: Db) -> None:
    """The helper itself: the number of an error is found in the driver's text."""
    with pytest.raises(pyodbc.Error) as refused:
        sa.run("USE nowhere")
    assert native(refused.value) == 911
