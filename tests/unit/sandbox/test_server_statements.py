"""Administrative statements as people and tools write them, through the driver: in batches, with variables, in
procedures, with and without semicolons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.sandbox import manage
from tests.unit.sandbox.test_server_support import Db, driver, eventually, state


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[manage.ServerInfo]:
    driver()
    folder = tmp_path_factory.mktemp("server")
    yield manage.start(folder, "OLDSQL", "2019")
    manage.stop(folder)


@pytest.fixture
def sa(server: manage.ServerInfo) -> Iterator[Db]:
    found = Db(server)
    yield found
    found.close()


def fresh(sa: Db, name: str) -> str:
    sa.run(f"IF DB_ID(N'{name}') IS NOT NULL DROP DATABASE [{name}]; CREATE DATABASE [{name}]")
    return name


def test_several_statements_in_one_batch(sa: Db, tmp_path: Path) -> None:
    """Without semicolons, with comments between them; every one has its effect."""
    sa.run(
        f"""
        CREATE DATABASE many -- a comment with BACKUP in it
        ALTER DATABASE many SET RECOVERY FULL, AUTO_CLOSE OFF WITH NO_WAIT
        BACKUP DATABASE many TO DISK = N'{tmp_path}/m.bak' WITH INIT, CHECKSUM
        /* and another one */
        ALTER DATABASE many SET SINGLE_USER WITH ROLLBACK IMMEDIATE
        RESTORE DATABASE many FROM DISK = N'{tmp_path}/m.bak' WITH REPLACE, STATS = 50
        ALTER DATABASE many SET RESTRICTED_USER
        ALTER DATABASE many SET MULTI_USER
        SELECT 1
        """
    )
    assert state(sa, "many") == "ONLINE"
    sa.run("DROP DATABASE many")


def test_drop_database_if_exists(sa: Db) -> None:
    """Both forms, also with several names, also when there is nothing to drop."""
    fresh(sa, "gone1")
    sa.run("DROP DATABASE IF EXISTS gone1, gone2")
    assert sa.one("SELECT DB_ID(N'gone1')") is None


def test_variables_in_names_paths_and_numbers(sa: Db, tmp_path: Path) -> None:
    """DECLARE @db, @path, @n and use them where T-SQL allows it."""
    fresh(sa, "by variable")
    sa.run(
        f"DECLARE @db sysname = N'by variable', @path nvarchar(260) = N'{tmp_path}/v.bak', @file int = 2; "
        "BACKUP DATABASE @db TO DISK = @path WITH INIT; BACKUP DATABASE @db TO DISK = @path; "
        "RESTORE VERIFYONLY FROM DISK = @path WITH FILE = @file"
    )
    assert "The backup set on file 2 is valid" in sa.messages[-1]


def test_dynamic_sql_and_procedures(sa: Db, tmp_path: Path) -> None:
    """EXEC('...'), sp_executesql with parameters, and a procedure that backs up the database it is given."""
    name = fresh(sa, "dyn")
    sa.run(f"EXEC(N'ALTER DATABASE {name} SET RECOVERY SIMPLE')")
    assert sa.one("SELECT recovery_model_desc FROM sys.databases WHERE name = ?", name) == "SIMPLE"
    sa.run(
        "EXEC sp_executesql N'BACKUP DATABASE @d TO DISK = @p WITH INIT', N'@d sysname, @p nvarchar(260)', "
        f"@d = N'{name}', @p = N'{tmp_path}/d.bak'"
    )
    sa.run("USE master; DROP PROCEDURE IF EXISTS dbo.bk")
    sa.run("CREATE PROCEDURE dbo.bk @d sysname, @p nvarchar(260) AS BACKUP DATABASE @d TO DISK = @p WITH INIT")
    sa.run(f"EXEC dbo.bk @d = N'{name}', @p = N'{tmp_path}/p.bak'")
    assert (tmp_path / "d.bak").exists()
    assert (tmp_path / "p.bak").exists()


def test_errors_are_caught_by_try(sa: Db) -> None:
    """BEGIN TRY ... BACKUP ... END TRY BEGIN CATCH: the batch goes on."""
    found = sa.run(
        "BEGIN TRY BACKUP DATABASE nowhere TO DISK = N'x.bak' END TRY "
        "BEGIN CATCH SELECT ERROR_NUMBER() END CATCH; SELECT 7"
    )
    assert found[0][0][0] in (911, 3013)
    assert found[1] == [(7,)]


def test_security_statements(sa: Db) -> None:
    """CREATE LOGIN, server role, GRANT at server scope, ALTER AUTHORIZATION, in one batch."""
    name = fresh(sa, "owned")
    sa.run(
        f"CREATE LOGIN [ow ner] WITH PASSWORD = N'p;w}}d', CHECK_POLICY = OFF "
        f"ALTER SERVER ROLE dbcreator ADD MEMBER [ow ner] "
        f"GRANT VIEW SERVER STATE TO [ow ner]; "
        f"ALTER AUTHORIZATION ON DATABASE::[{name}] TO [ow ner]"
    )
    assert sa.one("SELECT SUSER_SNAME(owner_sid) FROM sys.databases WHERE name = ?", name) == "ow ner"
    roles = sa.rows(
        "SELECT r.name FROM sys.server_role_members m "
        "JOIN sys.server_principals r ON r.principal_id = m.role_principal_id "
        "JOIN sys.server_principals p ON p.principal_id = m.member_principal_id WHERE p.name = N'ow ner'"
    )
    assert roles == [("dbcreator",)]
    assert sa.fails("DROP LOGIN [ow ner]") == 15174
    sa.run(f"ALTER AUTHORIZATION ON DATABASE::[{name}] TO sa; DROP LOGIN [ow ner]")


def test_ordinary_users_meet_the_access_rules(sa: Db, server: manage.ServerInfo) -> None:
    """A login without a user is 916; with a user it reads; RESTRICTED_USER keeps it out (4060 and 923); db_owner may
    enter; ROLLBACK IMMEDIATE ends its session but not the sysadmin's."""
    name = fresh(sa, "restricted")
    sa.run("CREATE LOGIN app WITH PASSWORD = N'app', CHECK_POLICY = OFF")
    app = Db(server, UID="app", PWD="app")
    assert app.fails(f"USE {name}") == 916
    sa.run(f"USE {name}; CREATE USER app FOR LOGIN app; USE master")
    app.run(f"USE {name}")
    bystander = Db(server, name)
    sa.run(f"ALTER DATABASE {name} SET RESTRICTED_USER WITH ROLLBACK IMMEDIATE")
    assert bystander.one("SELECT 1") == 1
    with pytest.raises(Exception, match=r"08|596|Communication|10054"):
        app.run("SELECT 1")
    again = Db(server, UID="app", PWD="app")
    assert again.fails(f"USE {name}") == 923
    sa.run(f"USE {name}; ALTER ROLE db_owner ADD MEMBER app; USE master")
    again.run(f"USE {name}")
    bystander.close()
    again.close()


