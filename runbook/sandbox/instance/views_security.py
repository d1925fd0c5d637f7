"""Logins, server roles and server permissions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.instance import clock
from runbook.sandbox.instance.logins import ROLES, Login

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Rows = list[dict[str, Any]]
KINDS = {"S": "SQL_LOGIN", "U": "WINDOWS_LOGIN", "G": "WINDOWS_GROUP", "R": "SERVER_ROLE"}
CODES = {
    "CONNECT SQL": "COSQ",
    "VIEW SERVER STATE": "VWSS",
    "VIEW ANY DATABASE": "VWDB",
    "VIEW ANY DEFINITION": "VWAD",
    "CONTROL SERVER": "CL",
    "ALTER ANY LOGIN": "ALLG",
    "ALTER ANY CONNECTION": "ALCO",
    "ALTER SETTINGS": "ALST",
    "CREATE ANY DATABASE": "CRDB",
    "CONNECT ANY DATABASE": "CADB",
    "SELECT ALL USER SECURABLES": "SUS",
    "ADMINISTER BULK OPERATIONS": "ADBO",
    "SHUTDOWN": "SHDN",
}
BUILT = "2003-04-08T09:10:35.460"

PRINCIPALS = (
    "name sysname not null",
    "principal_id int not null",
    "sid varbinary(85)",
    "type char(1) not null",
    "type_desc nvarchar(60)",
    "is_disabled bit",
    "create_date datetime not null",
    "modify_date datetime not null",
    "default_database_name sysname",
    "default_language_name sysname",
    "credential_id int",
    "owning_principal_id int",
    "is_fixed_role bit not null",
)


def _login_row(login: Login) -> dict[str, Any]:
    return {
        "name": login.name,
        "principal_id": login.principal_id,
        "sid": bytes.fromhex(login.sid),
        "type": login.kind,
        "type_desc": KINDS[login.kind],
        "is_disabled": login.is_disabled,
        "create_date": clock.parse(login.created),
        "modify_date": clock.parse(login.modified),
        "default_database_name": login.default_database,
        "default_language_name": login.default_language,
        "is_fixed_role": False,
    }


def principals(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.server_principals."""
    roles = [
        {
            "name": name,
            "principal_id": number,
            "sid": bytes([number]),
            "type": "R",
            "type_desc": KINDS["R"],
            "is_disabled": False,
            "create_date": clock.parse(BUILT),
            "modify_date": clock.parse(BUILT),
            "owning_principal_id": 1,
            "is_fixed_role": name != "public",
        }
        for name, number in ROLES.items()
    ]
    return [_login_row(x) for x in instance.logins.all()] + roles


SQL_LOGINS = (
    *PRINCIPALS[:11],
    "is_policy_checked bit",
    "is_expiration_checked bit",
    "password_hash varbinary(256)",
)


def sql_logins(instance: SandboxInstance, session: LanguageSession, _: Sequence[Any]) -> Rows:
    """sys.sql_logins; hashes are for those who may control the server."""
    return [
        {
            **_login_row(x),
            "is_policy_checked": x.check_policy,
            "is_expiration_checked": x.check_expiration,
            "password_hash": bytes.fromhex(x.password_hash or "") if session.is_sysadmin else None,
        }
        for x in instance.logins.all()
        if x.kind == "S"
    ]


MEMBERS = ("role_principal_id int not null", "member_principal_id int not null")


def members(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.server_role_members."""
    return [
        {"role_principal_id": ROLES[role], "member_principal_id": x.principal_id}
        for x in instance.logins.all()
        for role in x.roles
    ]


PERMISSIONS = (
    "class tinyint not null",
    "class_desc nvarchar(60)",
    "major_id int not null",
    "minor_id int not null",
    "grantee_principal_id int not null",
    "grantor_principal_id int not null",
    "type char(4) not null",
    "permission_name nvarchar(128)",
    "state char(1) not null",
    "state_desc nvarchar(60)",
)


def permissions(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.server_permissions."""
    return [
        {
            "class": 100,
            "class_desc": "SERVER",
            "major_id": 0,
            "minor_id": 0,
            "grantee_principal_id": x.principal_id,
            "grantor_principal_id": 1,
            "type": CODES.get(name, "".join(word[0] for word in name.split())[:4]),
            "permission_name": name,
            "state": state[0],
            "state_desc": state,
        }
        for x in instance.logins.all()
        for name, state in x.permissions.items()
    ]


LOGIN_TOKEN = (
    "principal_id int",
    "sid varbinary(85)",
    "name nvarchar(128)",
    "type nvarchar(128)",
    "usage nvarchar(128)",
)


def token(instance: SandboxInstance, session: LanguageSession, _: Sequence[Any]) -> Rows:
    """sys.login_token."""
    login = instance.logins.find(session.login)
    if login is None:
        return []
    own = {"principal_id": login.principal_id, "sid": bytes.fromhex(login.sid), "name": login.name, "type": "SQL LOGIN"}
    roles = [
        {"principal_id": ROLES[r], "sid": bytes([ROLES[r]]), "name": r, "type": "SERVER ROLE"} for r in login.roles
    ]
    return [{**row, "usage": "GRANT OR DENY"} for row in (own, *roles)]


VIEWS: dict[str, tuple[Sequence[str], Callable[..., Rows]]] = {
    "sys.server_principals": (PRINCIPALS, principals),
    "sys.sql_logins": (SQL_LOGINS, sql_logins),
    "sys.server_role_members": (MEMBERS, members),
    "sys.server_permissions": (PERMISSIONS, permissions),
    "sys.login_token": (LOGIN_TOKEN, token),
}
