"""DBCC: CHECKDB and the small ones that tools use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession, Sink, SqlError
from runbook.sandbox.errors import error, text, unsupported
from runbook.sandbox.instance import access, clock
from runbook.sandbox.instance.columns import columns
from runbook.sandbox.instance.dbcc_identity import checkident
from runbook.sandbox.instance.parse import Reader
from runbook.sandbox.instance.records import DatabaseRecord

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

RESULTS = (
    "Error int",
    "Level int",
    "State int",
    "MessageText nvarchar(2048)",
    "RepairLevel nvarchar(22)",
    "Status int",
    "DbId int",
    "DbFragId int",
    "ObjectId int",
    "IndexId int",
    "PartitionId bigint",
    "AllocUnitId bigint",
    "RidDbId int",
    "RidPruId int",
    "File int",
    "Page int",
    "Slot int",
    "RefDbId int",
    "RefPruId int",
    "RefFile int",
    "RefPage int",
    "RefSlot int",
    "Allocation int",
)
CHECK_OPTIONS = {
    "NO_INFOMSGS",
    "ALL_ERRORMSGS",
    "DATA_PURITY",
    "PHYSICAL_ONLY",
    "EXTENDED_LOGICAL_CHECKS",
    "TABLOCK",
    "TABLERESULTS",
    "ESTIMATEONLY",
}
CHECK_BYTES_PER_SECOND = 100_000_000
"""Speed from which the progress of CHECKDB is guessed."""
REPAIR = ("REPAIR_REBUILD", "REPAIR_ALLOW_DATA_LOSS", "REPAIR_FAST")


def run(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """DBCC command (arguments) WITH options."""
    command = reader.word()
    handler = COMMANDS.get(command)
    if handler is None:
        raise unsupported(f"DBCC {command}")
    handler(instance, session, reader, sink)


def _arguments(reader: Reader) -> list[Any]:
    found: list[Any] = []
    if reader.symbol("("):
        while not reader.symbol(")"):
            found.append(reader.value())
            reader.symbol(",")
    return found


def _options(reader: Reader) -> set[str]:
    found: set[str] = set()
    if reader.accept("WITH"):
        while True:
            word = reader.word()
            if word == "MAXDOP":
                reader.expect_symbol("=")
                reader.integer()
            found.add(word)
            if not reader.symbol(","):
                break
    reader.end()
    return found


def _database(instance: SandboxInstance, session: LanguageSession, arguments: Sequence[Any]) -> DatabaseRecord:
    name = arguments[0] if arguments else 0
    if name == 0:
        name = session.database
    record = instance.book.by_id(name) if isinstance(name, int) else instance.find(str(name))
    if record is None:
        raise error(2520, name)
    return record


# --- CHECKDB -----------------------------------------------------------------------------------------------


def checkdb(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """DBCC CHECKDB: the real check of the database file; errors are 8939 lines and a closing 8989."""
    arguments = _arguments(reader)
    options = _options(reader)
    for word in REPAIR:
        if word in (str(a).upper() for a in arguments):
            raise unsupported(f"DBCC CHECKDB with {word}")
    if options - CHECK_OPTIONS - {"MAXDOP"}:
        raise error(155, sorted(options - CHECK_OPTIONS)[0], "DBCC")
    record = _database(instance, session, arguments)
    if not (access.is_owner(instance, session, record)):
        raise error(7983, session.login, "checkdb", record.name)
    request = instance.entry(session).request
    if request is not None:
        request.concerns = record
    if "ESTIMATEONLY" in options:
        _estimate(sink)
        return
    started = time.monotonic()
    with instance.using(session, record.name):
        problems = _check_file(instance, session, record.path)
        tables = [] if problems else list(instance.storage.checksum_tables(record.path))
    session.check()
    _log(instance, session, record, len(problems), time.monotonic() - started)
    _report(session, sink, record, problems, tables, options)
    if not problems:
        record.last_good_check = clock.stamp()
        instance.book.save(record)


def _check_file(instance: SandboxInstance, session: LanguageSession, path: str) -> list[str]:
    """The check runs beside the session, which stays open to a cancel; an abandoned one ends by itself."""
    found: list[str] = []

    def work() -> None:
        found.extend(instance.storage.integrity_errors(path))

    worker = threading.Thread(target=work, name="checkdb", daemon=True)
    worker.start()
    request, started = instance.entry(session).request, time.monotonic()
    expected = Path(path).stat().st_size / CHECK_BYTES_PER_SECOND + 0.1
    while worker.is_alive():
        worker.join(0.02)
        session.check()
        if request is not None:
            spent = time.monotonic() - started
            request.percent = 100 * spent / (spent + expected)
    return found


def _log(
    instance: SandboxInstance, session: LanguageSession, record: DatabaseRecord, count: int, seconds: float
) -> None:
    hours, rest = divmod(int(seconds), 3600)
    instance.errorlog.write(
        f"DBCC CHECKDB ({record.name}) executed by {session.login} found {count} errors and repaired 0 errors. "
        f"Elapsed time: {hours} hours {rest // 60} minutes {rest % 60} seconds.",
        f"spid{session.spid}",
    )


def _report(
    session: LanguageSession,
    sink: Sink,
    record: DatabaseRecord,
    problems: list[str],
    tables: list[tuple[str, int, int]],
    options: set[str],
) -> None:
    quiet = bool(options & {"NO_INFOMSGS", "PHYSICAL_ONLY"})
    errors = [_damage(record, problem) for problem in problems]
    infos: list[tuple[int, str]] = []
    if not quiet:
        infos = [(2593, text(2593, rows, rows // 100 + 1, name)) for name, rows, _ in tables]
    if not quiet or problems:
        infos.append((8989, text(8989, 0, len(problems), record.name)))
    if problems:
        infos.append((8958, text(8958, "repair_allow_data_loss", "CHECKDB", record.name)))
    if "TABLERESULTS" in options:
        _as_rows(sink, record, errors, infos)
    else:
        for problem in errors:
            sink.error(problem)
            session.check()
        for number, message in infos:
            sink.info(number, message)
            sink.flush()
            session.check()
    if not quiet:
        sink.info(2528, text(2528))
    sink.done()


def _damage(_: DatabaseRecord, problem: str) -> SqlError:
    found = error(8939, "IS_OFF (BUF_IOERR, pBUF->bstat)", state=98)
    found.message = f"{found.message} {problem}"
    return found


def _as_rows(sink: Sink, record: DatabaseRecord, errors: list[SqlError], infos: list[tuple[int, str]]) -> None:
    if not errors and not infos:
        return
    sink.columns(columns(*RESULTS))
    tail = [0] * (len(RESULTS) - 7)
    for problem in errors:
        sink.row([problem.number, 16, problem.state, problem.message, "repair_allow_data_loss", 0, record.id, *tail])
    for number, message in infos:
        sink.row([number, 10, 1, message, None, 0, record.id, *tail])
    sink.done(len(errors) + len(infos))


def _estimate(sink: Sink) -> None:
    sink.columns(columns("Estimated TEMPDB space (in KB) needed for CHECKDB nvarchar(60)".replace(" ", "_", 8)))
    sink.row(["128"])
    sink.done(1)


# --- the small ones ----------------------------------------------------------------------------------------


def opentran(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """DBCC OPENTRAN: sessions whose open transaction has written in the database."""
    record = _database(instance, session, _arguments(reader))
    options = _options(reader)
    inside = [e for e in instance.registry.all() if record in instance.gate.written(e.spid)]
    if "TABLERESULTS" in options:
        sink.columns(columns("REPL_NAME nvarchar(64)", "REPL_VALUE nvarchar(128)"))
        for entry in inside[:1]:
            sink.row(["OLDACT_SPID", str(entry.spid)])
        sink.done(len(inside[:1]))
    elif not inside:
        sink.info(7969, "No active open transactions.")
    for entry in inside[:1] if "TABLERESULTS" not in options else []:
        sink.info(7968, f"Transaction information for database '{record.name}'.")
        sink.info(7977, f"Oldest active transaction:\n    SPID (server process ID): {entry.spid}")
    sink.info(2528, text(2528))
    sink.done()


def inputbuffer(instance: SandboxInstance, _: LanguageSession, reader: Reader, sink: Sink) -> None:
    """DBCC INPUTBUFFER(spid): the last statement of a session."""
    arguments = _arguments(reader)
    options = _options(reader)
    entry = instance.registry.get(int(arguments[0]))
    if entry is None:
        raise SqlError(7955, f"Invalid SPID {arguments[0]} specified.", 16)
    sink.columns(columns("EventType nvarchar(30)", "Parameters smallint", "EventInfo nvarchar(4000)"))
    sink.row(["Language Event", 0, entry.last_text[:4000]])
    sink.done(1)
    if "NO_INFOMSGS" not in options:
        sink.info(2528, text(2528))
        sink.done()


def dbinfo(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """DBCC DBINFO(database) WITH TABLERESULTS."""
    record = _database(instance, session, _arguments(reader))
    options = _options(reader)
    if "TABLERESULTS" not in options:
        raise unsupported("DBCC DBINFO without TABLERESULTS")
    good = clock.parse(record.last_good_check)
    shown = "1900-01-01 00:00:00.000" if good is None else good.isoformat(" ", "milliseconds")
    fields = {
        "dbi_version": record.version,
        "dbi_createVersion": record.create_version,
        "dbi_dbid": record.id,
        "dbi_cmptlevel": record.compatibility_level,
        "dbi_crdate": (clock.parse(record.created) or clock.now()).isoformat(" ", "milliseconds"),
        "dbi_dbname": record.name,
        "dbi_dbccLastKnownGood": shown,
        "dbi_familyGUID": record.family,
        "dbi_differentialBaseGuid": record.base_guid or "00000000-0000-0000-0000-000000000000",
    }
    sink.columns(
        columns("ParentObject nvarchar(255)", "Object nvarchar(255)", "Field nvarchar(255)", "VALUE nvarchar(255)")
    )
    for key, value in fields.items():
        sink.row(["DBINFO STRUCTURE:", "DBINFO @0x0000000000000000", key, str(value)])
    sink.done(len(fields))
    if "NO_INFOMSGS" not in options:
        sink.info(2528, text(2528))
        sink.done()


def accepted(_: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:  # noqa: ARG001
    """Commands without a visible effect on what the sandbox models."""
    _arguments(reader)
    if "NO_INFOMSGS" not in _options(reader):
        sink.info(2528, text(2528))
    sink.done()


def useroptions(_: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:  # noqa: ARG001
    """DBCC TRACESTATUS: no trace flag is on."""
    _arguments(reader)
    _options(reader)
    sink.columns(columns("TraceFlag smallint", "Status smallint", "Global smallint", "Session smallint"))
    sink.done(0)


COMMANDS: dict[str, Callable[[Any, LanguageSession, Reader, Sink], None]] = {
    "CHECKDB": checkdb,
    "CHECKIDENT": checkident,
    "OPENTRAN": opentran,
    "INPUTBUFFER": inputbuffer,
    "DBINFO": dbinfo,
    "UPDATEUSAGE": accepted,
    "FREEPROCCACHE": accepted,
    "DROPCLEANBUFFERS": accepted,
    "TRACESTATUS": useroptions,
}
