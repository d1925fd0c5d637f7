"""Scalar functions that know the server: SERVERPROPERTY, DATABASEPROPERTYEX, LOGINPROPERTY and the like.

Moments inside a sql_variant are given as ISO text, which CAST turns into any date type.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession, SqlError
from runbook.sandbox.instance import access
from runbook.sandbox.instance.logins import ROLES
from runbook.sandbox.instance.progress import pages_of
from runbook.sandbox.instance.records import DatabaseRecord

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Function = Callable[["SandboxInstance", LanguageSession, Sequence[Any]], Any]
COLLATION = "SQL_Latin1_General_CP1_CI_AS"


FIXED_PROPERTIES: dict[str, Any] = {
    "productlevel": "RTM",
    "productbuildtype": None,
    "isclustered": 0,
    "ishadrenabled": 0,
    "hadrmanagerstatus": 2,
    "issingleuser": 0,
    "isintegratedsecurityonly": 0,
    "isfulltextinstalled": 0,
    "ispolybaseinstalled": 0,
    "isxtpsupported": 0,
    "isadvancedanalyticsinstalled": 0,
    "isexternalauthenticationonly": 0,
    "filestreameffectivelevel": 0,
    "filestreamconfiguredlevel": 0,
    "pathseparator": "/",
    "collation": COLLATION,
    "collationid": 872468488,
    "comparisonstyle": 196609,
    "lcid": 1033,
    "sqlcharset": 1,
    "sqlsortorder": 52,
    "sqlcharsetname": "iso_1",
    "sqlsortordername": "nocase_iso",
    "resourcelastupdatedatetime": "2026-01-15 00:00:00.000",
    "buildclrversion": "v4.0.30319",
    "licensetype": "DISABLED",
    "numlicenses": None,
}
"""Values of SERVERPROPERTY that are the same for every sandbox server."""


def _server_property(instance: SandboxInstance, _: LanguageSession, args: Sequence[Any]) -> Any:
    version = instance.version
    machine, _sep, name = instance.name.partition("\\")
    found: dict[str, Any] = {
        **FIXED_PROPERTIES,
        "productversion": version.product,
        "productmajorversion": str(version.major),
        "productminorversion": "0",
        "productbuild": str(version.build),
        "productupdatelevel": version.update,
        "productupdatereference": version.article,
        "edition": instance.edition,
        "editionid": instance.edition_id,
        "engineedition": instance.engine_edition,
        "instancename": name or None,
        "servername": instance.name,
        "machinename": machine,
        "computernamephysicalnetbios": machine,
        "instancedefaultdatapath": f"{instance.data_directory}/",
        "instancedefaultlogpath": f"{instance.data_directory}/",
        "instancedefaultbackuppath": f"{instance.backup_directory}" if version.major >= 15 else None,
        "resourceversion": f"{version.major}.00.{version.build}",
        "processid": os.getpid(),
    }
    return found.get(str(args[0]).lower())


def _database(instance: SandboxInstance, session: LanguageSession, name: Any) -> DatabaseRecord | None:
    if name is None:
        return None
    if isinstance(name, int):
        return instance.book.by_id(name)
    return instance.find(str(name)) if str(name) else instance.find(session.database)


def _database_property(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    record = _database(instance, session, args[0])
    if record is None:
        return None
    is_open = record.state in ("ONLINE", "EMERGENCY")
    options = record.options
    found: dict[str, Any] = {
        "status": record.state,
        "updateability": "READ_ONLY" if record.is_read_only else "READ_WRITE",
        "useraccess": record.user_access,
        "recovery": record.recovery_model,
        "version": record.version if is_open else None,
        "collation": record.collation if is_open else None,
        "lastgoodcheckdbtime": (record.last_good_check or "1900-01-01T00:00:00.000").replace("T", " "),
        "isautoclose": int(options["AUTO_CLOSE"]),
        "isautocreatestatistics": int(options["AUTO_CREATE_STATISTICS"]),
        "isautoshrink": int(options["AUTO_SHRINK"]),
        "isautoupdatestatistics": int(options["AUTO_UPDATE_STATISTICS"]),
        "isinstandby": int(record.is_in_standby),
        "isfulltextenabled": 1,
        "ispublished": 0,
        "issubscribed": 0,
        "ismergepublished": 0,
        "issyncwithbackup": 0,
        "istorndetection": int(options["PAGE_VERIFY"] == "TORN_PAGE_DETECTION"),
        "isansinullsenabled": int(options["ANSI_NULLS"]),
        "isquotedidentifiersenabled": int(options["QUOTED_IDENTIFIER"]),
        "isparameterizationforced": int(options["PARAMETERIZATION_FORCED"]),
        "isdatabasesuspendedforsnapshotbackup": 0,
        "isverifiedclone": 0,
        "isclone": 0,
        "lcid": 1033,
        "sqlsortorder": 52,
        "comparisonstyle": 196609,
    }
    return found.get(str(args[1]).lower())


def _database_id(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    record = _database(instance, session, args[0] if args else session.database)
    return None if record is None else record.id


def _database_name(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    if not args:
        return session.database
    record = None if args[0] is None else instance.book.by_id(int(args[0]))
    return None if record is None else record.name


def _login_property(instance: SandboxInstance, _: LanguageSession, args: Sequence[Any]) -> Any:
    login = instance.logins.find(str(args[0]))
    if login is None:
        return None
    found: dict[str, Any] = {
        "passwordhash": None if login.password_hash is None else bytes.fromhex(login.password_hash),
        "passwordhashalgorithm": 2 if (login.password_hash or "").startswith("02") else 3,
        "passwordlastsettime": login.modified.replace("T", " "),
        "isexpired": 0,
        "islocked": 0,
        "ismustchange": int(login.must_change),
        "badpasswordcount": 0,
        "daysuntilexpiration": None,
        "defaultdatabase": login.default_database,
        "defaultlanguage": login.default_language,
        "historylength": 0,
        "lockouttime": "1900-01-01 00:00:00.000",
        "badpasswordtime": "1900-01-01 00:00:00.000",
    }
    return found.get(str(args[1]).lower())


def _sid_of(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    login = instance.logins.find(str(args[0]) if args and args[0] is not None else session.login)
    return None if login is None else bytes.fromhex(login.sid)


def _name_of(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    if not args:
        return session.login
    if args[0] is None:
        return None
    login = instance.logins.by_sid(bytes(args[0]).hex())
    return None if login is None else login.name


def _is_role(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    role = str(args[0]).lower()
    login = instance.logins.find(str(args[1]) if len(args) > 1 and args[1] is not None else session.login)
    if role not in ROLES or login is None:
        return None
    return int(role == "public" or role in login.roles)


def _may_enter(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    record = _database(instance, session, args[0])
    if record is None:
        return None
    try:
        with instance.gate.changed:
            access.check(instance, session, record)
    except SqlError:
        return 0
    return 1


SERVER_ROLE_FOR = {
    "CREATE ANY DATABASE": "dbcreator",
    "ALTER ANY DATABASE": "dbcreator",
    "VIEW SERVER STATE": "serveradmin",
    "ALTER SERVER STATE": "serveradmin",
    "ALTER SETTINGS": "serveradmin",
    "SHUTDOWN": "serveradmin",
    "ALTER ANY CONNECTION": "processadmin",
    "ALTER ANY LOGIN": "securityadmin",
    "ADMINISTER BULK OPERATIONS": "bulkadmin",
    "CREATE DATABASE": "dbcreator",
}
PUBLIC = ("CONNECT SQL", "VIEW ANY DATABASE")


def _has_permission(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    securable, kind, permission = (None if a is None else str(a) for a in args[:3])
    wanted = (permission or "").upper()
    if session.is_sysadmin:
        return int(kind is None or kind.upper() != "DATABASE" or _database(instance, session, securable) is not None)
    login = instance.logins.find(session.login)
    if login is None:
        return 0
    if kind is None or kind.upper() == "SERVER":
        granted = login.permissions.get(wanted) == "GRANT" or login.permissions.get("CONTROL SERVER") == "GRANT"
        role = SERVER_ROLE_FOR.get(wanted)
        return int(granted or wanted in PUBLIC or (role is not None and role in login.roles))
    if kind.upper() != "DATABASE":
        raise KeyError("HAS_PERMS_BY_NAME")
    record = _database(instance, session, securable or session.database)
    if record is None:
        return None
    if wanted in ("BACKUP DATABASE", "BACKUP LOG"):
        return int(instance.may_back_up(session, record))
    return int(access.is_privileged(instance, session, record))


def _version(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    return instance.version.banner(instance.edition)


def _server_name(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    return instance.name


def _service_name(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    return instance.name.partition("\\")[2] or "MSSQLSERVER"


def _number(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    return instance.version.major << 24 | instance.version.build


def _max_connections(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    return 32767


def _connections(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    return len(instance.registry.all())


def _original_login(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    return session.login


def _original_database(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    return instance.entry(session).database


def _applock_mode(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    return instance.applocks.mode_of(session.spid, str(args[1]))


def _connection_property(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    found: dict[str, Any] = {
        "net_transport": "TCP",
        "protocol_type": "TSQL",
        "auth_scheme": "SQL",
        "local_net_address": "127.0.0.1",
        "local_tcp_port": instance.port,
        "client_net_address": "127.0.0.1",
        "physical_net_transport": "TCP",
    }
    return found.get(str(args[0]).lower())


def _login_id(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    login = instance.logins.find(str(args[0]) if args and args[0] is not None else session.login)
    return None if login is None else login.principal_id


def _file_property(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    record = instance.find(session.database)
    file = next((f for f in record.files if f.name.lower() == str(args[0]).lower()), None) if record else None
    if record is None or file is None:
        return None
    size = Path(record.path).stat().st_size if file is record.primary else 8192
    found = {
        "isreadonly": int(record.is_read_only),
        "isprimaryfile": int(file is record.primary),
        "islogfile": int(file.kind == "LOG"),
        "spaceused": pages_of(size),
    }
    return found.get(str(args[1]).lower())


def _applock_test(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:
    return int(instance.applocks.would_grant(session.spid, str(args[1]), str(args[2])))


def _compare_password(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    if args[0] is None or not isinstance(args[1], bytes) or not instance.logins.accepts(args[1]):
        return 0
    return int(instance.logins.verifier.matches(str(args[0]), args[1]))


def _zero(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    return 0


def _nothing(instance: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Any:  # noqa: ARG001
    return None


FUNCTIONS: dict[str, Function] = {
    "SERVERPROPERTY": _server_property,
    "DATABASEPROPERTYEX": _database_property,
    "DATABASEPROPERTY": _database_property,
    "LOGINPROPERTY": _login_property,
    "DB_ID": _database_id,
    "DB_NAME": _database_name,
    "SUSER_SID": _sid_of,
    "SUSER_SNAME": _name_of,
    "SUSER_NAME": _name_of,
    "SYSTEM_USER": _original_login,
    "ORIGINAL_LOGIN": _original_login,
    "IS_SRVROLEMEMBER": _is_role,
    "HAS_DBACCESS": _may_enter,
    "HAS_PERMS_BY_NAME": _has_permission,
    "APPLOCK_MODE": _applock_mode,
    "APPLOCK_TEST": _applock_test,
    "CONNECTIONPROPERTY": _connection_property,
    "SUSER_ID": _login_id,
    "FILEPROPERTY": _file_property,
    "PWDCOMPARE": _compare_password,
    "ORIGINAL_DB_NAME": _original_database,
    "@@CPU_BUSY": _zero,
    "@@IDLE": _zero,
    "@@IO_BUSY": _zero,
    "@@REMSERVER": _nothing,
    "@@VERSION": _version,
    "@@SERVERNAME": _server_name,
    "@@SERVICENAME": _service_name,
    "@@MICROSOFTVERSION": _number,
    "@@MAX_CONNECTIONS": _max_connections,
    "@@CONNECTIONS": _connections,
}


def call(instance: SandboxInstance, name: str, session: LanguageSession, args: Sequence[Any]) -> Any:
    """The value of a function; KeyError when it is not the instance's."""
    return FUNCTIONS[name.upper()](instance, session, args)
