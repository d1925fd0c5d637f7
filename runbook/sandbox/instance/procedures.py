"""The instance's procedures in master."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession, Sink
from runbook.sandbox.errors import error, text, unsupported
from runbook.sandbox.instance import agent_procedures, attach, clock, logins
from runbook.sandbox.instance.arguments import Arguments, bind
from runbook.sandbox.instance.columns import columns
from runbook.sandbox.instance.configuration import SETTINGS
from runbook.sandbox.instance.records import DatabaseRecord

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Handler = Callable[["SandboxInstance", LanguageSession, Sink, Arguments], int]

CONFIGURE = ("name nvarchar(35)", "minimum int", "maximum int", "config_value int", "run_value int")
WHO = (
    "spid smallint",
    "ecid smallint",
    "status nchar(30)",
    "loginame nvarchar(128)",
    "hostname nchar(128)",
    "blk char(5)",
    "dbname nvarchar(128)",
    "cmd nchar(26)",
    "request_id int",
)
HELPDB = (
    "name nvarchar(128)",
    "db_size nvarchar(13)",
    "owner nvarchar(128)",
    "dbid smallint",
    "created nvarchar(11)",
    "status nvarchar(600)",
    "compatibility_level tinyint",
)


def configure(instance: SandboxInstance, session: LanguageSession, sink: Sink, given: Arguments) -> int:
    """sp_configure [name [, value]]."""
    options = instance.configuration
    if given["configname"] is None or given["configvalue"] is None:
        shown = (
            [options.find(str(given["configname"]))]
            if given["configname"] is not None
            else [s for s in SETTINGS if not s.advanced or options.in_use("show advanced options")]
        )
        sink.columns(columns(*CONFIGURE))
        for s in sorted(shown, key=lambda s: s.name.lower()):
            sink.row([s.name, s.low, s.high, options.configured(s.name), options.in_use(s.name)])
        sink.done(len(shown))
        return 0
    if not instance.logins.has_role(session.login, "serveradmin"):
        raise error(15247)
    setting = options.find(str(given["configname"]))
    value = int(given["configvalue"])
    former = options.set(setting, value)
    sink.info(15457, text(15457, setting.name, former, value))
    return 0


def who(instance: SandboxInstance, _: LanguageSession, sink: Sink, __: Arguments) -> int:
    """sp_who."""
    sink.columns(columns(*WHO))
    entries = instance.registry.all()
    for e in entries:
        running = e.request is not None
        where = instance.gate.context(e.spid)
        command = e.request.command if e.request is not None else "AWAITING COMMAND"
        sink.row(
            [
                e.spid,
                0,
                "runnable" if running else "sleeping",
                e.login,
                e.session.host,
                "0",
                None if where is None else where.name,
                command[:26],
                0,
            ]
        )
    sink.done(len(entries))
    return 0


def help_db(instance: SandboxInstance, _: LanguageSession, sink: Sink, given: Arguments) -> int:
    """sp_helpdb [name]."""
    records = instance.databases()
    if given["dbname"] is not None:
        found = instance.find(str(given["dbname"]))
        if found is None:
            raise error(15010, given["dbname"])
        records = [found]
    sink.columns(columns(*HELPDB))
    for record in records:
        sink.row(_help_row(instance, record))
    sink.done(len(records))
    return 0


def _help_row(instance: SandboxInstance, record: DatabaseRecord) -> list[Any]:
    owner = instance.logins.by_sid(record.owner_sid)
    size = Path(record.path).stat().st_size if Path(record.path).exists() else 0
    created = clock.parse(record.created) or clock.now()
    status = f"Status={record.state}, Updateability={'READ_ONLY' if record.is_read_only else 'READ_WRITE'}, "
    status += f"UserAccess={record.user_access}, Recovery={record.recovery_model}, Version={record.version}"
    return [
        record.name,
        f"{size / 1_048_576:.2f} MB",
        None if owner is None else owner.name,
        record.id,
        f"{created:%b %d %Y}",
        status,
        record.compatibility_level,
    ]


def detach_db(instance: SandboxInstance, session: LanguageSession, sink: Sink, given: Arguments) -> int:  # noqa: ARG001
    """sp_detach_db name."""
    if session.trancount:
        raise error(226, "sp_detach_db")
    attach.detach(instance, session, str(given["dbname"]))
    return 0


def attach_db(instance: SandboxInstance, session: LanguageSession, sink: Sink, given: Arguments) -> int:
    """sp_attach_db name, file1 [, file2 ...]."""
    if not instance.logins.has_role(session.login, "dbcreator"):
        raise error(262, "CREATE DATABASE", "master")
    paths = [str(given[f"filename{n}"]) for n in range(1, 17) if given[f"filename{n}"] is not None]
    login = instance.logins.find(session.login)
    for number, message in attach.attach(instance, str(given["dbname"]), paths, login.sid if login else "01"):
        sink.info(number, message)
    return 0


def read_error_log(instance: SandboxInstance, session: LanguageSession, sink: Sink, given: Arguments) -> int:
    """xp_readerrorlog / sp_readerrorlog number, type, text1, text2, from, to, order."""
    if not instance.logins.has_role(session.login, "securityadmin"):
        raise error(15247)
    if int(given["p2"] or 1) != 1:
        raise unsupported("the error log of SQL Server Agent")
    sink.columns(columns("LogDate datetime", "ProcessInfo nvarchar(50)", "Text nvarchar(max)"))
    entries = instance.errorlog.entries(int(given["p1"] or 0))
    for needle in (given["p3"], given["p4"]):
        if needle:
            entries = [e for e in entries if str(needle).lower() in e[2].lower()]
    if str(given["p7"] or "asc").lower() == "desc":
        entries.reverse()
    for entry in entries:
        sink.row(list(entry))
    sink.done(len(entries))
    return 0


def cycle_error_log(instance: SandboxInstance, session: LanguageSession, sink: Sink, _: Arguments) -> int:  # noqa: ARG001
    """sp_cycle_errorlog."""
    if not session.is_sysadmin:
        raise error(15247)
    instance.errorlog.rotate()
    instance.errorlog.write("The error log has been reinitialized. See the previous log for older entries.")
    return 0


def file_exists(_: SandboxInstance, session: LanguageSession, sink: Sink, given: Arguments) -> int:  # noqa: ARG001
    """xp_fileexist path: three flags in a row, or an OUTPUT parameter."""
    path = Path(str(given["filename"]))
    if given.was_given("file_exists"):
        given.out("file_exists", int(path.is_file()))
        return 0
    sink.columns(columns("File_Exists tinyint", "File_is_a_Directory tinyint", "Parent_Directory_Exists tinyint"))
    sink.row([int(path.is_file()), int(path.is_dir()), int(path.parent.is_dir())])
    sink.done(1)
    return 0


def log_event(instance: SandboxInstance, session: LanguageSession, sink: Sink, given: Arguments) -> int:  # noqa: ARG001
    """xp_logevent number, message, severity."""
    instance.errorlog.write(
        f"Error: {given['error_number']}, Severity: 0, State: 1. {given['message']}", f"spid{session.spid}"
    )
    return 0


def change_owner(instance: SandboxInstance, session: LanguageSession, sink: Sink, given: Arguments) -> int:  # noqa: ARG001
    """sp_changedbowner login (of the current database)."""
    login = instance.logins.find(str(given["loginame"]))
    record = instance.demand(session.database)
    if login is None:
        raise error(15007, given["loginame"])
    if not session.is_sysadmin:
        raise error(15247)
    record.owner_sid = login.sid
    instance.book.save(record)
    return 0


def add_role_member(instance: SandboxInstance, session: LanguageSession, sink: Sink, given: Arguments) -> int:  # noqa: ARG001
    """sp_addsrvrolemember login, role."""
    return _role(instance, session, given, member=True)


def drop_role_member(instance: SandboxInstance, session: LanguageSession, sink: Sink, given: Arguments) -> int:  # noqa: ARG001
    """sp_dropsrvrolemember login, role."""
    return _role(instance, session, given, member=False)


def _role(instance: SandboxInstance, session: LanguageSession, given: Arguments, *, member: bool) -> int:
    if not instance.logins.has_role(session.login, "securityadmin"):
        raise error(15247)
    logins.set_role(instance, str(given["rolename"]).lower(), str(given["loginame"]), member=member)
    return 0


def delete_backup_history(instance: SandboxInstance, session: LanguageSession, sink: Sink, given: Arguments) -> int:  # noqa: ARG001
    """sp_delete_database_backuphistory name."""
    name = str(given["database_name"]).lower()
    gone = {i for i, d in instance.store.rows("backupset") if d["database"].lower() == name}
    restores = [i for i, d in instance.store.rows("restorehistory") if d["backup_set_id"] in gone]
    instance.store.delete_rows("restorehistory", restores)
    instance.store.delete_rows("backupset", list(gone))
    return 0


HANDLERS: dict[str, tuple[Handler, tuple[str, ...]]] = {
    "sp_configure": (configure, ("configname", "configvalue")),
    "sp_who": (who, ("loginame",)),
    "sp_helpdb": (help_db, ("dbname",)),
    "sp_detach_db": (detach_db, ("dbname", "skipchecks", "keepfulltextindexfile")),
    "sp_attach_db": (attach_db, ("dbname", *(f"filename{n}" for n in range(1, 17)))),
    "xp_readerrorlog": (read_error_log, ("p1", "p2", "p3", "p4", "p5", "p6", "p7")),
    "sp_readerrorlog": (read_error_log, ("p1", "p2", "p3", "p4")),
    "sp_cycle_errorlog": (cycle_error_log, ()),
    "xp_fileexist": (file_exists, ("filename", "file_exists")),
    "xp_logevent": (log_event, ("error_number", "message", "severity")),
    "sp_changedbowner": (change_owner, ("loginame", "map")),
    "sp_addsrvrolemember": (add_role_member, ("loginame", "rolename")),
    "sp_dropsrvrolemember": (drop_role_member, ("loginame", "rolename")),
    "sp_delete_database_backuphistory": (delete_backup_history, ("database_name",)),
}


def find(instance: SandboxInstance, name: str) -> Callable[..., int] | None:
    """The procedure of that name (last part, any case), or None when it is not the instance's."""
    last = name.rsplit(".", maxsplit=1)[-1].strip("[]").lower()
    if last not in HANDLERS:
        return agent_procedures.find(instance, last)
    handler, parameters = HANDLERS[last]

    def run(session: LanguageSession, sink: Sink, positional: Sequence[Any], named: dict[str, Any]) -> int:
        return handler(instance, session, sink, bind(last, parameters, positional, named, sink))

    return run
