# ruff: noqa: DTZ001 - datetime, datetime2 and date carry no zone
"""A server of a few made-up commands, run as a process of its own, so that tests of the wire need no T-SQL.

Run as a script it prints its port and serves until stdin ends. The driver deadlocks against a server thread in its own
process, because it keeps the interpreter's lock while it waits.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from runbook.sandbox.contract import (
    Cancelled,
    Column,
    ConnectionCut,
    LoginReply,
    LoginRequest,
    RpcParam,
    Sink,
    SqlError,
    SqlType,
)

BIG = 1_000_000
INT = SqlType("int")
TEXT = SqlType("nvarchar", -1)

# Every type the wire sends, with a value and what a client reads for it.
VALUES: list[tuple[SqlType, Any, Any]] = [
    (SqlType("tinyint"), 255, 255),
    (SqlType("smallint"), -32768, -32768),
    (SqlType("int"), -(2**31), -(2**31)),
    (SqlType("bigint"), 2**63 - 1, 2**63 - 1),
    (SqlType("bit"), 1, True),
    (SqlType("bit"), False, False),
    (SqlType("real"), 1.5, 1.5),
    (SqlType("float"), 1.1, 1.1),
    (SqlType("float", precision=24), 0.25, 0.25),
    (SqlType("decimal", precision=9, scale=2), Decimal("-1234567.89"), Decimal("-1234567.89")),
    (SqlType("decimal", precision=19, scale=4), Decimal("1.00005"), Decimal("1.0001")),
    (SqlType("decimal", precision=28, scale=10), 5, Decimal("5.0000000000")),
    (SqlType("numeric", precision=38, scale=0), Decimal("9" * 38), Decimal("9" * 38)),
    (SqlType("numeric", precision=38, scale=38), "0." + "9" * 38, Decimal("0." + "9" * 38)),
    (SqlType("money"), Decimal("-922337203685477.5808"), Decimal("-922337203685477.5808")),
    (SqlType("smallmoney"), Decimal("-0.0001"), Decimal("-0.0001")),
    (SqlType("char", 5), "ab", "ab   "),
    (SqlType("varchar", 10), "caf\xe9 \u20ac \u0142", "caf\xe9 \u20ac ?"),
    (SqlType("varchar", -1), "x" * 9000, "x" * 9000),
    (SqlType("nchar", 4), "\u0142", "\u0142   "),
    (SqlType("nvarchar", 10), "\u65e5\u672c \U0001f600", "\u65e5\u672c \U0001f600"),
    (SqlType("nvarchar", 10), "", ""),
    (SqlType("nvarchar", -1), "\u00e4" * BIG, "\u00e4" * BIG),
    (SqlType("nvarchar", -1), "", ""),
    (SqlType("sysname"), "dbo", "dbo"),
    (SqlType("binary", 4), b"\x01", b"\x01\x00\x00\x00"),
    (SqlType("varbinary", 4), b"\x00\xff", b"\x00\xff"),
    (SqlType("varbinary", -1), bytes(range(256)) * 4096, bytes(range(256)) * 4096),
    (SqlType("varbinary", -1), b"", b""),
    (SqlType("rowversion"), b"\x00\x00\x00\x00\x00\x00\x07\xd1", b"\x00\x00\x00\x00\x00\x00\x07\xd1"),
    (SqlType("xml"), "<a>\u00e4</a>", "<a>\u00e4</a>"),
    (SqlType("text"), "t\xe4xt", "t\xe4xt"),
    (SqlType("ntext"), "\u0142" * 5000, "\u0142" * 5000),
    (SqlType("image"), b"\x00\x01", b"\x00\x01"),
    (SqlType("uniqueidentifier"), UUID(int=2**127 + 5), str(UUID(int=2**127 + 5)).upper()),
    (SqlType("date"), date(1, 1, 1), date(1, 1, 1)),
    (SqlType("date"), "9999-12-31", date(9999, 12, 31)),
    (SqlType("time", scale=0), time(23, 59, 58, 600000), time(23, 59, 59)),
    (SqlType("time", scale=3), "01:02:03.4567", time(1, 2, 3, 457000)),
    (SqlType("time", scale=7), time(1, 2, 3, 456789), time(1, 2, 3, 456789)),
    (SqlType("datetime"), datetime(1753, 1, 1, 0, 0, 0, 5000), datetime(1753, 1, 1, 0, 0, 0, 7000)),
    (SqlType("datetime"), "2026-02-28 23:59:59.999", datetime(2026, 3, 1)),
    (SqlType("smalldatetime"), datetime(2026, 1, 2, 3, 4, 31), datetime(2026, 1, 2, 3, 5)),
    (SqlType("datetime2", scale=0), datetime(9999, 12, 31, 23, 59, 59), datetime(9999, 12, 31, 23, 59, 59)),
    (SqlType("datetime2", scale=7), "2026-01-02T03:04:05.1234567", datetime(2026, 1, 2, 3, 4, 5, 123456)),
    (SqlType("datetime2"), datetime(2026, 1, 2, 3, 4, 5, 678901), datetime(2026, 1, 2, 3, 4, 5, 678901)),
]
# Result columns of sp_datatype_info_100, read by position.
TYPE_COLUMNS = [
    *("TYPE_NAME", "DATA_TYPE", "PRECISION", "LITERAL_PREFIX", "LITERAL_SUFFIX", "CREATE_PARAMS", "NULLABLE"),
    *("CASE_SENSITIVE", "SEARCHABLE", "UNSIGNED_ATTRIBUTE", "MONEY", "AUTO_INCREMENT", "LOCAL_TYPE_NAME"),
    *("MINIMUM_SCALE", "MAXIMUM_SCALE", "SQL_DATA_TYPE", "SQL_DATETIME_SUB", "NUM_PREC_RADIX", "INTERVAL_PRECISION"),
    "USERTYPE",
]
# Result columns of sp_describe_undeclared_parameters.
DESCRIBED = [
    "parameter_ordinal:int",
    "name",
    "suggested_system_type_id:int",
    "suggested_system_type_name",
    "suggested_max_length:smallint",
    "suggested_precision:tinyint",
    "suggested_scale:tinyint",
    "suggested_user_type_id:int",
    "suggested_user_type_database",
    "suggested_user_type_schema",
    "suggested_user_type_name",
    "suggested_assembly_qualified_type_name",
    "suggested_xml_collection_id:int",
    "suggested_xml_collection_database",
    "suggested_xml_collection_schema",
    "suggested_xml_collection_name",
    "suggested_is_xml_document:bit",
    "suggested_is_case_sensitive:bit",
    "suggested_is_fixed_length_clr_type:bit",
    "suggested_is_input:bit",
    "suggested_is_output:bit",
    "formal_parameter_name",
    "suggested_tds_type_id:int",
    "suggested_tds_length:int",
]
OFFSET = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))


def _described(spec: str) -> Column:
    name, _, kind = spec.partition(":")
    return Column(name, SqlType(kind) if kind else SqlType("nvarchar", 256))


class FakeSession:
    """Runs the commands; ``trancount`` and the log of calls can be asked for."""

    def __init__(self, server: FakeServer, spid: int, request: LoginRequest, cut: Callable[[], None]) -> None:
        self.spid = spid
        self.trancount = 0
        self.request = request
        self.cut = cut
        self._server = server
        self._wake = threading.Event()
        self._killed = False
        self._last_handle = 0
        self._handles: dict[int, str] = {}
        self.calls: list[str] = []

    def batch(self, sql: str, sink: Sink) -> None:
        """Every command is a line."""
        self._wake.clear()
        self.calls.append(sql)
        for line in sql.splitlines():
            name, _, rest = line.strip().partition(" ")
            command = getattr(self, f"do_{name.lower()}", None)
            if command is None:
                sink.error(SqlError(2812, f"Could not find stored procedure '{name}'.", 16, 62))
                sink.done()
            else:
                command(rest, sink)

    def rpc(self, name: str, params: list[RpcParam], sink: Sink) -> None:
        """The procedures a driver calls by itself, and ``echo``."""
        self._wake.clear()
        short = name.rpartition(".")[2].lower()
        self.calls.append(short)
        procedure = getattr(self, f"rpc_{short}", None)
        if procedure is None:
            raise SqlError(2812, f"Could not find stored procedure '{name}'.", 16, 62)
        procedure(params, sink)

    def transaction(self, request: str, name: str, sink: Sink) -> None:
        self.calls.append(f"tm {request} {name}".strip())
        self.trancount = 1 if request == "begin" else 0
        sink.done()

    def cancel(self) -> None:
        self._wake.set()

    def kill(self) -> None:
        self._killed = True
        self._wake.set()

    def reset(self) -> None:
        self.calls.append("reset")
        self.trancount = 0

    def close(self) -> None:
        self._server.forget(self)

    def _wait(self, seconds: float | None) -> None:
        if self._wake.wait(seconds):
            raise Cancelled(killed=self._killed)

    # --- procedures ----------------------------------------------------------------------------------------

    def rpc_sp_datatype_info_100(self, params: list[RpcParam], sink: Sink) -> None:
        wanted = params[0].value
        known = {12: ("varchar", 8000), -9: ("nvarchar", 4000), -3: ("varbinary", 8000), 93: ("datetime2", 27)}
        names = TYPE_COLUMNS
        texts = {"TYPE_NAME", "LITERAL_PREFIX", "LITERAL_SUFFIX", "CREATE_PARAMS", "LOCAL_TYPE_NAME"}
        sink.columns([Column(n, SqlType("nvarchar", 128) if n in texts else INT) for n in names])
        if wanted in known:
            name, size = known[wanted]
            scale = 7 if wanted == 93 else None
            sink.row([name, wanted, size, "'", "'", None, 1, 0, 3, None, 0, None, name, scale and 0, scale, wanted,
                      None, None, None, 0])  # fmt: skip
        sink.done(1)

    def rpc_sp_prepexec(self, params: list[RpcParam], sink: Sink) -> None:
        self._handles.pop(params[0].value, None)  # a driver that binds anew gives the old handle back this way
        handle = self._prepare(params[0], params[2].value, sink)
        self._run(self._handles[handle], params[3:], sink)

    def rpc_sp_prepare(self, params: list[RpcParam], sink: Sink) -> None:
        self._prepare(params[0], params[2].value, sink)

    def rpc_sp_execute(self, params: list[RpcParam], sink: Sink) -> None:
        self._run(self._handles[params[0].value], params[1:], sink)

    def rpc_sp_executesql(self, params: list[RpcParam], sink: Sink) -> None:
        self._run(params[0].value, params[2:], sink)

    def rpc_sp_unprepare(self, params: list[RpcParam], sink: Sink) -> None:
        self._handles.pop(params[0].value)

    def rpc_sp_describe_undeclared_parameters(self, params: list[RpcParam], sink: Sink) -> None:
        """Every ``?`` of an insert is an int first, then text."""
        sink.columns(list(map(_described, DESCRIBED)))
        for number in range(1, params[0].value.count("@P") + 1):
            kind = (56, "int", 4, 10, 38, 4) if number == 1 else (231, "nvarchar(4000)", 8000, 0, 231, 8000)
            code, name, size, precision, tds, tds_size = kind
            row = [number, f"@P{number}", code, name, size, precision, 0]
            sink.row([*row, *[None] * 9, 0, 0, 0, 1, 0, None, tds, tds_size])
        sink.done(None)

    def rpc_add(self, params: list[RpcParam], sink: Sink) -> None:
        """Adds its first two parameters into the third and returns 7."""
        params[2].value = params[0].value + params[1].value
        sink.return_value(params[2])
        sink.return_status(7)

    def _prepare(self, handle: RpcParam, sql: str, sink: Sink) -> int:
        self._last_handle += 1
        number = self._last_handle
        self._handles[number] = sql
        sink.return_value(RpcParam(handle.name, INT, number, output=True))
        return number

    def _run(self, sql: str, params: list[RpcParam], sink: Sink) -> None:
        if sql.startswith("echo"):
            sink.columns([Column(f"c{i}", p.type) for i, p in enumerate(params)])
            sink.row([p.value for p in params])
            sink.done(1)
        elif sql.startswith("describe"):
            sink.columns([Column("type", TEXT), Column("value", TEXT)])
            for p in params:
                sink.row([repr(p.type), repr(p.value)])
            sink.done(len(params))
        elif sql.startswith("insert"):
            if params[0].value == 13:
                raise SqlError(2627, "Violation of PRIMARY KEY constraint.", 14)
            self._server.inserted += 1
            sink.done(1)
        else:
            self.batch(sql, sink)

    # --- commands ------------------------------------------------------------------------------------------

    def do_select(self, rest: str, sink: Sink) -> None:
        sink.columns([Column("", INT)])
        sink.row([int(rest)])
        sink.done(1)

    def do_value(self, rest: str, sink: Sink) -> None:
        """A row of a value and of a NULL, in the type with that number."""
        kind, value, _ = VALUES[int(rest)]
        sink.columns([Column("v", kind), Column("n", kind)])
        sink.row([value, None])
        sink.done(1)

    def do_all(self, rest: str, sink: Sink) -> None:
        """Every type in one row."""
        chosen = [(kind, value) for kind, value, _ in VALUES]
        sink.columns([Column(f"c{i}", kind) for i, (kind, _) in enumerate(chosen)])
        sink.row([value for _, value in chosen])
        sink.done(1)

    def do_offset(self, rest: str, sink: Sink) -> None:
        sink.columns([Column("o", SqlType("datetimeoffset", scale=7))])
        sink.row([OFFSET])
        sink.row(["2026-01-02 03:04:05.123456 -05:30"])
        sink.row([OFFSET.astimezone(UTC)])
        sink.done(3)

    def do_variant(self, rest: str, sink: Sink) -> None:
        sink.columns([Column("v", SqlType("sql_variant"))])

    def do_misfit(self, rest: str, sink: Sink) -> None:
        sink.columns([Column("a", INT), Column("tiny", SqlType("tinyint"))])
        sink.row([1, 2])
        sink.row([1, 300])

    def do_rows(self, rest: str, sink: Sink) -> None:
        sink.columns([Column("id", INT), Column("name", SqlType("nvarchar", 50)), Column("at", SqlType("float"))])
        row = sink.row
        for i in range(int(rest)):
            row((i, "a name of some length", 1.5))
        sink.done(int(rest))

    def do_endless(self, rest: str, sink: Sink) -> None:
        sink.columns([Column("id", INT)])
        number = 0
        while True:
            sink.row([number])
            number += 1

    def do_print(self, rest: str, sink: Sink) -> None:
        sink.info(0, rest)

    def do_progress(self, rest: str, sink: Sink) -> None:
        """Message 3211 every few milliseconds, streamed; counts how far it came."""
        for percent in range(10, 101, 10):
            self._wait(0.02)
            self._server.progress = percent
            sink.info(3211, f"{percent} percent processed.", 10)
            sink.flush()
        sink.done()

    def do_done(self, rest: str, sink: Sink) -> None:
        sink.done(int(rest) if rest else None)

    def do_use(self, rest: str, sink: Sink) -> None:
        sink.database(rest, "master")
        sink.done()

    def do_error(self, rest: str, sink: Sink) -> None:
        also = [SqlError(3013, "BACKUP DATABASE is terminating abnormally.")]
        sink.error(SqlError(3201, "Cannot open backup device 'x'.", 16, 1, line=3, also=also))
        sink.done()

    def do_raise(self, rest: str, sink: Sink) -> None:
        raise SqlError(50000 + int(rest), "raised", int(rest))

    def do_crash(self, rest: str, sink: Sink) -> None:
        raise ZeroDivisionError("a bug")

    def do_cut(self, rest: str, sink: Sink) -> None:
        raise ConnectionCut

    def do_kill(self, rest: str, sink: Sink) -> None:
        self._server.sessions[int(rest)].kill()
        sink.done()

    def do_sever(self, rest: str, sink: Sink) -> None:
        self._server.sessions[int(rest)].cut()
        sink.done()

    def do_stop(self, rest: str, sink: Sink) -> None:
        self._server.stop()

    def do_wait(self, rest: str, sink: Sink) -> None:
        self._wait(float(rest) if rest else None)
        sink.done()

    def do_begin(self, rest: str, sink: Sink) -> None:
        self.trancount = 1
        sink.done()

    def do_ask(self, rest: str, sink: Sink) -> None:
        """An attribute of the server or of this session, as text."""
        value: Any = getattr(self, rest) if hasattr(self, rest) else getattr(self._server, rest)
        sink.columns([Column(rest, TEXT)])
        sink.row([str(value)])
        sink.done(1)

    def do_set(self, rest: str, sink: Sink) -> None:
        """Drivers set options on their own."""
        sink.done()

    do_save = do_set

    def do_sp_datatype_info_100(self, rest: str, sink: Sink) -> None:
        """FreeTDS asks in a batch what Microsoft's driver asks in an RPC."""
        self.rpc_sp_datatype_info_100([RpcParam("", INT, int(rest.partition(",")[0]))], sink)

    def do_if(self, rest: str, sink: Sink) -> None:
        """``IF @@TRANCOUNT > 0 COMMIT TRAN``."""
        self.trancount = 0
        sink.done()


