"""Logins: read with their hashes, created with the same SID so that users of a restored database find them."""

from __future__ import annotations

from runbook.adapters.sqlserver.tsql.quoting import binary, literal, name, switch
from runbook.ports import Login

MASKED = "0x<masked>"
LOCAL_ACCOUNTS = ("NT SERVICE\\", "NT AUTHORITY\\", "BUILTIN\\")
"""Accounts of the machine itself: they mean something else, or nothing, elsewhere."""


def logins() -> str:
    """Logins and Windows principals that can be carried to another instance."""
    local = "".join(f" AND LEFT(p.name, {len(prefix)}) <> {literal(prefix)}" for prefix in LOCAL_ACCOUNTS)
    return (
        "SELECT p.principal_id, p.name, p.type, CONVERT(nvarchar(200), p.sid, 1) AS sid, p.is_disabled,\n"
        "       p.default_database_name, CONVERT(nvarchar(600), l.password_hash, 1) AS password_hash,\n"
        "       l.is_policy_checked, l.is_expiration_checked\n"
        "FROM sys.server_principals AS p LEFT JOIN sys.sql_logins AS l ON l.principal_id = p.principal_id\n"
        "WHERE p.type IN ('S', 'U', 'G') AND p.sid <> 0x01 AND LEFT(p.name, 2) <> N'##'\n"
        f"     {local}\n"
        "ORDER BY p.name"
    )


def role_members() -> str:
    """Who is in which server role."""
    return (
        "SELECT m.member_principal_id, r.name AS role FROM sys.server_role_members AS m\n"
        "JOIN sys.server_principals AS r ON r.principal_id = m.role_principal_id ORDER BY r.name"
    )


def create(login: Login, *, masked: bool = False) -> str:
    """Create a login as it was elsewhere; ``masked`` gives the text for the record, without the hash."""
    created = _create(login, masked)
    return f"{created};\nALTER LOGIN {name(login.name)} DISABLE" if login.is_disabled else created


def _create(login: Login, masked: bool) -> str:
    default = f"DEFAULT_DATABASE = {name(login.default_database)}"
    if login.kind != "S":
        return f"CREATE LOGIN {name(login.name)} FROM WINDOWS WITH {default}"
    if login.password_hash is None:
        raise ValueError(f"no password hash is known of login {login.name}")
    password = MASKED if masked else binary(login.password_hash)
    return (
        f"CREATE LOGIN {name(login.name)} WITH PASSWORD = {password} HASHED, SID = {binary(login.sid)}, {default},\n"
        f"    CHECK_EXPIRATION = {switch(login.check_expiration)}, CHECK_POLICY = {switch(login.check_policy)}"
    )


def add_to_role(login: str, role: str) -> str:
    """Put a login into a server role; no error when it is in it."""
    return f"ALTER SERVER ROLE {name(role)} ADD MEMBER {name(login)}"


def drop(login: str) -> str:
    """Drop a login, when there is one of that name."""
    return (
        f"IF EXISTS (SELECT 1 FROM sys.server_principals AS p WHERE p.name = {literal(login)})\n"
        f"    DROP LOGIN {name(login)}"
    )
