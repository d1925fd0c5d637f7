# ruff: noqa: DTZ001 - datetime, datetime2 and date carry no zone
"""The wire through pyodbc and Microsoft's ODBC driver 18, against a fake session in another process."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.unit.sandbox.test_wire_fake import BIG, VALUES, connection_string, driver_18, port

pyodbc = pytest.importorskip("pyodbc")
pytestmark = pytest.mark.skipif(driver_18() is None, reason="the wheel mssql-python-odbc is not installed")
pyodbc.pooling = False
__all__ = ["port"]


@pytest.fixture
def connection(port: int) -> Iterator[Any]:
    """A connection of its own for each test."""
    opened = pyodbc.connect(connection_string(port), autocommit=True)
    yield opened
    opened.close()


@pytest.fixture
def cursor(connection: Any) -> Any:
    return connection.cursor()


def results(cursor: Any, sql: str) -> list[tuple[list[str], Any]]:
    """Every result of a batch: its messages, and its rows or row count."""
    cursor.execute(sql)
    out = []
    while True:
        rows = cursor.fetchall() if cursor.description else cursor.rowcount
        out.append(([text.rpartition("]")[2] for _, text in cursor.messages or []], rows))
        if not cursor.nextset():
            return out


def plain(found: list[tuple[list[str], Any]]) -> list[tuple[list[str], Any]]:
    """Rows as tuples: a pyodbc row equals no tuple."""
    return [(texts, [tuple(r) for r in rows] if isinstance(rows, list) else rows) for texts, rows in found]


def asked(connection: Any, what: str) -> str:
    """An attribute of the server or the session."""
    return str(connection.cursor().execute(f"ask {what}").fetchval())


# --- login -------------------------------------------------------------------------------------------------


def test_login_tells_version_and_keeps_a_password_of_any_letters(connection: Any) -> None:
    """The product version reaches the client; password characters outside ASCII, braces and semicolons survive."""
    assert connection.getinfo(pyodbc.SQL_DBMS_VER) == "16.00.4265"
    assert connection.getinfo(pyodbc.SQL_DBMS_NAME) == "Microsoft SQL Server"


def test_login_request_carries_what_the_client_says(port: int) -> None:
    """Host, application and database of the connection string reach the session."""
    with pyodbc.connect(
        connection_string(port, "APP=tool \u0142", "WSID=pc", "DATABASE=Shop"), autocommit=True
    ) as opened:
        said = asked(opened, "request")
        assert opened.getinfo(pyodbc.SQL_DATABASE_NAME) == "Shop"
    for part in ("user='sa'", "app='tool \u0142'", "host='pc'", "database='Shop'"):
        assert part in said


@pytest.mark.parametrize(
    ("change", "state", "number"),
    [
        ({"user": "joe"}, "28000", "18456"),
        ({"password": "wrong"}, "28000", "18456"),
        ({"user": "crash"}, "42000", "50997"),
    ],
)
def test_login_refused(port: int, change: dict[str, str], state: str, number: str) -> None:
    """A refused login is an error with SQL Server's number; a bug in the server is 50997."""
    with pytest.raises(pyodbc.Error, match=number) as caught:
        pyodbc.connect(connection_string(port, **change))
    assert caught.value.args[0] == state


def test_login_refused_with_companion(port: int) -> None:
    """4060 comes first, 18456 after it: the client sees the specific one."""
    with pytest.raises(pyodbc.Error, match="4060"):
        pyodbc.connect(connection_string(port, "DATABASE=gone"))


def test_a_thousand_connections_in_a_row(port: int) -> None:
    """No connection leaves anything behind that the next would notice."""
    text = connection_string(port)
    for _ in range(1000):
        pyodbc.connect(text, autocommit=True).close()
    with pyodbc.connect(text, autocommit=True) as last:
        assert is_gone(last, *(str(int(asked(last, "spid")) - back) for back in range(1, 1001)))


def is_gone(connection: Any, *spids: str) -> bool:
    """Whether the sessions are closed; they are a moment after their client has gone."""
    for _ in range(100):
        if not set(spids) & set(asked(connection, "spids").split()):
            return True
        threading.Event().wait(0.02)
    return False