def test_orphaned_user_after_a_move_without_the_sid(sa: Db, server: manage.ServerInfo) -> None:
    """A login recreated with another sid does not own the old user: 916 until ALTER USER repairs it."""
    name = fresh(sa, "orphan")
    sa.run("CREATE LOGIN lost WITH PASSWORD = N'x', CHECK_POLICY = OFF")
    sa.run(f"USE {name}; CREATE USER lost FOR LOGIN lost; USE master; DROP LOGIN lost")
    sa.run("CREATE LOGIN lost WITH PASSWORD = N'x', CHECK_POLICY = OFF")
    lost = Db(server, UID="lost", PWD="x")
    assert lost.fails(f"USE {name}") == 916
    sa.run(f"USE {name}; ALTER USER lost WITH LOGIN = lost; USE master")
    lost.run(f"USE {name}")
    lost.close()


def test_identity_counter(sa: Db) -> None:
    """CHECKIDENT tells, RESEED sets: the next row has the value after it; a new table starts with it."""
    name = fresh(sa, "counter")
    sa.run(f"USE {name}; CREATE TABLE dbo.t (id int IDENTITY, v int); INSERT dbo.t (v) VALUES (1), (2), (3)")
    sa.run("DBCC CHECKIDENT ('dbo.t', NORESEED)")
    assert "current identity value '3', current column value '3'" in sa.messages[0]
    sa.run("DBCC CHECKIDENT ('dbo.t', RESEED, 100) WITH NO_INFOMSGS")
    assert sa.messages == []
    sa.run("INSERT dbo.t (v) VALUES (4)")
    assert sa.one("SELECT MAX(id) FROM dbo.t") == 101
    sa.run("CREATE TABLE dbo.u (id int IDENTITY, v int); DBCC CHECKIDENT (u, RESEED, 7); INSERT dbo.u (v) VALUES (1)")
    assert sa.one("SELECT id FROM dbo.u") == 7
    sa.run("CREATE TABLE dbo.n (v int)")
    assert sa.fails("DBCC CHECKIDENT ('dbo.n')") == 7997
    assert sa.fails("DBCC CHECKIDENT ('dbo.nowhere')") == 2501
    sa.run("USE master")