class FakeServer:
    """Admits the user ``sa`` with the password below."""

    name = "FAKE"
    program_version = (16, 0, 4265)
    password = "p\xe4ss;{w}\u0142"

    def __init__(self) -> None:
        self.sessions: dict[int, FakeSession] = {}
        self.inserted = 0
        self.progress = 0
        self.stop: Callable[[], None] = lambda: None
        self._next = 50
        self._lock = threading.Lock()

    @property
    def spids(self) -> str:
        return " ".join(map(str, list(self.sessions)))

    def login(self, request: LoginRequest, cut: Callable[[], None]) -> LoginReply:
        if request.user == "crash":
            raise ZeroDivisionError("a bug")
        if (request.user, request.password) not in {("sa", self.password), ("plain", "plain")}:
            raise SqlError(18456, f"Login failed for user '{request.user}'.", 14)
        if request.database == "gone":
            failed = SqlError(18456, f"Login failed for user '{request.user}'.", 14)
            raise SqlError(
                4060, 'Cannot open database "gone" requested by the login. The login failed.', 11, also=[failed]
            )
        with self._lock:
            self._next += 1
            session = FakeSession(self, self._next, request, cut)
            self.sessions[session.spid] = session
        return LoginReply(session, request.database or "master", self.program_version)

    def forget(self, session: FakeSession) -> None:
        with self._lock:
            self.sessions.pop(session.spid, None)


