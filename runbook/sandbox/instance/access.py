"""Who may log in, and who may enter which database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import LanguageSession, LoginRequest, SqlError
from runbook.sandbox.errors import error, with_companion
from runbook.sandbox.instance.logins import Login
from runbook.sandbox.instance.records import DatabaseRecord

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

CLOSED_STATES = {"RESTORING": 927, "RECOVERING": 922, "RECOVERY_PENDING": 945, "SUSPECT": 926, "OFFLINE": 942}


def authenticate(instance: SandboxInstance, request: LoginRequest) -> Login:
    """The login of a request. Raises 18456, 18470; the real reason goes to the error log, as on SQL Server."""
    login = instance.logins.find(request.user)
    if login is None:
        raise _refuse(instance, request, 5, "Could not find a login matching the name provided.")
    if not instance.logins.proves(login, request.password):
        raise _refuse(instance, request, 7 if login.is_disabled else 8, "Password did not match that for the login.")
    if login.is_disabled:
        _log(instance, request, 1, "The account is disabled.")
        raise error(18470, request.user)
    if login.permissions.get("CONNECT SQL") != "GRANT":
        raise _refuse(instance, request, 12, "Login-based server access validation failed.")
    return login


def _refuse(instance: SandboxInstance, request: LoginRequest, state: int, reason: str) -> SqlError:
    _log(instance, request, state, reason)
    return error(18456, request.user)


def _log(instance: SandboxInstance, request: LoginRequest, state: int, reason: str) -> None:
    instance.errorlog.write(f"Error: 18456, Severity: 14, State: {state}.", "Logon")
    instance.errorlog.write(f"Login failed for user '{request.user}'. Reason: {reason}", "Logon")


def refuse_database(instance: SandboxInstance, request: LoginRequest, database: str, problem: SqlError) -> SqlError:
    """What the client sees when the login's database cannot be entered."""
    _log(instance, request, 38, f"Failed to open the database '{database}': {problem.message}")
    first = error(4060, database) if request.database else error(4064)
    return with_companion(first, error(18456, request.user))


def is_owner(instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord) -> bool:
    """Is the session's login the owner of the database, or sysadmin?"""
    if session.is_sysadmin:
        return True
    login = instance.logins.find(session.login)
    return login is not None and login.sid.lower() == record.owner_sid.lower()


def is_privileged(instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord) -> bool:
    """May the session enter a database in RESTRICTED_USER?"""
    return (
        is_owner(instance, session, record)
        or instance.logins.has_role(session.login, "dbcreator")
        or in_database_role(instance, session, record, "db_owner")
    )


def may_restrict(instance: SandboxInstance, spid: int, record: DatabaseRecord) -> bool:
    """May this session stay when the database becomes RESTRICTED_USER?"""
    entry = instance.registry.get(spid)
    return entry is None or is_privileged(instance, entry.session, record)


def _check_user(instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord) -> None:
    """Every login may enter the system databases (guest); other databases need a user with the login's sid."""
    if record.is_system or is_owner(instance, session, record):
        return
    login = instance.logins.find(session.login)
    if login is not None and instance.members.roles(record.path, login.sid) is None:
        raise error(916, session.login, record.name)


def check(instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord) -> None:
    """Raise when the session may not use the database now (911, 916, 922 ... 945)."""
    if instance.book.find(record.name) is not record:
        raise error(911, record.name)
    if record.state in CLOSED_STATES:
        raise error(CLOSED_STATES[record.state], record.name)
    if record.state == "EMERGENCY" and not session.is_sysadmin:
        raise error(916, session.login, record.name)
    _check_user(instance, session, record)
    if record.user_access == "RESTRICTED_USER" and not is_privileged(instance, session, record):
        raise error(923, record.name)
    if record.user_access == "SINGLE_USER" and instance.gate.users(record) - {session.spid}:
        raise error(924, record.name)


def in_database_role(instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord, *roles: str) -> bool:
    """Is the login's user in the database a member of one of these roles?"""
    login = instance.logins.find(session.login)
    if login is None or record.state != "ONLINE":
        return False
    return bool(set(roles) & set(instance.members.roles(record.path, login.sid) or ()))
