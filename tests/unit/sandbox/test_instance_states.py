"""Database states and access modes gate everybody; changing them waits, refuses or evicts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.sandbox.contract import Cancelled, LoginRequest, SqlError
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


def row(session: FakeSession, name: str = "db") -> dict[str, object]:
    return next(r for r in session.view("sys.databases") if r["name"] == name)


def test_offline_refuses_use_and_login(instance: SandboxInstance, sa: FakeSession) -> None:
    """942 for USE; 4060 then 18456 for a login that names it; ONLINE brings the content back."""
    sa.write("db", "kept")
    sa.run("ALTER DATABASE db SET OFFLINE")
    assert sa.fails("USE db") == [942]
    with pytest.raises(SqlError) as refused:
        instance.login(LoginRequest("sa", "pw", "db"), lambda: None)
    assert [refused.value.number, *(e.number for e in refused.value.also)] == [4060, 18456]
    assert row(sa)["collation_name"] is None
    sa.run("ALTER DATABASE db SET ONLINE")
    assert sa.read("db") == ["kept"]


def test_refused_login_leaves_no_session(instance: SandboxInstance, sa: FakeSession) -> None:
    """Wrong password 18456, unknown user 18456, disabled 18470, unknown database 4060; nobody stays behind."""
    sa.run("CREATE LOGIN app WITH PASSWORD = 'x'")
    sa.run("ALTER LOGIN app DISABLE")
    for user, password, database, number in (
        ("sa", "wrong", "", 18456),
        ("nobody", "x", "", 18456),
        ("app", "x", "", 18470),
        ("sa", "pw", "nowhere", 4060),
    ):
        with pytest.raises(SqlError) as refused:
            instance.login(LoginRequest(user, password, database), lambda: None)
        assert refused.value.number == number
    assert [e.spid for e in instance.registry.all()] == [sa.spid]


def test_set_offline_waits_for_the_others(instance: SandboxInstance, sa: FakeSession) -> None:
    """Without a termination clause ALTER waits while somebody is inside, and goes on when they have left."""
    other = connect(instance, database="db")
    waiting = Background(sa, "ALTER DATABASE db SET OFFLINE")
    time.sleep(0.1)
    assert waiting.is_running
    assert sa.view("sys.dm_tran_locks")
    other.run("USE master")
    waiting.join()
    assert waiting.problem is None
    assert row(sa)["state_desc"] == "OFFLINE"


def test_waiting_alter_can_be_cancelled(instance: SandboxInstance, sa: FakeSession) -> None:
    """A cancel ends the wait within a fraction of a second; the database is as before and open to others."""
    connect(instance, database="db")
    waiting = Background(sa, "ALTER DATABASE db SET OFFLINE")
    eventually(lambda: any(r["request_status"] == "WAIT" for r in connect(instance).view("sys.dm_tran_locks")))
    before = time.monotonic()
    sa.cancel()
    waiting.join()
    assert time.monotonic() - before < 0.5
    assert isinstance(waiting.problem, Cancelled)
    connect(instance, database="db")


def test_newcomers_wait_behind_a_waiting_alter(instance: SandboxInstance, sa: FakeSession) -> None:
    """Who is inside goes on; who comes later waits and then meets the new state."""
    inside, outside = connect(instance, database="db"), connect(instance)
    alter = Background(sa, "ALTER DATABASE db SET OFFLINE")
    eventually(lambda: any(r["request_status"] == "WAIT" for r in inside.view("sys.dm_tran_locks")))
    inside.write("db", "still possible")
    late = Background(outside, "USE db")
    time.sleep(0.1)
    assert late.is_running
    inside.close()
    alter.join()
    assert isinstance(late.join().problem, SqlError)
    assert late.problem.number == 942  # type: ignore[union-attr]


def test_no_wait_refuses_at_once(instance: SandboxInstance, sa: FakeSession) -> None:
    """5061 for OFFLINE, 5070 for READ_ONLY and SINGLE_USER, each followed by 5069."""
    connect(instance, database="db")
    assert sa.fails("ALTER DATABASE db SET OFFLINE WITH NO_WAIT") == [5061, 5069]
    assert sa.fails("ALTER DATABASE db SET READ_ONLY WITH NO_WAIT") == [5070, 5069]
    assert sa.fails("ALTER DATABASE db SET SINGLE_USER WITH NO_WAIT") == [5070, 5069]


def test_rollback_immediate_ends_other_sessions(instance: SandboxInstance, sa: FakeSession) -> None:
    """Sessions inside are ended, also those that only have an open transaction there; others stay."""
    inside, writer, outside = connect(instance, database="db"), connect(instance), connect(instance)
    instance.in_transaction(writer, {"db"})
    said = sa.run("ALTER DATABASE db SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
    assert (5060, "Nonqualified transactions are being rolled back. Estimated rollback completion: 100%.") in said.infos
    assert (inside.is_closed, writer.is_closed, outside.is_closed) == (True, True, False)


def test_rollback_after_gives_time(instance: SandboxInstance, sa: FakeSession) -> None:
    """ROLLBACK AFTER 1 leaves the others one second."""
    inside = connect(instance, database="db")
    before = time.monotonic()
    sa.run("ALTER DATABASE db SET READ_ONLY WITH ROLLBACK AFTER 1 SECONDS")
    assert time.monotonic() - before >= 0.95
    assert inside.is_closed


def test_single_user_has_one_slot_for_whoever_is_first(instance: SandboxInstance, sa: FakeSession) -> None:
    """924 for the second; somebody else than the holder cannot change it back (5064); when the holder leaves, the
    slot is free for anybody."""
    sa.run("ALTER DATABASE db SET SINGLE_USER")
    thief = connect(instance, database="db")
    assert sa.fails("USE db") == [924]
    assert sa.fails("ALTER DATABASE db SET MULTI_USER") == [5064, 5069]
    thief.close()
    sa.run("USE db")
    sa.run("ALTER DATABASE db SET MULTI_USER")
    connect(instance, database="db")


def test_restricted_user_lets_only_the_privileged_in(instance: SandboxInstance, sa: FakeSession) -> None:
    """An ordinary login gets 923; sysadmin and dbcreator enter; ROLLBACK IMMEDIATE does not end sysadmin sessions."""
    sa.run("CREATE LOGIN maker WITH PASSWORD = 'x'")
    sa.run("ALTER SERVER ROLE dbcreator ADD MEMBER maker")
    admin = connect(instance, database="db")
    sa.run("ALTER DATABASE db SET RESTRICTED_USER WITH ROLLBACK IMMEDIATE")
    assert not admin.is_closed
    record = instance.find("db")
    assert record is not None
    plain = connect(instance)
    plain.is_sysadmin = False
    plain.login = "app"
    sa.run("CREATE LOGIN app WITH PASSWORD = 'x'")
    assert plain.fails("USE db")[0] in (916, 923)


def test_restoring_database_refuses_alter(sa: FakeSession, tmp_path: Path) -> None:
    """5052 and 5069 while RESTORING; RESTORE WITH RECOVERY on an ONLINE database is 3153."""
    assert sa.fails("RESTORE DATABASE db WITH RECOVERY") == [3153, 3013]
    sa.run(f"BACKUP DATABASE db TO DISK = '{tmp_path}/f.bak'")
    sa.run(f"BACKUP LOG db TO DISK = '{tmp_path}/t.trn' WITH NORECOVERY")
    assert sa.fails("ALTER DATABASE db SET SINGLE_USER") == [5052, 5069]
    assert sa.fails(f"BACKUP DATABASE db TO DISK = '{tmp_path}/g.bak'") == [927, 3013]


def test_options_are_set_and_shown(sa: FakeSession) -> None:
    """Every option of SET appears in sys.databases; several may be given at once; a wrong level is 15048."""
    cases = {
        "RECOVERY BULK_LOGGED": ("recovery_model_desc", "BULK_LOGGED"),
        "COMPATIBILITY_LEVEL = 140": ("compatibility_level", 140),
        "PAGE_VERIFY TORN_PAGE_DETECTION": ("page_verify_option_desc", "TORN_PAGE_DETECTION"),
        "AUTO_CLOSE ON": ("is_auto_close_on", True),
        "AUTO_SHRINK ON": ("is_auto_shrink_on", True),
        "AUTO_CREATE_STATISTICS OFF": ("is_auto_create_stats_on", False),
        "AUTO_CREATE_STATISTICS ON (INCREMENTAL = ON)": ("is_auto_create_stats_on", True),
        "AUTO_UPDATE_STATISTICS OFF": ("is_auto_update_stats_on", False),
        "AUTO_UPDATE_STATISTICS_ASYNC ON": ("is_auto_update_stats_async_on", True),
        "TRUSTWORTHY ON": ("is_trustworthy_on", True),
        "DB_CHAINING ON": ("is_db_chaining_on", True),
        "DISABLE_BROKER": ("is_broker_enabled", False),
        "ENABLE_BROKER": ("is_broker_enabled", True),
        "READ_ONLY": ("is_read_only", True),
        "READ_WRITE": ("is_read_only", False),
        "QUERY_STORE = ON (OPERATION_MODE = READ_WRITE)": ("is_query_store_on", True),
        "READ_COMMITTED_SNAPSHOT ON": ("is_read_committed_snapshot_on", True),
        "ALLOW_SNAPSHOT_ISOLATION ON": ("snapshot_isolation_state_desc", "ON"),
        "DELAYED_DURABILITY = ALLOWED": ("delayed_durability_desc", "ALLOWED"),
        "TARGET_RECOVERY_TIME = 2 MINUTES": ("target_recovery_time_in_seconds", 120),
        "PARAMETERIZATION FORCED": ("is_parameterization_forced", True),
        "CURSOR_DEFAULT LOCAL": ("is_local_cursor_default", True),
    }
    for clause, (column, value) in cases.items():
        sa.run(f"ALTER DATABASE [db] SET {clause}")
        assert row(sa)[column] == value, clause
    broker = row(sa)["service_broker_guid"]
    sa.run("ALTER DATABASE db SET NEW_BROKER, ANSI_NULLS ON WITH NO_WAIT")
    assert row(sa)["service_broker_guid"] != broker
    assert row(sa)["is_ansi_nulls_on"] is True
    assert sa.fails("ALTER DATABASE db SET COMPATIBILITY_LEVEL = 160") == [15048]
    assert sa.fails("ALTER DATABASE db SET CHANGE_TRACKING = ON") == [50999]
    assert sa.fails("ALTER DATABASE nowhere SET ANSI_NULLS ON") == [5011, 5069]


def test_rename_needs_the_database_alone(instance: SandboxInstance, sa: FakeSession) -> None:
    """5030 while somebody is inside; a taken name is 1801; afterwards only the new name exists."""
    sa.run("CREATE DATABASE other")
    inside = connect(instance, database="db")
    assert sa.fails("ALTER DATABASE db MODIFY NAME = fresh") == [5030, 5069]
    inside.close()
    assert sa.fails("ALTER DATABASE db MODIFY NAME = other") == [1801, 5069]
    sa.run("ALTER DATABASE db MODIFY NAME = [fresh one]")
    assert sa.fails("USE db") == [911]
    sa.run("USE [fresh one]")
    sa.run("ALTER DATABASE [fresh one] MODIFY NAME = db")
    assert sa.database == "db", "the context follows the name"


def test_owner_changes(instance: SandboxInstance, sa: FakeSession) -> None:
    """ALTER AUTHORIZATION sets the owner; an unknown login is 15151; an owner cannot be dropped (15174)."""
    sa.run("CREATE LOGIN owner WITH PASSWORD = 'x', SID = 0x00112233445566778899AABBCCDDEEFF")
    sa.run("ALTER AUTHORIZATION ON DATABASE::db TO owner")
    assert bytes(row(sa)["owner_sid"]).hex().upper() == "00112233445566778899AABBCCDDEEFF"  # type: ignore[call-overload]
    assert sa.fails("ALTER AUTHORIZATION ON DATABASE::db TO nobody") == [15151]
    assert sa.fails("DROP LOGIN owner") == [15174]


def test_drop_database_rules(instance: SandboxInstance, sa: FakeSession) -> None:
    """In use 3702, unknown 3701, system 3708; ids are used again; files of an OFFLINE database stay."""
    inside = connect(instance, database="db")
    assert sa.fails("DROP DATABASE db") == [3702]
    inside.close()
    assert sa.fails("DROP DATABASE nowhere") == [3701]
    sa.run("DROP DATABASE IF EXISTS nowhere")
    assert sa.fails("DROP DATABASE msdb") == [3708]
    number = row(sa)["database_id"]
    data = instance.data_directory / "db.mdf"
    sa.run("ALTER DATABASE db SET OFFLINE")
    sa.run("DROP DATABASE db")
    assert data.exists()
    assert sa.fails("CREATE DATABASE db") == [5170, 1802]
    data.unlink()
    (instance.data_directory / "db_log.ldf").unlink()
    sa.run("CREATE DATABASE db")
    assert row(sa)["database_id"] == number
    sa.run("DROP DATABASE db")
    assert not data.exists()


def test_kill_ends_a_waiting_session(instance: SandboxInstance, sa: FakeSession) -> None:
    """KILL ends what hangs and the session is gone; 6104 for oneself, 6106 for nobody, 6101 for nonsense."""
    connect(instance, database="db")
    victim = connect(instance)
    waiting = Background(victim, "ALTER DATABASE db SET OFFLINE")
    eventually(lambda: any(r["request_session_id"] == victim.spid for r in sa.view("sys.dm_tran_locks")))
    sa.run(f"KILL {victim.spid}")
    waiting.join()
    assert isinstance(waiting.problem, Cancelled)
    eventually(lambda: instance.registry.get(victim.spid) is None)
    assert sa.fails(f"KILL {sa.spid}") == [6104]
    assert sa.fails(f"KILL {victim.spid}") == [6106]
    assert sa.fails("KILL 0") == [6101]


def test_monitors_see_what_runs(instance: SandboxInstance, sa: FakeSession) -> None:
    """dm_exec_requests shows command and text of another session's statement; idle sessions have no request."""
    connect(instance, database="db")
    busy = connect(instance)
    waiting = Background(busy, "ALTER DATABASE db SET OFFLINE")
    eventually(lambda: any(r["session_id"] == busy.spid for r in sa.view("sys.dm_exec_requests")))
    request = next(r for r in sa.view("sys.dm_exec_requests") if r["session_id"] == busy.spid)
    assert request["command"] == "ALTER DATABASE"
    assert sa.view("sys.dm_exec_sql_text", request["sql_handle"])[0]["text"] == "ALTER DATABASE db SET OFFLINE"
    statuses = {r["session_id"]: r["status"] for r in sa.view("sys.dm_exec_sessions")}
    assert statuses[busy.spid] == "running"
    busy.cancel()
    waiting.join()


