"""Users, roles, permissions, owners."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import fold, now
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, done, find_object
from runbook.sandbox.language.parser.base import unsupported

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner

ALL_PERMISSIONS = ("SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES")


def run(runner: Runner, statement: d.PrincipalStatement) -> None:
    """CREATE and ALTER of USER and ROLE."""
    session = runner.session
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        actions = {
            ("create", "USER"): _create_user,
            ("alter", "USER"): _alter_user,
            ("create", "ROLE"): _create_role,
            ("alter", "ROLE"): _alter_role,
        }
        actions[statement.verb, statement.kind](home, statement)
    done(runner)


def _login_sid(home: DatabaseHome, login: str) -> str:
    session = home.session
    try:
        sid = session.instance.function("SUSER_SID", session, [login])
    except KeyError:
        sid = None
    if sid is None:
        raise SqlError(15007, f"'{login}' is not a valid login or you do not have permission.")
    return bytes(sid).hex()


def _taken(home: DatabaseHome, name: str) -> None:
    if home.catalog.principal(name) is not None:
        raise SqlError(15023, f"User, group, or role '{name}' already exists in the current database.")


def _next_id(home: DatabaseHome) -> int:
    used = [i for i in home.catalog.principals if 4 < i < 16384]
    return max([4, *used]) + 1


def _create_user(home: DatabaseHome, statement: d.PrincipalStatement) -> None:
    _taken(home, statement.name)
    options = statement.options
    without = "WITHOUT LOGIN" in options
    if without:
        sid = "010500000000000903000000" + uuid.uuid4().hex
    else:
        if any(k in options for k in ("CERTIFICATE", "ASYMMETRIC", "EXTERNAL")):
            raise unsupported("a user for a certificate or key")
        sid = options["SID"][2:].lower() if "SID" in options else _login_sid(home, options.get("LOGIN", statement.name))
        for other in home.catalog.principals.values():
            if other.sid and other.sid == sid and other.type == "S":
                raise SqlError(15063, "The login already has an account under a different user name.")
    kind = "U" if "\\" in statement.name else "S"
    home.writer.put(
        m.Principal(
            _next_id(home),
            statement.name,
            kind,
            sid,
            options.get("DEFAULT_SCHEMA", "dbo"),
            without_login=without,
            created=now(),
        )
    )
    user = home.catalog.principal(statement.name)
    assert user is not None
    if not without:
        _put_permission(home, m.Permission(0, 0, 0, user.id, "CONNECT", "G"))


def _find(home: DatabaseHome, name: str, kind: str) -> m.Principal:
    found = home.catalog.principal(name)
    if found is None or (found.type == "R") != (kind == "ROLE"):
        raise SqlError(
            15151, f"Cannot alter the {kind.lower()} '{name}', because it does not exist or you do not have permission."
        )
    changed = m.from_dict(m.Principal, m.to_dict(found))
    assert isinstance(changed, m.Principal)
    return changed


def _alter_user(home: DatabaseHome, statement: d.PrincipalStatement) -> None:
    user, options = _find(home, statement.name, "USER"), statement.options
    if "LOGIN" in options:
        user.sid = _login_sid(home, options["LOGIN"])
    if "DEFAULT_SCHEMA" in options:
        user.default_schema = options["DEFAULT_SCHEMA"]
    if "NAME" in options:
        _taken(home, options["NAME"])
        user.name = options["NAME"]
    home.writer.put(user)


def _create_role(home: DatabaseHome, statement: d.PrincipalStatement) -> None:
    _taken(home, statement.name)
    owner = 1
    if "AUTHORIZATION" in statement.options:
        owner = _principal(home, statement.options["AUTHORIZATION"]).id
    home.writer.put(m.Principal(_next_id(home), statement.name, "R", owner=owner, created=now()))


def _alter_role(home: DatabaseHome, statement: d.PrincipalStatement) -> None:
    role, options = _find(home, statement.name, "ROLE"), statement.options
    if "NAME" in options:
        _taken(home, options["NAME"])
        role.name = options["NAME"]
    for verb in ("ADD", "DROP"):
        if verb in options:
            set_member(home, role, options[verb], add=verb == "ADD")
    home.writer.put(role)


def set_member(home: DatabaseHome, role: m.Principal, name: str, *, add: bool) -> None:
    """Put a principal into a role or take it out."""
    member = home.catalog.principal(name)
    if member is None:
        raise SqlError(
            15151,
            f"Cannot {'add' if add else 'drop'} the principal '{name}', because it does not exist or you do not "
            "have permission.",
        )
    if member.id == 1:
        raise SqlError(15405, f"Cannot use the special principal '{member.name}'.")
    if add and member.id not in role.members:
        role.members.append(member.id)
    elif not add:
        role.members = [i for i in role.members if i != member.id]


def _principal(home: DatabaseHome, name: str) -> m.Principal:
    found = home.catalog.principal(name)
    if found is None:
        raise SqlError(
            15151, f"Cannot find the user '{name}', because it does not exist or you do not have permission."
        )
    return found


def drop_principal(runner: Runner, name: str, kind: str, *, if_exists: bool) -> None:
    """DROP USER and DROP ROLE."""
    session = runner.session
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        catalog = home.catalog
        found = catalog.principal(name)
        if found is None or (found.type == "R") != (kind == "ROLE") or found.id <= 4 or found.fixed:
            if found is None and if_exists:
                return
            raise SqlError(
                15151,
                f"Cannot drop the {kind.lower()} '{name}', because it does not exist or you do not have permission.",
            )
        if any(schema.owner == found.id for schema in catalog.schemas.values()):
            raise SqlError(15138, "The database principal owns a schema in the database, and cannot be dropped.")
        if kind == "ROLE" and found.members:
            raise SqlError(15144, "The role has members. It must be empty before it can be dropped.")
        home.writer.remove("Principal", found.id)
        for number, one in catalog.permissions.items():
            if one.grantee == found.id:
                home.writer.remove("Permission", number)
        for role in catalog.principals.values():
            if found.id in role.members:
                changed = m.from_dict(m.Principal, m.to_dict(role))
                changed.members.remove(found.id)
                home.writer.put(changed)


# --- permissions -------------------------------------------------------------------------------------------


def permission(runner: Runner, statement: d.Permission) -> None:
    """GRANT, DENY, REVOKE."""
    session = runner.session
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        class_, item, table = _securable(runner, home, statement)
        for grantee in statement.grantees:
            principal = _principal(home, grantee)
            for name, columns in statement.permissions:
                for one in ALL_PERMISSIONS if name == "ALL" else (name,):
                    _change(home, statement, m.Permission(class_, item, 0, principal.id, one, ""), columns, table)
    done(runner)


def _securable(runner: Runner, home: DatabaseHome, statement: d.Permission) -> tuple[int, int, m.Table | None]:
    name = statement.securable
    missing = SqlError(
        15151,
        f"Cannot find the object '{name[-1] if name else ''}', because it does not exist or you do not have "
        "permission.",
    )
    if statement.scope == "DATABASE":
        return 0, 0, None
    if statement.scope == "SCHEMA":
        schema = home.catalog.schema(name[-1])
        if schema is None:
            raise SqlError(
                15151, f"Cannot find the schema '{name[-1]}', because it does not exist or you do not have permission."
            )
        return 3, schema.id, None
    if statement.scope in ("ROLE", "USER"):
        return 4, _principal(home, name[-1]).id, None
    if statement.scope == "TYPE":
        found_type = home.catalog.user_type(name[-2] if len(name) > 1 else "dbo", name[-1])
        if found_type is None:
            raise missing
        return 6, found_type.id, None
    found = find_object(runner.frame, name, m.Table, m.Module, m.Sequence, m.Synonym)
    if found is None:
        raise missing
    return 1, found[1].id, found[1] if isinstance(found[1], m.Table) else None


def _change(
    home: DatabaseHome, statement: d.Permission, one: m.Permission, columns: list[str], table: m.Table | None
) -> None:
    minors = [0]
    if columns and table is not None:
        minors = [c.id for c in (table.column(n) for n in columns) if c is not None]
    for minor in minors:
        one.minor = minor
        for number, held in home.catalog.permissions.items():
            if (held.class_, held.major, held.minor, held.grantee, held.name) == (
                one.class_,
                one.major,
                minor,
                one.grantee,
                one.name,
            ):
                home.writer.remove("Permission", number)
        if statement.verb != "REVOKE":
            one.state = "D" if statement.verb == "DENY" else ("W" if statement.grant_option else "G")
            _put_permission(home, one)


def _put_permission(home: DatabaseHome, one: m.Permission) -> None:
    home.writer.put_as("Permission", home.writer.next_in("Permission", 1), one)


def authorization(runner: Runner, statement: d.Authorization) -> None:
    """ALTER AUTHORIZATION inside a database."""
    session = runner.session
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        owner = _principal(home, statement.owner).id if statement.owner else 0
        item: Any
        if statement.scope == "SCHEMA":
            item = home.catalog.schema(statement.name[-1])
        elif statement.scope == "ROLE":
            item = home.catalog.principal(statement.name[-1])
        elif statement.scope == "OBJECT":
            found = find_object(runner.frame, statement.name, m.Table, m.Module, m.Sequence, m.Synonym)
            item = None if found is None else found[1]
        else:
            raise unsupported(f"ALTER AUTHORIZATION ON {statement.scope}")
        if item is None:
            raise SqlError(
                15151,
                f"Cannot find the {statement.scope.lower()} '{statement.name[-1]}', because it does not exist or "
                "you do not have permission.",
            )
        changed = m.from_dict(type(item), m.to_dict(item))
        changed.owner = owner
        home.writer.put(changed)
    done(runner)


__all__ = ["authorization", "drop_principal", "fold", "permission", "run", "set_member"]
