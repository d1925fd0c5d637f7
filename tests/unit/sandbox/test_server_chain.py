"""The way of a database from an old server to a new one, and back, through the driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyodbc
import pytest

from runbook.sandbox import manage
from tests.unit.sandbox.test_server_support import Db, driver, fill, move, native, state

TABLE = """
CREATE TABLE dbo.person (
  id int IDENTITY(5, 5) PRIMARY KEY, name nvarchar(50) NOT NULL, born date NULL, balance decimal(12, 2) NOT NULL,
  seen datetime2(3) NULL, photo varbinary(max) NULL, code uniqueidentifier NULL, flag bit NOT NULL DEFAULT 1)
"""
ROWS = """
INSERT dbo.person (name, born, balance, seen, photo, code, flag) VALUES
 (N'Zoë Ångström', '1990-02-28', 12345.67, '2026-01-31T12:34:56.789', 0xDEADBEEF,
  '6F9619FF-8B86-D011-B42D-00C04FC964FF', 0),
 (N'', NULL, -0.01, NULL, 0x, NULL, 1)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    driver()
    found = tmp_path_factory.mktemp("servers")
    yield found
    for name in ("old", "new"):
        manage.stop(found / name)


@pytest.fixture(scope="module")
def old(home: Path) -> manage.ServerInfo:
    return manage.start(home / "old", "OLDSQL", "2019")


@pytest.fixture(scope="module")
def new(home: Path) -> manage.ServerInfo:
    return manage.start(home / "new", "NEWSQL", "2022")


def test_a_database_moves_with_its_last_commit(old: manage.ServerInfo, new: manage.ServerInfo, home: Path) -> None:
    """Full, log and tail restored on the new server give every row of every type; the old one is fenced and comes back
    with the same."""
    a, b = Db(old), Db(new)
    a.run("CREATE DATABASE crm")
    a.run(f"USE crm; {TABLE}; {ROWS}")
    a.run("USE master")
    a.run(f"BACKUP DATABASE crm TO DISK = N'{home}/crm.bak' WITH CHECKSUM, COMPRESSION, INIT, STATS = 10")
    assert any("100 percent processed" in m for m in a.messages)
    assert "BACKUP DATABASE successfully processed" in a.messages[-1]
    a.run(f"USE crm; {ROWS}; USE master")
    a.run(f"BACKUP LOG crm TO DISK = N'{home}/crm1.trn' WITH CHECKSUM")
    a.run("UPDATE crm.dbo.person SET balance = 1 WHERE id = 5")
    a.run(f"BACKUP LOG crm TO DISK = N'{home}/crm2.trn' WITH NORECOVERY, CHECKSUM, STATS = 10")
    assert state(a, "crm") == "RESTORING"
    assert a.fails("SELECT * FROM crm.dbo.person") == 927
    b.run(f"RESTORE DATABASE crm FROM DISK = N'{home}/crm.bak' WITH NORECOVERY, {move(new, 'crm')}")
    b.run(f"RESTORE LOG crm FROM DISK = N'{home}/crm1.trn' WITH NORECOVERY")
    b.run(f"RESTORE LOG crm FROM DISK = N'{home}/crm2.trn' WITH NORECOVERY")
    b.run("RESTORE DATABASE crm WITH RECOVERY")
    assert any("running the upgrade step from version 956 to version 957" in m for m in b.messages)
    a.run("RESTORE DATABASE crm WITH RECOVERY")
    query = "SELECT id, name, born, balance, seen, photo, CAST(code AS char(36)), flag FROM crm.dbo.person ORDER BY id"
    assert len(b.rows(query)) == 4
    assert a.rows(query) == b.rows(query)
    b.run("INSERT crm.dbo.person (name, balance) VALUES (N'next', 0)")
    assert b.one("SELECT MAX(id) FROM crm.dbo.person") == 25