def test_application_locks_exclude_across_sessions(instance: SandboxInstance, sa: FakeSession) -> None:
    """Granted once, refused to the second after its timeout, granted again when the holder is gone."""
    other = connect(instance)
    assert instance.applock(sa, "r", "Exclusive", "Session", 0) == 0
    assert instance.applock(other, "r", "Shared", "Session", 30) == -1
    assert instance.applock_release(other, "r") == -999
    sa.close()
    assert instance.applock(other, "r", "Exclusive", "Session", 0) == 0
    assert instance.applock(other, "r", "Nonsense", "Session", 0) == -999


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    """Databases with their states and options, logins and configuration are there after stop and start."""
    first = server(tmp_path / "s")
    session = connect(first)
    session.run("CREATE DATABASE db")
    session.run("ALTER DATABASE db SET RESTRICTED_USER")
    session.run("CREATE LOGIN app WITH PASSWORD = 'x', DEFAULT_DATABASE = db")
    session.call("sp_configure", "backup checksum default", 1)
    first.stop()
    second = server(tmp_path / "s")
    session = connect(second)
    assert row(session)["user_access_desc"] == "RESTRICTED_USER"
    assert second.configuration.in_use("backup checksum default") == 1
    with pytest.raises(SqlError, match="4064"):
        second.login(LoginRequest("app", "x"), lambda: None)
    second.stop()


