"""Principals and permissions."""

from __future__ import annotations

from typing import Any

from runbook.sandbox.language.catalog.registry import Context, view
from runbook.sandbox.language.values import dates

Row = tuple[Any, ...]
_TYPES = {"S": "SQL_USER", "R": "DATABASE_ROLE", "U": "WINDOWS_USER"}
_PERMISSION_TYPES = {
    "ALTER": "AL",
    "ALTER ANY USER": "ALUS",
    "CONNECT": "CO",
    "CONTROL": "CL",
    "CREATE TABLE": "CRTB",
    "CREATE VIEW": "CRVW",
    "CREATE PROCEDURE": "CRPR",
    "DELETE": "DL",
    "EXECUTE": "EX",
    "INSERT": "IN",
    "REFERENCES": "RF",
    "SELECT": "SL",
    "TAKE OWNERSHIP": "TO",
    "UPDATE": "UP",
    "VIEW DEFINITION": "VW",
    "VIEW DATABASE STATE": "VWDS",
    "BACKUP DATABASE": "BADB",
    "BACKUP LOG": "BALO",
    "SHOWPLAN": "SPLN",
}
_STATES = {"G": "GRANT", "D": "DENY", "W": "GRANT_WITH_GRANT_OPTION"}
_CLASSES = {0: "DATABASE", 1: "OBJECT_OR_COLUMN", 3: "SCHEMA", 4: "DATABASE_PRINCIPAL", 6: "TYPE"}


@view(
    "sys.database_principals",
    "name sysname, principal_id int, type char(1), type_desc nvarchar(60), default_schema_name"
    " sysname, create_date datetime, modify_date datetime, owning_principal_id int, sid varbinary(85), "
    "is_fixed_role bit,"
    " authentication_type int, authentication_type_desc nvarchar(60), default_language_name sysname, "
    "default_language_lcid int,"
    " allow_encrypted_value_modifications bit",
    is_static=False,
)
def _principals(context: Context) -> list[Row]:
    found: list[Row] = []
    for number, one in sorted(context.catalog.principals.items()):
        is_role = one.type == "R"
        inside = is_role or number in (2, 3, 4) or one.without_login
        how = (0, "NONE") if inside else (3, "WINDOWS") if one.type == "U" else (1, "INSTANCE")
        created = one.created or dates.day_ticks(2003, 4, 8)
        sid = bytes.fromhex(one.sid) if one.sid else None
        if number == 1:
            sid = _owner_sid(context) or sid
        found.append(
            (
                one.name,
                number,
                one.type,
                _TYPES[one.type],
                one.default_schema or None,
                created,
                created,
                one.owner if is_role else None,
                sid,
                int(one.fixed),
                *how,
                None,
                None,
                0,
            )
        )
    return found


def _owner_sid(context: Context) -> bytes | None:
    """The user dbo has the sid of the database's owner."""
    found = context.session.instance.rows("sys.databases", context.session)
    if found is None:
        return None
    names = [c.name.lower() for c in found[0]]
    if "owner_sid" not in names:
        return None
    name, sid = names.index("name"), names.index("owner_sid")
    return next((row[sid] for row in found[1] if str(row[name]).casefold() == context.database.casefold()), None)


@view("sys.database_role_members", "role_principal_id int, member_principal_id int")
def _members(context: Context) -> list[Row]:
    return [
        (number, member)
        for number, role in sorted(context.catalog.principals.items())
        for member in sorted(role.members)
    ]


@view(
    "sys.database_permissions",
    "class tinyint, class_desc nvarchar(60), major_id int, minor_id int, grantee_principal_id int,"
    " grantor_principal_id int, type char(4), permission_name nvarchar(128), state char(1), state_desc nvarchar(60)",
)
def _permissions(context: Context) -> list[Row]:
    found: list[Row] = [(0, "DATABASE", 0, 0, 1, 1, "CO  ", "CONNECT", "G", "GRANT")]
    for _, p in sorted(context.catalog.permissions.items()):
        kind = _PERMISSION_TYPES.get(p.name, p.name[:4].upper()).ljust(4)
        found.append(
            (
                p.class_,
                _CLASSES[p.class_],
                p.major,
                p.minor,
                p.grantee,
                p.grantor,
                kind,
                p.name,
                p.state,
                _STATES[p.state],
            )
        )
    return found


@view(
    "sys.sysusers",
    "uid smallint, status int, name sysname, sid varbinary(85), roles varbinary(2048), createdate datetime,"
    " updatedate datetime, altuid smallint, password varbinary(256), gid smallint, environ varchar(255), "
    "hasdbaccess int,"
    " islogin int, isntname int, isntgroup int, isntuser int, issqluser int, isaliased int, issqlrole int, "
    "isapprole int",
    is_static=False,
)
def _sysusers(context: Context) -> list[Row]:
    found: list[Row] = []
    for row in _principals(context):
        name, number, kind, sid, created = row[0], row[1], row[2], row[8], row[5]
        is_role, is_user = int(kind == "R"), int(kind == "S")
        found.append(
            (
                number,
                0,
                name,
                sid,
                None,
                created,
                created,
                0,
                None,
                0,
                None,
                is_user,
                is_user,
                0,
                0,
                0,
                is_user,
                0,
                is_role,
                0,
            )
        )
    return found