def test_version_and_level_after_the_move(new: manage.ServerInfo) -> None:
    """Internal version 957, level 150, owner sa, broker off."""
    b = Db(new)
    found = b.rows(
        "SELECT CAST(DATABASEPROPERTYEX(name, 'Version') AS int), compatibility_level, SUSER_SNAME(owner_sid), "
        "is_broker_enabled FROM sys.databases WHERE name = 'crm'"
    )
    assert found == [(957, 150, "sa", False)]


def test_what_runbooks_read_about_backups(old: manage.ServerInfo, home: Path) -> None:
    """HEADERONLY, FILELISTONLY, LABELONLY and VERIFYONLY have their columns and values."""
    a = Db(old)
    a.cursor.execute(f"RESTORE HEADERONLY FROM DISK = N'{home}/crm2.trn'")
    names = [c[0] for c in a.cursor.description]
    row = dict(zip(names, a.cursor.fetchone(), strict=True))
    assert len(names) == 56
    assert (row["BackupType"], row["DatabaseName"], row["HasBackupChecksums"]) == (2, "crm", True)
    assert row["Flags"] & 256
    a.cursor.execute(f"RESTORE FILELISTONLY FROM DISK = N'{home}/crm.bak'")
    assert [r[0:3:2] for r in map(tuple, a.cursor.fetchall())] == [("crm", "D"), ("crm_log", "L")]
    a.cursor.execute(f"RESTORE LABELONLY FROM DISK = N'{home}/crm.bak'")
    assert a.cursor.fetchone()[8] == "Microsoft SQL Server"
    a.run(f"RESTORE VERIFYONLY FROM DISK = N'{home}/crm.bak' WITH CHECKSUM")
    assert "The backup set on file 1 is valid" in a.messages[-1]


def test_newer_backup_is_refused(old: manage.ServerInfo, new: manage.ServerInfo, home: Path) -> None:
    """3169 is the first error the driver shows."""
    Db(new).run(f"BACKUP DATABASE crm TO DISK = N'{home}/back.bak'")
    with pytest.raises(pyodbc.Error) as refused:
        Db(old).run(f"RESTORE DATABASE crm FROM DISK = N'{home}/back.bak' WITH REPLACE")
    assert native(refused.value) == 3169


def test_undrained_backup_leaves_no_file(old: manage.ServerInfo, home: Path) -> None:
    """A client that closes after execute, without reading the messages, has no backup."""
    a = Db(old)
    fill(a, "drain", 20_000)
    careless = Db(old)
    careless.cursor.execute(f"BACKUP DATABASE drain TO DISK = N'{home}/drain.bak' WITH STATS = 1")
    careless.cursor.close()
    careless.close()
    a.run("WAITFOR DELAY '00:00:00.300'")
    assert not (home / "drain.bak").exists()
    assert a.one("SELECT COUNT(*) FROM msdb.dbo.backupset WHERE database_name = 'drain'") == 0


def test_snapshot_and_revert(old: manage.ServerInfo) -> None:
    """DDL and data after the snapshot are gone after the revert; BACKUP LOG then is 4214."""
    a = Db(old)
    a.run("CREATE DATABASE app")
    a.run("USE app; CREATE TABLE dbo.t (id int PRIMARY KEY, v nvarchar(20)); INSERT dbo.t VALUES (1, N'one')")
    a.run(f"USE master; BACKUP DATABASE app TO DISK = N'{old.directory}/backup/app.bak'")
    a.run(f"CREATE DATABASE app_snap ON (NAME = app, FILENAME = N'{old.directory}/data/app.ss') AS SNAPSHOT OF app")
    a.run("USE app; UPDATE dbo.t SET v = N'two'; CREATE TABLE dbo.u (id int); ALTER TABLE dbo.t ADD w int; USE master")
    assert a.rows("SELECT * FROM app_snap.dbo.t") == [(1, "one")]
    assert a.fails("UPDATE app_snap.dbo.t SET v = N'x'") == 3906
    a.run("RESTORE DATABASE app FROM DATABASE_SNAPSHOT = 'app_snap'")
    assert a.rows("SELECT * FROM app.dbo.t") == [(1, "one")]
    assert a.rows("SELECT name FROM app.sys.tables") == [("t",)]
    assert a.fails(f"BACKUP LOG app TO DISK = N'{old.directory}/backup/app.trn'") == 4214
    assert a.fails("DROP DATABASE app") == 3709
    a.run("DROP DATABASE app_snap")


