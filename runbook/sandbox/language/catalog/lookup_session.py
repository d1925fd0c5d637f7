"""Functions about users, roles and identity columns, on physical values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import Catalog
from runbook.sandbox.language.catalog.lookup import catalog_of, object_id
from runbook.sandbox.language.lexer import parse_name
from runbook.sandbox.language.values import numbers

if TYPE_CHECKING:
    from runbook.sandbox.language.session import LanguageSession


def user_of(session: LanguageSession, catalog: Catalog) -> m.Principal | None:
    """The user of the session's login in a database."""
    if session.is_sysadmin:
        return catalog.principals.get(1)
    try:
        sid = session.instance.function("SUSER_SID", session, [session.login])
    except KeyError:
        sid = None
    if sid is not None:
        wanted = bytes(sid).hex()
        found = next((p for p in catalog.principals.values() if p.sid == wanted and p.id > 4), None)
        if found is not None:
            return found
    return catalog.principals.get(2)


def current_user(session: LanguageSession) -> str:
    """USER_NAME()."""
    found = user_of(session, catalog_of(session))
    return "dbo" if found is None else found.name


def default_schema(session: LanguageSession) -> str:
    """Default schema of the session's user; dbo for those who own the database."""
    if session.is_sysadmin:
        return "dbo"
    try:
        found = user_of(session, catalog_of(session))
    except SqlError:
        return "dbo"
    return (found.default_schema if found is not None else "") or "dbo"


def user_name(session: LanguageSession, number: int | None = None) -> str | None:
    """USER_NAME."""
    if number is None:
        return current_user(session)
    found = catalog_of(session).principals.get(number)
    return None if found is None else found.name


def user_id(session: LanguageSession, name: str | None = None) -> int | None:
    """USER_ID."""
    return database_principal_id(session, name)


def database_principal_id(session: LanguageSession, name: str | None = None) -> int | None:
    """DATABASE_PRINCIPAL_ID."""
    found = catalog_of(session).principal(current_user(session) if name is None else name)
    return None if found is None else found.id


def is_rolemember(session: LanguageSession, role: str | None, user: str | None = None) -> int | None:
    """IS_ROLEMEMBER."""
    catalog = catalog_of(session)
    wanted = None if role is None else catalog.principal(role)
    member = catalog.principal(user) if user is not None else user_of(session, catalog)
    if wanted is None or member is None:
        return None
    if wanted.id == 0 or (member.id == 1 and wanted.name in ("db_owner", "public")):
        return 1
    inside, grown = {member.id}, True
    while grown:
        more = {p.id for p in catalog.principals.values() if set(p.members) & inside} - inside
        inside, grown = inside | more, bool(more)
    return int(wanted.id in inside)


def is_member(session: LanguageSession, role: str | None) -> int | None:
    """IS_MEMBER."""
    return is_rolemember(session, role)


# --- identity ----------------------------------------------------------------------------------------------


def _identity(session: LanguageSession, name: str | None) -> tuple[str, m.Table, list[int]] | None:
    number = object_id(session, name)
    if number is None or name is None:
        return None
    parts = parse_name(name)
    _, prefix, catalog = session.open(parts[-3] if len(parts) > 2 and parts[-3] else session.database)
    table = catalog.objects.get(number)
    if not isinstance(table, m.Table):
        return None
    column = table.identity()
    return None if column is None or column.identity is None else (prefix, table, column.identity)


def ident_current(session: LanguageSession, name: str | None) -> str | None:
    """IDENT_CURRENT."""
    found = _identity(session, name)
    if found is None:
        return None
    value = session.engine.value(f"SELECT value FROM {found[0]}.sys_identity WHERE id=?", (found[1].id,))
    return numbers.encode(found[2][0] if value is None else value)


def ident_seed(session: LanguageSession, name: str | None) -> str | None:
    """IDENT_SEED."""
    found = _identity(session, name)
    return None if found is None else numbers.encode(found[2][0])


def ident_incr(session: LanguageSession, name: str | None) -> str | None:
    """IDENT_INCR."""
    found = _identity(session, name)
    return None if found is None else numbers.encode(found[2][1])


def stats_date(_session: LanguageSession, _object: int | None, _stats: int | None) -> int | None:
    """STATS_DATE: statistics are not kept."""
    return None


def databaseproperty(session: LanguageSession, name: str | None, key: str | None) -> int | None:
    """DATABASEPROPERTY, by way of DATABASEPROPERTYEX."""
    found = session.instance.function("DATABASEPROPERTYEX", session, [name, key])
    return found if isinstance(found, int) else None