ENCRYPTED = ("Encrypt=yes", "TrustServerCertificate=yes")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_encrypted_connection(port: int) -> None:
    """A client that insists on encryption gets it: large values both ways, cancel, many rows."""
    with pyodbc.connect(connection_string(port, *ENCRYPTED), autocommit=True) as opened:
        cursor = opened.cursor()
        assert cursor.execute("echo ?,?", "x" * BIG, b"z" * BIG).fetchone()[1] == b"z" * BIG
        assert len(cursor.execute("rows 20000").fetchall()) == 20000
        assert cancelled_after(cursor, 0.1, "wait") == "HY008"
        assert cancelled_after(cursor, 0.1, "endless") in {"HY008", "HY010"}
        assert cursor.execute("select 5").fetchval() == 5


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_certificate_is_not_trusted_by_itself(port: int) -> None:
    """The certificate is self-signed: without TrustServerCertificate the driver refuses it."""
    with pytest.raises(pyodbc.OperationalError, match="certificate"):
        pyodbc.connect(connection_string(port, "Encrypt=yes"))


# --- values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(len(VALUES)), ids=[f"{kind.name}-{i}" for i, (kind, _, _) in enumerate(VALUES)])
def test_column_of_every_type(module_cursor: Any, index: int) -> None:
    """A value and a NULL of the type arrive as the client should see them."""
    assert tuple(module_cursor.execute(f"value {index}").fetchone()) == (VALUES[index][2], None)


@pytest.fixture(scope="module")
def module_cursor(port: int) -> Iterator[Any]:
    opened = pyodbc.connect(connection_string(port), autocommit=True)
    yield opened.cursor()
    opened.close()


def test_all_types_in_one_row(cursor: Any) -> None:
    """Types do not disturb one another."""
    assert tuple(cursor.execute("all").fetchone()) == tuple(expected for _, _, expected in VALUES)


def test_datetimeoffset(connection: Any) -> None:
    """Offset and fraction arrive in ODBC's structure, the local time in it."""
    connection.add_output_converter(-155, bytes)
    rows = connection.cursor().execute("offset").fetchall()
    first = rows[0][0]
    fields = [int.from_bytes(first[i : i + 2], "little", signed=True) for i in (0, 2, 4, 6, 8, 10, 16, 18)]
    assert fields == [2026, 1, 2, 3, 4, 5, -5, -30]
    assert int.from_bytes(first[12:16], "little") == 123456000
    assert rows[1][0] == first
    assert int.from_bytes(rows[2][0][6:8], "little") == 8


PARAMETERS = [
    (1, 1),
    (-(2**31), -(2**31)),
    (2**40, 2**40),
    (True, True),
    (0.1, 0.1),
    (Decimal("-12345678901234567890.123456"), Decimal("-12345678901234567890.123456")),
    (Decimal("0.00"), Decimal("0.00")),
    (date(2026, 1, 2), date(2026, 1, 2)),
    (time(23, 59, 59), time(23, 59, 59)),
    (datetime(2026, 1, 2, 3, 4, 5, 678901), datetime(2026, 1, 2, 3, 4, 5, 678901)),
    (UUID(int=7), str(UUID(int=7))),
    ("za\u017c\u00f3\u0142\u0107 \U0001f600", "za\u017c\u00f3\u0142\u0107 \U0001f600"),
    ("", ""),
    ("x" * BIG, "x" * BIG),
    (b"\x00\xff", b"\x00\xff"),
    (b"", b""),
    (b"z" * BIG, b"z" * BIG),
    (None, None),
]


@pytest.mark.parametrize(("value", "expected"), PARAMETERS, ids=lambda v: repr(v)[:20])
def test_parameter_round_trip(module_cursor: Any, value: Any, expected: Any) -> None:
    """A parameter comes back as the same value in the type the driver gave it."""
    assert module_cursor.execute("echo ?", value).fetchval() == expected


def test_all_parameters_at_once(cursor: Any) -> None:
    """Parameters do not disturb one another."""
    marks = ",".join("?" * len(PARAMETERS))
    row = cursor.execute(f"echo {marks}", [value for value, _ in PARAMETERS]).fetchone()
    assert tuple(row) == tuple(expected for _, expected in PARAMETERS)


def test_prepared_handle_comes_back(connection: Any) -> None:
    """The driver has read the handle that sp_prepexec returned: it gives the old one back when it binds anew."""
    cursor = connection.cursor()
    assert [cursor.execute("echo ?", i).fetchval() for i in range(3)] == [0, 1, 2]
    assert asked(connection, "_handles") == "{3: 'echo @P1'}"


def test_value_that_does_not_fit_its_column(cursor: Any) -> None:
    """A wrong value names its column, and the rows before it and the connection are unhurt."""
    cursor.execute("misfit")
    assert tuple(cursor.fetchone()) == (1, 2)
    with pytest.raises(pyodbc.Error, match=r"column tiny of type tinyint.*\(50997\)"):
        cursor.fetchall()
    assert cursor.execute("select 1").fetchval() == 1


def test_type_that_is_refused(cursor: Any) -> None:
    """A type the sandbox does not send is refused by name."""
    with pytest.raises(pyodbc.Error, match=r"sql_variant is not supported by the sandbox \(50999\)"):
        cursor.execute("variant")


