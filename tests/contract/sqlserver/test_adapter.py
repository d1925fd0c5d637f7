"""The adapter alone, on the sandbox: what the fake has no words for."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import pyodbc
import pytest

from runbook.adapters.sqlserver import ServerTarget, backups, open_server, picture
from runbook.adapters.sqlserver.server import require_sysadmin
from runbook.adapters.sqlserver.target import Address
from runbook.errors import AlreadyRunning, Cancelled, NotPermitted, Refused, ServerError, Unreachable
from runbook.ports import JobDefinition, JobStep, ProofLevel
from runbook.secrets import Secret
from tests.contract.sqlserver.bench import wait

TYPES = {
    "bit": ("1", "0"),
    "tinyint": ("1", "2"),
    "smallint": ("1", "-1"),
    "int": ("1", "-1"),
    "bigint": ("1", "9223372036854775807"),
    "decimal(18,4)": ("1.5", "1.5001"),
    "numeric(38,0)": ("1", "12345678901234567890123456789012345678"),
    "money": ("1.5", "1.5001"),
    "smallmoney": ("1.5", "-1.5"),
    "float": ("1.5", "1.5000000000000002"),
    "real": ("1.5", "-1.5"),
    "date": ("'2026-03-21'", "'2026-03-22'"),
    "time(7)": ("'10:00:00'", "'10:00:00.0000001'"),
    "datetime": ("'2026-03-21T10:00:00.003'", "'2026-03-21T10:00:00.007'"),
    "datetime2(7)": ("'2026-03-21T10:00:00'", "'2026-03-21T10:00:00.0000001'"),
    "datetimeoffset(3)": ("'2026-03-21T10:00:00+01:00'", "'2026-03-21T10:00:00+02:00'"),
    "smalldatetime": ("'2026-03-21T10:00:00'", "'2026-03-21T10:01:00'"),
    "char(5)": ("'a'", "'A'"),
    "varchar(20)": ("''", "' '"),
    "varchar(max)": ("'a'", "'a '"),
    "nchar(5)": ("N'é'", "N'e'"),
    "nvarchar(20)": ("N'ß'", "N'ss'"),
    "nvarchar(max)": ("N'漢'", "N'字'"),
    "binary(4)": ("0x01", "0x02"),
    "varbinary(20)": ("0x", "0x00"),
    "varbinary(max)": ("0x01", "0x0100"),
    "uniqueidentifier": ("'0F8FAD5B-D9CB-469F-A165-70867728950E'", "'0F8FAD5B-D9CB-469F-A165-70867728950F'"),
    "xml": ("'<a/>'", "'<b/>'"),
}
LEFT_OUT_BY_SANDBOX = ("text", "ntext", "image", "sql_variant", "geography", "hierarchyid")


def proof_of(server, database, table, level=ProofLevel.CONTENT):
    (found,) = [one for one in server.tables(database) if one.name == table]
    return server.prove_table(database, found, level)


def digest_after(real, statement, table="dbo.T"):
    real.sql("old", real.full, statement)
    return proof_of(real.server(), real.full, table).digest


def test_every_type_is_in_the_proof(real):
    """A change in the last place of any type changes the digest, and so does NULL; the way back restores it."""
    columns = ", ".join(f"c{number} {kind} NULL" for number, kind in enumerate(TYPES))
    values = ", ".join(first for first, _ in TYPES.values())
    first = digest_after(
        real, f"CREATE TABLE dbo.T (Id int NOT NULL, {columns})\nGO\nINSERT INTO dbo.T VALUES (1, {values})"
    )
    seen = {first}
    for number, (kind, (one, other)) in enumerate(TYPES.items()):
        changed = digest_after(real, f"UPDATE dbo.T SET c{number} = {other}")
        assert changed not in seen, kind
        empty = digest_after(real, f"UPDATE dbo.T SET c{number} = NULL")
        assert empty not in {*seen, changed}, kind
        seen |= {changed, empty}
        assert digest_after(real, f"UPDATE dbo.T SET c{number} = {one}") == first, kind


def test_declared_types_are_told(real):
    """Columns as CREATE TABLE states them; rowversion and what is computed when read are left out."""
    columns = ", ".join(f"c{number} {kind} NULL" for number, kind in enumerate(TYPES))
    real.sql("old", real.full, f"CREATE TABLE dbo.T ({columns}, v rowversion, k AS c3 + 1, p AS c3 + 2 PERSISTED)")
    (table,) = [one for one in real.server().tables(real.full) if one.name == "dbo.T"]
    expected = [kind.replace("numeric", "numeric") for kind in TYPES]
    assert [kind for _, kind in table.columns[: len(TYPES)]] == expected
    assert [name for name, _ in table.columns[len(TYPES) :]] == ["p"]


def test_the_digest_does_not_depend_on_order_or_version(real):
    """The same rows, inserted the other way round on the newer version: the same digest."""
    rows = [f"({number}, N'name {number}', {number}.25)" for number in range(50)]
    create = (
        "CREATE TABLE dbo.T (Id int NOT NULL, Name nvarchar(20), Price decimal(9,2))\nGO\nINSERT INTO dbo.T VALUES "
    )
    real.sql("old", real.full, create + ", ".join(rows))
    real.sql("new", "master", f"CREATE DATABASE [{real.full}]")
    real.sql("new", real.full, create + ", ".join(reversed(rows)))
    assert proof_of(real.server("old"), real.full, "dbo.T") == proof_of(real.server("new"), real.full, "dbo.T")


def test_rows_that_occur_twice_do_not_cancel(real):
    """Two equal rows more are noticed; so is a value that moved from one column to the next."""
    real.sql("old", real.full, "CREATE TABLE dbo.T (a varchar(9) NULL, b varchar(9) NULL)")
    digests = [
        digest_after(real, "SELECT 1"),
        digest_after(real, "INSERT INTO dbo.T VALUES ('a', 'bc'), ('a', 'bc')"),
        digest_after(real, "DELETE FROM dbo.T; INSERT INTO dbo.T VALUES ('ab', 'c'), ('ab', 'c')"),
        digest_after(real, "DELETE FROM dbo.T; INSERT INTO dbo.T VALUES (NULL, 'x'), ('', NULL)"),
        digest_after(real, "DELETE FROM dbo.T; INSERT INTO dbo.T VALUES (NULL, NULL), ('', 'x')"),
    ]
    assert len(set(digests)) == len(digests)


def test_wide_and_oddly_named_tables(real):
    """More columns than are hashed at once, and names that need quoting."""
    columns = ", ".join(f"[c ]]{number}] int NOT NULL DEFAULT {number}" for number in range(120))
    real.sql("old", real.full, f"CREATE SCHEMA [my schema]\nGO\nCREATE TABLE [my schema].[it's] ({columns})")
    real.sql("old", real.full, "INSERT INTO [my schema].[it's] DEFAULT VALUES")
    first = proof_of(real.server(), real.full, "my schema.it's")
    assert first.rows == 1
    real.sql("old", real.full, "UPDATE [my schema].[it's] SET [c ]]119] = 0")
    assert proof_of(real.server(), real.full, "my schema.it's").digest != first.digest


def test_several_tables_at_once(real):
    """Proofs run side by side on connections of their own."""
    server = real.server()
    (table,) = [one for one in server.tables(real.full) if one.name == "dbo.Contact"]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: server.prove_table(real.full, table, ProofLevel.CONTENT), range(12)))
    assert len(set(found)) == 1


def test_a_sample_is_reproducible(real):
    """A sample has all rows counted; equal tables have equal samples."""
    rows = ", ".join(f"({number}, N'{number}')" for number in range(500))
    real.sql("old", real.full, f"CREATE TABLE dbo.T (Id int, Name nvarchar(9))\nGO\nINSERT INTO dbo.T VALUES {rows}")
    server = real.server()
    first = proof_of(server, real.full, "dbo.T", ProofLevel.SAMPLE)
    assert (first.rows, len(first.digest)) == (500, 64)
    assert proof_of(server, real.full, "dbo.T", ProofLevel.SAMPLE) == first
    real.sql("old", real.full, "UPDATE dbo.T SET Name = N'x' WHERE Id < 250")
    assert proof_of(server, real.full, "dbo.T", ProofLevel.SAMPLE).digest != first.digest
    assert proof_of(server, real.full, "dbo.T", ProofLevel.COUNT).digest == ""


CHANGES = {
    "column dbo.Contact.Extra": "ALTER TABLE dbo.Contact ADD Extra int NULL",
    "column dbo.Contact.Mail": "ALTER TABLE dbo.Contact ALTER COLUMN Mail varchar(81) NULL",
    "view dbo.Names": "ALTER VIEW dbo.Names AS SELECT Name, Mail FROM dbo.Contact",
    "procedure dbo.p": "CREATE PROCEDURE dbo.p AS SELECT 1",
    "function dbo.f": "CREATE FUNCTION dbo.f (@a int) RETURNS int AS BEGIN RETURN @a END",
    "trigger dbo.tr": "CREATE TRIGGER dbo.tr ON dbo.Contact AFTER INSERT AS SELECT 1",
    "index dbo.Contact.ix": "CREATE INDEX ix ON dbo.Contact (Name DESC) INCLUDE (Mail)",
    "check constraint dbo.Contact.ck": "ALTER TABLE dbo.Contact ADD CONSTRAINT ck CHECK (Id > 0)",
    "sequence dbo.s": "CREATE SEQUENCE dbo.s AS int START WITH 1 INCREMENT BY 1",
    "synonym dbo.y": "CREATE SYNONYM dbo.y FOR dbo.Contact",
    "schema sales": "CREATE SCHEMA sales",
    "user u": "CREATE USER u WITHOUT LOGIN",
    "role r": "CREATE ROLE r",
    "type dbo.Mail": "CREATE TYPE dbo.Mail FROM varchar(80) NOT NULL",
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_kind_of_object_is_in_the_inventory(real, name):
    """A changed or added object is named, and nothing else differs (a table's own constraint may bring an index)."""
    server = real.server()
    before = server.objects(real.full)
    real.sql("old", real.full, CHANGES[name])
    after = server.objects(real.full)
    assert [key for key in {*before, *after} if before.get(key) != after.get(key)] == [name]


def test_disabled_and_untrusted_are_in_the_inventory(real):
    """What an upgrade may flip: a trigger, a constraint's trust, a foreign key."""
    script = """
CREATE TABLE dbo.Child (Id int NOT NULL PRIMARY KEY, ContactId int NOT NULL CONSTRAINT fk REFERENCES dbo.Contact (Id))
GO
CREATE TRIGGER dbo.tr ON dbo.Child AFTER INSERT AS SELECT 1
"""
    real.sql("old", real.full, script)
    server = real.server()
    before = server.objects(real.full)
    real.sql("old", real.full, "ALTER TABLE dbo.Child NOCHECK CONSTRAINT fk; DISABLE TRIGGER dbo.tr ON dbo.Child")
    after = server.objects(real.full)
    changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    assert changed == ["foreign key dbo.Child.fk", "trigger dbo.tr"]


def test_positions(real):
    """Identity columns and sequences, how far they have come."""
    real.sql("old", real.full, "CREATE SEQUENCE dbo.s AS int START WITH 5\nGO\nSELECT NEXT VALUE FOR dbo.s")
    found = real.server().positions(real.full)
    assert found["identity dbo.Contact"] == "3"
    assert found["sequence dbo.s"] == "5"


def test_a_check_of_the_plan_changes_nothing(real):
    """What it wrote is rolled back; what ends the transaction is refused."""
    server = real.server()
    count = "SELECT COUNT(*) FROM dbo.Contact"
    server.query(real.full, "DELETE FROM dbo.Contact; SELECT 1")
    assert server.query(real.full, count).rows == ((3,),)
    assert server.query(real.full, "SELECT Id, Name FROM dbo.Contact ORDER BY Id", max_rows=2).rows == (
        (1, "Ann"),
        (2, "Zoë"),
    )
    with pytest.raises(Refused, match="ended its transaction"):
        server.query(real.full, "COMMIT; SELECT 1")
    with pytest.raises(ServerError) as caught:
        server.query(real.full, "SELECT nothing FROM dbo.Contact")
    assert caught.value.number == 207


def test_a_batch_stops_at_its_first_error(real):
    """No statement runs after one that failed."""
    server = real.server()
    with pytest.raises(ServerError) as caught:
        server.run_batch(real.full, "INSERT INTO dbo.Contact (Name) VALUES (NULL); UPDATE dbo.Contact SET Mail = 'x'")
    assert (caught.value.number, caught.value.in_doubt) == (515, False)
    assert server.query(real.full, "SELECT COUNT(*) FROM dbo.Contact WHERE Mail = 'x'").rows == ((0,),)


def test_a_batch_that_leaves_a_transaction_open(real):
    """It is rolled back and reported, not lost without a word."""
    server = real.server()
    with pytest.raises(ServerError, match="left a transaction open"):
        server.run_batch(real.full, "BEGIN TRANSACTION; UPDATE dbo.Contact SET Mail = 'x'")
    assert server.query(real.full, "SELECT COUNT(*) FROM dbo.Contact WHERE Mail = 'x'").rows == ((0,),)


def test_a_refused_statement_is_not_in_doubt(real):
    """The server said no, with its number."""
    with real.fault("old", "fail", "SET RESTRICTED_USER", times=1), pytest.raises(ServerError) as caught:
        real.server().set_user_access(real.full, "RESTRICTED_USER")
    assert (caught.value.number, caught.value.in_doubt) == (50998, False)


def test_a_dropped_connection_is_in_doubt(real):
    """The answer is lost; a read is simply done again."""
    with real.fault("old", "drop", "SET RESTRICTED_USER", times=1), pytest.raises(ServerError) as caught:
        real.server().set_user_access(real.full, "RESTRICTED_USER")
    assert caught.value.in_doubt
    with real.fault("old", "drop", "SYSUTCDATETIME", times=1):
        assert real.server().utcnow()


HANGING = {
    "RESTORE LOG": lambda server, real: server.restore_log(real.full, real.path("x")),
    "UPDATE dbo.Contact": lambda server, real: server.run_batch(real.full, "UPDATE dbo.Contact SET Mail = 'hung'"),
    "DBCC CHECKDB": lambda server, real: server.check_database(real.full),
}


@pytest.mark.parametrize("match", HANGING)
def test_what_hangs_is_ended_on_the_server(real, match):
    """Whatever hangs, for whatever reason: nothing of this run is running once the call has returned."""
    running = (
        "SELECT s.session_id FROM sys.dm_exec_sessions AS s JOIN sys.dm_exec_requests AS r "
        "ON r.session_id = s.session_id WHERE s.program_name LIKE 'runbook run%'"
    )
    others = set(real.sql("old", "master", running))
    real.hang("old", match)
    real.stop_soon()
    with pytest.raises(Cancelled):
        HANGING[match](real.server(), real)
    assert set(real.sql("old", "master", running)) <= others


def test_a_wait_behind_a_lock_is_ended(real):
    """A client holds a row; the batch that waits for it ends, and its connection with it."""
    client = real.connect("old", real.full)
    client.autocommit = False
    client.execute("UPDATE dbo.Contact SET Mail = 'held' WHERE Id = 1")
    real.stop_soon()
    with pytest.raises(Cancelled):
        real.server().run_batch(real.full, "UPDATE dbo.Contact SET Mail = 'late' WHERE Id = 1")
    client.rollback()


def test_sessions_and_kill(real):
    """A client is seen with its program, and is gone after the kill; the run's own sessions are not shown."""
    client = real.connect("old", real.full)
    server = real.server()
    (found,) = server.sessions(real.full)
    assert found.program == "mailer"
    server.kill(found.session_id)
    assert server.sessions(real.full) == ()
    server.kill(found.session_id)
    with pytest.raises(pyodbc.Error):
        client.execute("SELECT 1")


def test_the_cut_needs_an_empty_database(real):
    """3101 while somebody is there, with a hint."""
    server = real.server()
    server.backup_full(real.full, real.path("base.bak"), name="base", copy_only=False)
    real.connect("old", real.full)
    with pytest.raises(ServerError) as caught:
        server.cut_tail(real.full, real.path("tail.trn"), name="tail")
    assert caught.value.number == 3101
    assert caught.value.hint


def test_a_snapshot_is_reverted_although_somebody_is_in(real):
    """Sessions in the database and in the snapshot are ended."""
    server = real.server()
    server.create_snapshot(real.full, f"{real.full}_s")
    real.connect("old", real.full)
    real.connect("old", f"{real.full}_s")
    server.revert_to_snapshot(real.full, f"{real.full}_s")
    assert server.database(real.full).state == "ONLINE"


def test_sessions_of_an_earlier_executor_are_ended(real):
    """Lower fencing numbers of the same run go, with what they run and the lock they hold; others stay."""
    old, new = real.server(fence=1), real.server(fence=2)
    with ThreadPoolExecutor(1) as pool, old.application_lock(real.run_id) as lock:
        blocked = pool.submit(old.run_batch, real.full, "WAITFOR DELAY '00:00:30'")
        wait(0.3)
        with pytest.raises(AlreadyRunning, match=rf"runbook {real.run_id} 1"), new.application_lock(real.run_id):
            pass
        assert lock.is_held()
        assert new.end_sessions_of("other run", 9) == 0
        assert new.end_sessions_of(real.run_id, 1) == 0
        assert new.end_sessions_of(real.run_id, 2) == 2
        assert blocked.exception(5).in_doubt
        with new.application_lock(real.run_id) as taken:
            assert taken.is_held()
            assert not lock.is_held()


def test_a_file_that_appears_after_the_look_is_not_written_over(real, monkeypatch):
    """Between the look for it and the BACKUP somebody else wrote there: their set is kept by the server itself."""
    server, path = real.server(), real.path("theirs.bak")
    server.backup_full(real.full, path, name="theirs", copy_only=True)
    monkeypatch.setattr(backups, "refuse_existing", lambda _client, _path: None)
    server.backup_full(real.full, path, name="ours", copy_only=True)
    assert [server.backup_header(path, position).name for position in (1, 2)] == ["theirs", "ours"]


def test_a_lock_is_taken_again_from_a_session_of_its_own_that_is_of_no_use(real):
    """A cut connection that the server has not noticed keeps the lock: that session is ended, by number and login."""
    first, again = real.server(), real.server()
    with first.application_lock(real.run_id) as lock:
        with pytest.raises(AlreadyRunning), again.application_lock(real.run_id):
            pass
        with again.application_lock(real.run_id, instead_of=lock) as taken:
            assert taken.is_held()
            assert not lock.is_held()


def test_a_job_keeps_its_text(real):
    """Quotes, line breaks and a backslash before one, more than 4,000 characters."""
    server = real.server("new")
    command = "PRINT 'it''s';\r\necho a ^\\\nb " + "x" * 5000
    name = f"odd 'job' {real.serial}"
    server.create_job(JobDefinition(name, False, "a\\\nb", "sa", 1, (JobStep(1, "s", "TSQL", command, "master"),), ()))
    (job,) = [one for one in server.jobs() if one.name == name]
    kept = server.job_definition(job.job_id)
    assert kept.steps[0].command == command
    assert kept.description == "a\\\nb"
    server.delete_job(name)


def test_a_running_job_is_seen_and_stopped(real):
    """Running is what the Agent says now; asked to stop, it ends a little later."""
    server = real.server("new")
    name = f"long {real.serial}"
    step = JobStep(1, "wait", "TSQL", "WAITFOR DELAY '00:01:00'", "master")
    server.create_job(JobDefinition(name, False, "", "sa", 1, (step,), ()))

    def running():
        return [job for job in server.jobs() if job.name == name and job.running]

    real.sql("new", "msdb", f"EXEC dbo.sp_start_job @job_name = N'{name}'")
    _until(running)
    server.stop_job(running()[0].job_id)
    _until(lambda: not running())
    server.delete_job(name)


def _until(holds):
    for _ in range(100):
        if holds():
            return
        wait(0.05)
    pytest.fail("it did not happen within five seconds")


def test_an_unknown_certificate_is_refused_and_can_be_trusted(real):
    """Encrypted with a certificate nobody vouches for: refused with what to do, taken when told to."""
    address = real.servers.targets["old"].locate()

    class Target(ServerTarget):
        def locate(self):
            return replace(address, encrypt=True, trust_certificate=self.trust_certificate)

    def server(trust):
        target = Target("mssql://unused", trust_certificate=trust)
        return open_server("old", target, real.stop, real.log, real.run_id, 1)

    with pytest.raises(Unreachable, match="cannot be trusted") as caught:
        server(trust=False).utcnow()
    assert "trust_certificate" in caught.value.hint
    assert server(trust=True).utcnow()


@pytest.mark.parametrize(
    ("statement", "aspects"),
    [
        ("ALTER LOGIN {0} DISABLE", {"is_disabled"}),
        ("ALTER LOGIN {0} WITH PASSWORD = N'Somebody.knows.2'", {"password_hash"}),
        ("ALTER LOGIN {0} WITH DEFAULT_DATABASE = tempdb", {"default_database"}),
        ("ALTER SERVER ROLE dbcreator ADD MEMBER {0}", {"roles"}),
        ("DROP LOGIN {0}; CREATE LOGIN {0} WITH PASSWORD = N'Nobody.knows.1'", {"sid", "password_hash"}),
    ],
)
def test_a_picture_tells_one_login_from_another(real, statement, aspects):
    """Of the same name: what makes it the same is looked at."""
    name = f"seen{real.serial}"
    real.sql("old", "master", f"CREATE LOGIN [{name}] WITH PASSWORD = N'Nobody.knows.1'")
    try:
        before = picture.take(real.servers.targets["old"]).logins[name]
        real.sql("old", "master", statement.format(f"[{name}]"))
        after = picture.take(real.servers.targets["old"]).logins[name]
    finally:
        real.sql("old", "master", f"DROP LOGIN [{name}]")
    assert {one.name for one in fields(after) if getattr(after, one.name) != getattr(before, one.name)} == aspects


def test_a_picture_keeps_no_rows(real):
    """A table may be larger than the memory: its rows are counted and hashed as they come."""
    rows = ", ".join(f"(N'{'x' * 400}{number}')" for number in range(64))
    doubled = f"INSERT INTO {real.full}.dbo.Wide SELECT Text FROM {real.full}.dbo.Wide"
    real.sql("old", real.full, "CREATE TABLE dbo.Wide (Text nvarchar(500) NOT NULL)")
    real.sql("old", real.full, f"INSERT INTO dbo.Wide (Text) VALUES {rows}")
    for _ in range(9):
        real.sql("old", real.full, doubled)
    tracemalloc.start()
    try:
        found = picture.take(real.servers.targets["old"]).tables[real.full, "dbo.Wide"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        real.sql("old", real.full, "DROP TABLE dbo.Wide")
    assert found[0] == 64 * 2**9
    assert peak < found[0] * 400 / 3


def test_a_carried_login_can_log_in(real):
    """The hash is the password's: the login works on the other server without anybody having known it."""
    name = f"app{real.serial}"
    real.sql("old", "master", f"CREATE LOGIN [{name}] WITH PASSWORD = N'Sm0ke!Signal', CHECK_POLICY = OFF")
    (login,) = [one for one in real.server("old").logins() if one.name == name]
    new = real.server("new")
    new.create_login(replace(login, is_disabled=False))
    target = _target(real, "new", name, "Sm0ke!Signal")
    server = open_server("new", target, real.stop, real.log, real.run_id, 1)
    assert server.utcnow()
    assert server.missing_permissions() == ("sysadmin",)
    with pytest.raises(NotPermitted):
        require_sysadmin(server)
    new.drop_login(name)


def test_a_wrong_password_is_refused_without_showing_it(real):
    """NotPermitted, which server and which login, and what to check."""
    target = _target(real, "old", "sa", "Wr0ng!Secret")
    with pytest.raises(NotPermitted, match="login sa") as caught:
        open_server("old", target, real.stop, real.log, real.run_id, 1).identity()
    assert "Wr0ng" not in caught.value.message + caught.value.hint
    assert "servers.old" in caught.value.hint


def _target(real, role, user, password):
    address = real.servers.targets[role].locate()

    class Target(ServerTarget):
        def locate(self):
            return Address(address.server, address.port, user, Secret(password), encrypt=False)

    return Target("mssql://unused")


def test_a_database_with_a_dropped_door_stays_quiet(real):
    """Reading a single-user database's surroundings does not take its only place."""
    server = real.server()
    server.set_user_access(real.full, "SINGLE_USER")
    assert server.database(real.full).user_access == "SINGLE_USER"
    assert server.sessions(real.full) == ()
    server.set_user_access(real.full, "MULTI_USER")


def test_no_statement_is_unknown_to_the_sandbox(real):
    """Looking at everything once meets nothing the sandbox refuses by 50999."""
    server = real.server()
    server.identity(), server.databases(), server.logins(), server.jobs(), server.running_backups()
    server.volumes(["/tmp"]), server.edition_features(real.full), server.sessions(real.full)
    server.positions(real.full), server.objects(real.full), server.tables(real.full)
    server.log_chain_starts(real.full), server.snapshots(real.full)
    assert server.last_good_checkdb(real.full) is None
    assert [entry.text for entry in real.log.entries if entry.said == "Failure"] == []