def test_what_is_not_done_is_refused_by_name(sa: Db, tmp_path: Path) -> None:
    """50999 for each, and no effect."""
    name = fresh(sa, "refused")
    for statement in (
        f"BACKUP DATABASE {name} TO DISK = N'{tmp_path}/a.bak', DISK = N'{tmp_path}/b.bak'",
        f"BACKUP DATABASE {name} TO URL = N'https://x/y.bak'",
        f"BACKUP DATABASE {name} TO DISK = N'{tmp_path}/a.bak' WITH ENCRYPTION (ALGORITHM = AES_256)",
        f"RESTORE LOG {name} FROM DISK = N'{tmp_path}/a.bak' WITH STOPAT = N'2026-01-31T12:00:00'",
        f"ALTER DATABASE {name} SET ENCRYPTION ON",
        f"DBCC SHRINKDATABASE ({name})",
        "CREATE SERVER ROLE r",
    ):
        assert sa.fails(statement) == 50999, statement
    assert list(tmp_path.iterdir()) == []


def test_messages_and_results_of_a_restore_with_stats(sa: Db, tmp_path: Path) -> None:
    """Progress reaches the client as messages before the end, in order."""
    name = fresh(sa, "told")
    sa.run(f"BACKUP DATABASE {name} TO DISK = N'{tmp_path}/t.bak'")
    sa.run(f"RESTORE DATABASE {name} FROM DISK = N'{tmp_path}/t.bak' WITH REPLACE, STATS = 20")
    texts = [m.rsplit("]", 1)[1] for m in sa.messages]
    percents = [int(t.split()[0]) for t in texts if t.endswith("percent processed.")]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert texts[-1].startswith("RESTORE DATABASE successfully processed")


def test_shutdown_ends_the_server(tmp_path: Path) -> None:
    """SHUTDOWN from T-SQL: a clean end; the data is there after the next start."""
    info = manage.start(tmp_path / "s", "SHORT", "2017")
    db = Db(info)
    db.run("CREATE DATABASE kept; SHUTDOWN WITH NOWAIT")
    eventually(lambda: manage.status(info.directory) is None)
    again = manage.start(tmp_path / "s", "SHORT", "2017")
    assert state(Db(again), "kept") == "ONLINE"
    manage.stop(tmp_path / "s")


def test_tables_of_msdb_are_objects(sa: Db) -> None:
    """OBJECT_ID finds those the server keeps there itself, from anywhere, and no others."""
    asked = (
        "SELECT OBJECT_ID(N'msdb.dbo.sysjobs', N'U'), OBJECT_ID(N'msdb..SysJobs'), "
        "OBJECT_ID(N'msdb.dbo.sysjobs', N'V'), OBJECT_ID(N'msdb.dbo.nonsense', N'U'), OBJECT_ID(N'dbo.sysjobs')"
    )
    first, second, *others = sa.rows(f"USE master; {asked}")[0]
    assert first is not None
    assert (first, others) == (second, [None, None, None])
    assert sa.rows(f"USE msdb; {asked}")[0][4] == first
