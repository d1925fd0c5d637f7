"""Logins: created, carried to another server by their hash, disabled, and what they may do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.sandbox.contract import LoginRequest, SqlError
from runbook.sandbox.instance import passwords
from runbook.sandbox.instance.instance import SandboxInstance
from tests.unit.sandbox.test_instance_fakes import FakeSession, connect, server

SID = "0x0102030405060708090A0B0C0D0E0F10"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[SandboxInstance]:
    found = server(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def sa(instance: SandboxInstance) -> FakeSession:
    return connect(instance)


def hash_of(session: FakeSession, name: str) -> str:
    value = session.instance.function("LOGINPROPERTY", session, [name, "PasswordHash"])
    assert isinstance(value, bytes)
    return f"0x{value.hex().upper()}"


def test_hash_and_sid_carry_a_login_to_a_newer_server(sa: FakeSession, tmp_path: Path) -> None:
    """Created with PASSWORD = 0x... HASHED and SID, the login works on the other server with the old password."""
    sa.run(f"CREATE LOGIN [mail app] WITH PASSWORD = N'Sécret 1', SID = {SID}")
    other = server(tmp_path / "new", "NEW", "2022")
    admin = connect(other)
    admin.run(
        f"CREATE LOGIN [mail app] WITH PASSWORD = {hash_of(sa, 'mail app')} HASHED, SID = {SID}, CHECK_POLICY = OFF"
    )
    connect(other, "mail app", "Sécret 1").close()
    with pytest.raises(SqlError, match="18456"):
        connect(other, "mail app", "sécret 1")
    row = next(r for r in admin.view("sys.sql_logins") if r["name"] == "mail app")
    assert f"0x{row['sid'].hex().upper()}" == SID
    assert row["is_policy_checked"] is False
    other.stop()


def test_hash_of_2025_is_refused_by_2019(tmp_path: Path, sa: FakeSession) -> None:
    """2025 writes another kind of hash; older servers refuse it (15021), 2025 takes the old kind."""
    newest = server(tmp_path / "n", "N", "2025")
    admin = connect(newest)
    admin.run("CREATE LOGIN app WITH PASSWORD = 'x'")
    assert sa.fails(f"CREATE LOGIN app WITH PASSWORD = {hash_of(admin, 'app')} HASHED") == [15021]
    sa.run("CREATE LOGIN old WITH PASSWORD = 'y'")
    admin.run(f"CREATE LOGIN old WITH PASSWORD = {hash_of(sa, 'old')} HASHED")
    connect(newest, "old", "y")
    connect(newest, "app", "x")
    newest.stop()


def test_hash_is_sql_servers_own_form() -> None:
    """0x0200, four bytes of salt, SHA-512 over UTF-16 password and salt."""
    made = passwords.make("pw", 15)
    assert len(made) == 70
    assert made[:2] == b"\x02\x00"
    assert passwords.Verifier().matches("pw", made)
    assert not passwords.Verifier().matches("PW", made)


def test_alter_login(instance: SandboxInstance, sa: FakeSession) -> None:
    """New password, new name, default database, enable and disable; sid and roles stay."""
    sa.run(f"CREATE LOGIN app WITH PASSWORD = 'x', SID = {SID}")
    sa.run("ALTER SERVER ROLE dbcreator ADD MEMBER app")
    sa.run("ALTER LOGIN app WITH NAME = app2, PASSWORD = 'y', DEFAULT_DATABASE = msdb, CHECK_EXPIRATION = ON")
    session = connect(instance, "app2", "y")
    assert session.database == "msdb"
    assert instance.function("IS_SRVROLEMEMBER", session, ["dbcreator"]) == 1
    assert instance.function("SUSER_SID", session, []).hex() == SID[2:].lower()
    sa.run("ALTER LOGIN app2 DISABLE")
    assert not session.is_closed, "existing sessions live on"
    with pytest.raises(SqlError, match="18470"):
        connect(instance, "app2", "y")
    assert next(r for r in sa.view("sys.server_principals") if r["name"] == "app2")["is_disabled"] is True


def test_refusals(sa: FakeSession) -> None:
    """Existing name 15025, sid in use 15433, unknown login 15151, sa cannot be dropped 15405."""
    sa.run(f"CREATE LOGIN app WITH PASSWORD = 'x', SID = {SID}")
    assert sa.fails("CREATE LOGIN APP WITH PASSWORD = 'x'") == [15025]
    assert sa.fails(f"CREATE LOGIN b WITH PASSWORD = 'x', SID = {SID}") == [15433]
    assert sa.fails("ALTER LOGIN nobody DISABLE") == [15151]
    assert sa.fails("DROP LOGIN nobody") == [15151]
    assert sa.fails("DROP LOGIN sa") == [15405]
    assert sa.fails("CREATE LOGIN c WITH PASSWORD = 0x00 HASHED") == [15021]


def test_deny_connect_and_grants(instance: SandboxInstance, sa: FakeSession) -> None:
    """DENY CONNECT SQL keeps a login out; GRANT is in sys.server_permissions and in HAS_PERMS_BY_NAME."""
    sa.run("CREATE LOGIN app WITH PASSWORD = 'x'")
    sa.run("GRANT VIEW SERVER STATE, ALTER ANY LOGIN TO app")
    session = connect(instance, "app", "x")
    assert instance.function("HAS_PERMS_BY_NAME", session, [None, None, "VIEW SERVER STATE"]) == 1
    assert instance.function("HAS_PERMS_BY_NAME", session, [None, None, "SHUTDOWN"]) == 0
    sa.run("DENY CONNECT SQL TO app")
    with pytest.raises(SqlError, match="18456"):
        connect(instance, "app", "x")
    states = {
        r["permission_name"]: r["state_desc"]
        for r in sa.view("sys.server_permissions")
        if r["grantee_principal_id"] > 256
    }
    assert states == {"CONNECT SQL": "DENY", "VIEW SERVER STATE": "GRANT", "ALTER ANY LOGIN": "GRANT"}
    sa.run("REVOKE CONNECT SQL FROM app")
    sa.run("GRANT CONNECT SQL TO app")
    connect(instance, "app", "x")


def test_ordinary_login_may_not_administer(instance: SandboxInstance, sa: FakeSession, tmp_path: Path) -> None:
    """Each statement is refused with the number SQL Server uses, and nothing happens."""
    sa.run("CREATE DATABASE db")
    sa.run("CREATE LOGIN app WITH PASSWORD = 'x'")
    app = connect(instance, "app", "x")
    for statement, numbers in {
        "CREATE DATABASE x": [262],
        f"BACKUP DATABASE db TO DISK = '{tmp_path}/x.bak'": [262, 3013],
        f"RESTORE HEADERONLY FROM DISK = '{tmp_path}/x.bak'": [262, 3013],
        "ALTER DATABASE db SET OFFLINE": [5011, 5069],
        "DROP DATABASE db": [3701],
        "CREATE LOGIN y WITH PASSWORD = 'x'": [15247],
        f"KILL {sa.spid}": [6102],
        "RECONFIGURE": [15247],
        "USE db": [916],
        "DBCC CHECKDB ('db')": [7983],
        "ALTER AUTHORIZATION ON DATABASE::db TO app": [15151],
    }.items():
        assert app.fails(statement) == numbers, statement
    with pytest.raises(SqlError, match="15247"):
        app.call("xp_readerrorlog")
    assert [r["session_id"] for r in app.view("sys.dm_exec_sessions")] == [app.spid]
    assert not (tmp_path / "x.bak").exists()


def test_failed_logins_are_in_the_error_log_with_their_reason(instance: SandboxInstance, sa: FakeSession) -> None:
    """The client learns nothing, the error log says which; xp_readerrorlog finds it."""
    for user, reason in (("nobody", "Could not find a login"), ("sa", "Password did not match")):
        with pytest.raises(SqlError):
            instance.login(LoginRequest(user, "wrong"), lambda: None)
        sa.call("xp_readerrorlog", 0, 1, user, reason)
        assert len(sa.said.dicts()) == 1