def driver_18() -> str | None:
    """Path of Microsoft's driver out of its wheel, the file a connection string may name."""
    folder = "mssql_python_odbc/libs/linux/debian_ubuntu/x86_64/lib"
    found = [str(path) for base in sys.path for path in (Path(base) / folder).glob("libmsodbcsql-18*.so*")]
    return found[0] if found else None


def freetds() -> str | None:
    """Path of Debian's tdsodbc."""
    path = Path("/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so")
    return str(path) if path.exists() else None


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """A fake server process; yields its port."""
    root = Path(__file__).parents[3]
    command = [sys.executable, str(Path(__file__).resolve())]
    with subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a fake server that lives as long as the test module."""
    with serving() as number:
        yield number


def connection_string(port: int, *extra: str, user: str = "sa", password: str = FakeServer.password) -> str:
    """How to reach the fake server through Microsoft's driver."""
    quoted = password.replace("}", "}}")
    parts = [f"DRIVER={{{driver_18()}}}", f"SERVER=127.0.0.1,{port}", f"UID={user}", f"PWD={{{quoted}}}"]
    if not any(part.startswith("Encrypt=") for part in extra):
        parts.append("Encrypt=no")
    return ";".join([*parts, "ConnectRetryCount=0", *extra])


def main() -> None:
    """Serve until stdin ends."""
    from runbook.sandbox.wire.server import serve

    server = FakeServer()
    listener = serve(server, "127.0.0.1", 0)
    server.stop = listener.stop
    sys.stdout.write(f"{listener.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    listener.stop()


if __name__ == "__main__":
    main()