def test_many_rows(cursor: Any) -> None:
    """Rows cross packet borders unhurt."""
    rows = cursor.execute("rows 20000").fetchall()
    assert [row[0] for row in rows] == list(range(20000))
    assert {tuple(row[1:]) for row in rows} == {("a name of some length", 1.5)}


def test_fast_executemany(connection: Any) -> None:
    """Parameter arrays are many calls in one request."""
    cursor = connection.cursor()
    before = int(asked(connection, "inserted"))
    cursor.fast_executemany = True
    cursor.executemany("insert ?,?", [(i + 100, "x" * (i % 50)) for i in range(1000)])
    assert int(asked(connection, "inserted")) == before + 1000


def test_fast_executemany_with_an_error(connection: Any) -> None:
    """The error of one call is reported, the calls around it run."""
    cursor = connection.cursor()
    before = int(asked(connection, "inserted"))
    cursor.fast_executemany = True
    with pytest.raises(pyodbc.IntegrityError, match="2627"):
        cursor.executemany("insert ?,?", [(1, "a"), (13, "b"), (3, "c")])
    assert int(asked(connection, "inserted")) == before + 2


# --- results, messages, errors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ("select 1\nselect 2", [([], [(1,)]), ([], [(2,)])]),
        ("done\ndone 3\ndone\nselect 1\ndone", [([], 3), ([], [(1,)])]),
        (
            "print a\ndone\nprint b\ndone\nselect 1\nprint c\ndone",
            [(["a"], -1), (["b"], -1), ([], [(1,)]), (["c"], -1)],
        ),
        ("select 1\nprint c", [([], [(1,)]), (["c"], -1)]),
        ("raise 10", [(["raised"], -1)]),
        ("use other", [(["Changed database context to 'other'."], -1)]),
        ("rows 0", [([], [])]),
    ],
)
def test_order_of_results_and_messages(cursor: Any, batch: str, expected: Any) -> None:
    """Every DONE that counts or follows a message ends a result; the order is the session's."""
    assert plain(results(cursor, batch)) == expected


def test_database_change_reaches_the_driver(connection: Any) -> None:
    """ENVCHANGE 1 is what the driver believes about the current database."""
    connection.cursor().execute("use other")
    assert connection.getinfo(pyodbc.SQL_DATABASE_NAME) == "other"


def test_error_with_companion_shows_the_specific_one(cursor: Any) -> None:
    """3201 first, 3013 last; the driver reports the first."""
    with pytest.raises(pyodbc.ProgrammingError, match=r"Cannot open backup device 'x'\. \(3201\)"):
        cursor.execute("error")


def test_error_between_results(cursor: Any) -> None:
    """An error ends its own statement only."""
    assert cursor.execute("select 1\nerror\nselect 2").fetchval() == 1
    with pytest.raises(pyodbc.ProgrammingError, match="3201"):
        cursor.nextset()


def test_bug_in_the_session_is_an_error_and_no_crash(cursor: Any) -> None:
    """An exception nobody expected becomes error 50997 and the connection lives."""
    with pytest.raises(pyodbc.Error, match=r"ZeroDivisionError: a bug \(50997\)"):
        cursor.execute("crash")
    assert cursor.execute("select 1").fetchval() == 1


@pytest.mark.parametrize("severity", [11, 16, 19])
def test_severity_below_20_keeps_the_connection(cursor: Any, severity: int) -> None:
    """An error of a statement leaves the connection usable."""
    with pytest.raises(pyodbc.Error, match=str(50000 + severity)):
        cursor.execute(f"raise {severity}")
    assert cursor.execute("select 1").fetchval() == 1


def test_severity_20_ends_the_connection(cursor: Any) -> None:
    """The client reads the error, then finds the connection gone."""
    with pytest.raises(pyodbc.Error, match="50020"):
        cursor.execute("raise 20")
    with pytest.raises(pyodbc.OperationalError, match="08S01"):
        cursor.execute("select 1")


def test_progress_messages_are_results_of_their_own(cursor: Any) -> None:
    """Each flushed message ends a result, as BACKUP's messages do."""
    found = results(cursor, "progress")
    assert [texts for texts, _ in found] == [[f"{percent} percent processed."] for percent in range(10, 101, 10)]


def test_undrained_progress_aborts_the_work(port: int, connection: Any) -> None:
    """A client that closes its cursor after the first message ends the statement on the server."""
    cursor = connection.cursor()
    cursor.execute("progress")
    cursor.close()
    assert int(asked(connection, "progress")) < 100


# --- cancel, timeout, transactions -------------------------------------------------------------------------


