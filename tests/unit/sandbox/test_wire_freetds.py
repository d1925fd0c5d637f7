"""The wire through pyodbc and FreeTDS. No cancel and no fast_executemany: FreeTDS 1.3 crashes its client in both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.sandbox.test_wire_fake import VALUES, freetds, port

pyodbc = pytest.importorskip("pyodbc")
pytestmark = pytest.mark.skipif(freetds() is None, reason="Debian's tdsodbc is not installed")
__all__ = ["port"]


def text(port: int, version: str = "7.4", password: str = "plain") -> str:
    """How to reach the fake server through FreeTDS."""
    parts = [f"DRIVER={{{freetds()}}}", "SERVER=127.0.0.1", f"PORT={port}", "UID=plain", f"PWD={password}"]
    return ";".join([*parts, f"TDS_Version={version}", "ClientCharset=UTF-8"])


@pytest.fixture(scope="module")
def cursor(port: int) -> Iterator[Any]:
    """One cursor for all."""
    opened = pyodbc.connect(text(port), autocommit=True)
    yield opened.cursor()
    opened.close()


def test_login_refused(port: int) -> None:
    """SQL Server's number and text reach the client."""
    with pytest.raises(pyodbc.Error, match=r"Login failed for user 'plain'. \(18456\)"):
        pyodbc.connect(text(port, password="wrong"))


@pytest.mark.parametrize("version", ["7.2", "7.3", "7.4"])
def test_versions_of_the_protocol(port: int, version: str) -> None:
    """Clients of TDS 7.2 and up are served."""
    with pyodbc.connect(text(port, version), autocommit=True) as opened:
        assert opened.execute("select 1").fetchval() == 1


@pytest.mark.parametrize("index", range(len(VALUES)), ids=[f"{kind.name}-{i}" for i, (kind, _, _) in enumerate(VALUES)])
def test_column_of_every_type(cursor: Any, index: int) -> None:
    """A value and a NULL of the type arrive as the client should see them."""
    assert tuple(cursor.execute(f"value {index}").fetchone()) == (VALUES[index][2], None)


@pytest.mark.parametrize(
    "value",
    [1, -(2**31), 2**40, True, 0.1, Decimal("-123456.78"), date(2026, 1, 2), time(1, 2, 3), "\u0142\U0001f600", "",
     "x" * 100_000, b"\x00\xff", b"z" * 100_000],
    ids=lambda v: repr(v)[:20],
)  # fmt: skip
def test_parameter_round_trip(cursor: Any, value: Any) -> None:
    """A parameter comes back as the same value."""
    assert cursor.execute("echo ?", value).fetchval() == value


def test_order_of_results_and_messages(cursor: Any) -> None:
    """Results come in the session's order."""
    cursor.execute("print a\ndone\nselect 1\ndone 3\nselect 2")
    found = []
    while True:
        found.append([tuple(row) for row in cursor.fetchall()] if cursor.description else cursor.rowcount)
        if not cursor.nextset():
            break
    assert found == [-1, [(1,)], 3, [(2,)]]


def test_errors(cursor: Any) -> None:
    """Errors have their numbers, the connection lives."""
    with pytest.raises(pyodbc.ProgrammingError, match="3201"):
        cursor.execute("error")
    with pytest.raises(pyodbc.Error, match="50997"):
        cursor.execute("crash")
    assert cursor.execute("select 1").fetchval() == 1


def test_query_timeout(port: int) -> None:
    """The driver's timeout ends the statement; the connection is usable afterwards."""
    with pyodbc.connect(text(port), autocommit=True) as opened:
        opened.timeout = 1
        with pytest.raises(pyodbc.Error, match=r"HYT0[01]|HY000"):
            opened.cursor().execute("wait")
        opened.timeout = 0
        assert opened.cursor().execute("select 5").fetchval() == 5