def test_directory_may_be_moved_and_copied(tmp_path: Path) -> None:
    """A copy answers with the same rows from its own files; writes to it do not reach the original."""
    first = server(tmp_path / "s")
    session = connect(first)
    session.run("CREATE DATABASE db")
    session.write("db", "both")
    first.stop()
    shutil.copytree(tmp_path / "s", tmp_path / "copy")
    copy, original = server(tmp_path / "copy"), server(tmp_path / "s")
    connect(copy).write("db", "copy only")
    assert connect(original).read("db") == ["both"]
    assert connect(copy).read("db") == ["both", "copy only"]
    assert {Path(str(r["physical_name"])).parts[-3] for r in connect(copy).view("sys.master_files")} == {"copy"}
    copy.stop()
    original.stop()


def test_in_place_upgrade_converts_and_never_goes_back(tmp_path: Path) -> None:
    """A newer engine on the same directory converts open databases, not READ_ONLY ones; the older one refuses."""
    old = server(tmp_path / "s", version="2017")
    session = connect(old)
    session.run("CREATE DATABASE db")
    session.run("CREATE DATABASE frozen")
    session.run("ALTER DATABASE frozen SET READ_ONLY")
    old.stop()
    new = server(tmp_path / "s", version="2022")
    session = connect(new)
    assert new.function("DATABASEPROPERTYEX", session, ["db", "Version"]) == 957
    assert row(session)["compatibility_level"] == 140
    assert row(session, "frozen")["state_desc"] == "RECOVERY_PENDING"
    assert session.fails("USE frozen") == [945]
    new.stop()
    with pytest.raises(SqlError, match="3417"):
        server(tmp_path / "s", version="2017")