def cancelled_after(cursor: Any, seconds: float, batch: str) -> str:
    """Run a batch, cancel it from another thread, give the SQLSTATE.

    HY010 is the driver manager's word for a cancel that falls between two calls of the driver.
    """
    timer = threading.Timer(seconds, cursor.cancel)
    timer.start()
    with pytest.raises(pyodbc.Error) as caught:
        cursor.execute(batch).fetchall()
    timer.join()
    return str(caught.value.args[0])


def test_cancel_while_the_session_waits(cursor: Any) -> None:
    """A cancel from another thread is HY008, and the connection is usable afterwards."""
    assert cancelled_after(cursor, 0.1, "wait") == "HY008"
    assert cursor.execute("select 5").fetchval() == 5


def test_cancel_while_rows_stream(cursor: Any) -> None:
    """Rows in flight are dropped, the rest never made."""
    assert cancelled_after(cursor, 0.1, "endless") in {"HY008", "HY010"}
    assert cursor.execute("select 5").fetchval() == 5


def test_cancel_again_and_again(cursor: Any) -> None:
    """No cancel is lost, and none strikes the next statement, whenever it comes."""
    for turn in range(60):
        timer = threading.Timer(turn % 10 / 2000, cursor.cancel)
        timer.start()
        with contextlib.suppress(pyodbc.Error):  # cancelled or not, as the two happened to meet
            cursor.execute("wait 0.002")
        timer.join()
        assert cursor.execute("select 5").fetchval() == 5


def test_closing_a_cursor_with_rows_left(connection: Any) -> None:
    """The driver's own attention is answered; the next statement runs."""
    cursor = connection.cursor()
    cursor.execute("endless").fetchone()
    cursor.close()
    assert connection.cursor().execute("select 5").fetchval() == 5


def test_query_timeout(connection: Any) -> None:
    """The driver's timeout is HYT00, at once, and the connection is usable afterwards."""
    connection.timeout = 1
    with pytest.raises(pyodbc.OperationalError) as caught:
        connection.cursor().execute("wait")
    connection.timeout = 0
    assert caught.value.args[0] == "HYT00"
    assert connection.cursor().execute("select 5").fetchval() == 5


def test_transactions_of_the_driver(port: int) -> None:
    """With autocommit off the driver begins, commits and rolls back through transaction manager requests."""
    with pyodbc.connect(connection_string(port)) as opened:
        opened.execute("select 1").fetchall()
        opened.commit()
        opened.execute("select 1").fetchall()
        opened.rollback()
        calls = opened.execute("ask calls").fetchval()
    told = [call for call in calls.split("'") if call.startswith("tm ")]
    assert told == ["tm begin", "tm commit", "tm begin", "tm rollback", "tm begin"]


# --- ends of connections -----------------------------------------------------------------------------------


def test_cut_by_the_session(cursor: Any) -> None:
    """ConnectionCut ends the connection without an answer."""
    with pytest.raises(pyodbc.OperationalError, match="08S01"):
        cursor.execute("cut")


def test_kill_of_a_waiting_session(port: int, connection: Any) -> None:
    """The killed client reads 596; its session is closed."""
    victim = pyodbc.connect(connection_string(port), autocommit=True)
    spid = asked(victim, "spid")
    timer = threading.Timer(0.1, connection.execute, (f"kill {spid}",))
    timer.start()
    with pytest.raises(pyodbc.Error, match="596"):
        victim.execute("wait")
    timer.join()
    assert is_gone(connection, spid)
    with pytest.raises(pyodbc.OperationalError, match="08S01"):
        victim.execute("select 1")


def test_cut_of_an_idle_session(port: int, connection: Any) -> None:
    """``cut`` from another thread closes the socket; the session is closed."""
    victim = pyodbc.connect(connection_string(port), autocommit=True)
    spid = asked(victim, "spid")
    connection.execute(f"sever {spid}")
    assert is_gone(connection, spid)
    with pytest.raises(pyodbc.OperationalError, match="08S01"):
        victim.execute("select 1")


def test_client_that_leaves_closes_its_session(port: int, connection: Any) -> None:
    """A closed connection is a closed session."""
    other = pyodbc.connect(connection_string(port), autocommit=True)
    spid = asked(other, "spid")
    assert spid in asked(connection, "spids").split()
    other.close()
    assert is_gone(connection, spid)


def test_connections_at_once(port: int) -> None:
    """Sessions do not disturb one another."""

    def work(number: int) -> list[int]:
        with pyodbc.connect(connection_string(port), autocommit=True) as opened:
            return [opened.execute("echo ?", number * 1000 + i).fetchval() for i in range(50)]

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(work, range(24)))
    assert found == [[number * 1000 + i for i in range(50)] for number in range(24)]