def test_logins_travel_by_hash_and_sid(old: manage.ServerInfo, new: manage.ServerInfo) -> None:
    """Read from sys.sql_logins, created on the new server with HASHED and SID, disabled stays disabled."""
    a, b = Db(old), Db(new)
    a.run("CREATE LOGIN app_user WITH PASSWORD = N'Gr@ßes Geheimnis', CHECK_POLICY = OFF, DEFAULT_DATABASE = master")
    hashed, sid = a.rows("SELECT password_hash, sid FROM sys.sql_logins WHERE name = 'app_user'")[0]
    b.run(f"CREATE LOGIN app_user WITH PASSWORD = 0x{hashed.hex()} HASHED, SID = 0x{sid.hex()}, CHECK_POLICY = OFF")
    user = Db(new, UID="app_user", PWD="Gr@ßes Geheimnis")
    assert user.one("SELECT SUSER_SNAME()") == "app_user"
    b.run("ALTER LOGIN app_user DISABLE")
    with pytest.raises(pyodbc.Error) as refused:
        Db(new, UID="app_user", PWD="Gr@ßes Geheimnis")
    assert native(refused.value) == 18470 or "18470" in str(refused.value)


def test_login_that_names_an_unusable_database(old: manage.ServerInfo) -> None:
    """4060 for one that is offline."""
    a = Db(old)
    a.run("CREATE DATABASE gone")
    a.run("ALTER DATABASE gone SET OFFLINE WITH ROLLBACK IMMEDIATE")
    with pytest.raises(pyodbc.Error, match="4060"):
        Db(old, "gone")
    assert a.fails("USE gone") == 942


def test_identity_and_free_space_queries(old: manage.ServerInfo) -> None:
    """The queries a preflight sends."""
    a = Db(old)
    assert a.one("SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128))") == "15.0.4430.1"
    assert a.one("SELECT @@SERVERNAME") == "OLDSQL"
    assert a.one("SELECT CAST(SERVERPROPERTY('ProductMajorVersion') AS int)") == 15
    assert a.one("SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'CONTROL SERVER')") == 1
    assert a.one("SELECT IS_SRVROLEMEMBER('sysadmin')") == 1
    assert a.one("SELECT MIN(available_bytes) FROM sys.dm_os_volume_stats") > 0
    assert a.one("SELECT host_platform FROM sys.dm_os_host_info") == "Linux"
    assert a.one("SELECT COUNT(*) FROM sys.availability_groups") == 0
    assert a.one("SELECT COUNT(*) FROM sys.database_mirroring WHERE mirroring_guid IS NOT NULL") == 0
    assert a.one("SELECT value_in_use FROM sys.configurations WHERE name = 'max degree of parallelism'") == 0


def test_checkdb_through_the_driver(old: manage.ServerInfo) -> None:
    """Clean and silent, and the date of the last good check moves."""
    a = Db(old)
    a.run("CREATE DATABASE checked")
    a.run("DBCC CHECKDB (N'checked') WITH NO_INFOMSGS, ALL_ERRORMSGS, DATA_PURITY")
    assert a.messages == []
    good = a.one("SELECT CAST(DATABASEPROPERTYEX('checked', 'LastGoodCheckDbTime') AS datetime)")
    assert good.year > 2000
    rows = a.rows("DBCC CHECKDB (N'checked') WITH TABLERESULTS")
    assert rows[-1][0] == 8989
