"""From the plan's words to a connection: strings, drivers, and errors that say what to do."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from runbook.adapters.sqlserver import open_server
from runbook.adapters.sqlserver.connection import Transient, _offset_text, refusal
from runbook.adapters.sqlserver.diagnostics import Diagnosis
from runbook.adapters.sqlserver.driver import INSTALLED, Driver, choose
from runbook.adapters.sqlserver.target import Address, ServerTarget, connection_string
from runbook.errors import NotPermitted, NotSupported, Refused, ServerAway, Unreachable
from runbook.secrets import Secret
from runbook.testing.clock import FakeClock
from runbook.testing.control import StatementLog, Unstoppable

MICROSOFT = Driver(INSTALLED)
FREETDS = Driver("FreeTDS")
ADDRESS = Address("sql01", 1433, "sa", Secret("p}w;DATABASE=x"))


def test_a_connection_string_is_for_maintenance() -> None:
    """No silent reconnection, an own name, and a password that cannot break out."""
    text = connection_string(ADDRESS, MICROSOFT, "runbook r1 3")
    assert "ConnectRetryCount=0" in text
    assert "APP=runbook r1 3" in text
    assert "SERVER={tcp:sql01,1433}" in text
    assert "PWD={p}}w;DATABASE=x}" in text
    assert "Encrypt=yes;TrustServerCertificate=no" in text
    assert "DATABASE=master" in text


def test_freetds_takes_its_own_keywords() -> None:
    """Keywords of Microsoft's driver would be ignored or refused."""
    text = connection_string(replace(ADDRESS, password=Secret("a!b}c")), FREETDS, "runbook r1 3")
    assert text.endswith("PWD=a!b}c")
    assert "TDS_Version=7.4" in text
    assert "Encryption=require" in text
    assert "ConnectRetryCount" not in text
    with pytest.raises(NotSupported):
        connection_string(ADDRESS, FREETDS, "runbook r1 3")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("mssql://sql01", "SERVER=sql01;"),
        ("mssql://sql01:1444", "SERVER={tcp:sql01,1444}"),
        ("mssql://sql01\\PROD", "SERVER=sql01\\PROD;"),
    ],
)
def test_addresses(url: str, server: str) -> None:
    """A named instance is left to the browser service, a port is used as it is; no user means Windows' own login."""
    text = connection_string(ServerTarget(url).locate(), MICROSOFT, "p")
    assert server in text
    assert "Trusted_Connection=yes" in text


def test_a_sandbox_needs_a_home() -> None:
    """Without a directory there is nowhere to start it."""
    with pytest.raises(Refused):
        ServerTarget("sandbox://OLDSQL?version=2019").locate()


def test_which_driver() -> None:
    """Installed before bundled before older before FreeTDS; an override before all."""
    bundled = Path("/lib/libmsodbcsql-18.6.so.2.1")
    assert choose([INSTALLED, "FreeTDS"], bundled) == Driver(INSTALLED)
    assert choose(["FreeTDS"], bundled) == Driver(str(bundled))
    assert choose(["FreeTDS"], None).is_freetds
    assert choose([INSTALLED], bundled, "FreeTDS").is_freetds
    with pytest.raises(NotSupported):
        choose([], None)


@pytest.mark.parametrize(
    ("diagnosis", "kind", "hint"),
    [
        (Diagnosis("28000", 18456, "Login failed for user 'sa'"), NotPermitted, "password"),
        (Diagnosis("42000", 4060, "Cannot open database"), NotPermitted, "login"),
        (Diagnosis("08001", None, "SSL Provider: certificate verify failed"), Unreachable, "trust_certificate"),
        (Diagnosis("08001", None, "Encryption not supported on SQL Server"), Unreachable, "encrypt"),
        (Diagnosis("HYT00", None, "Login timeout expired"), ServerAway, "firewall"),
        (Diagnosis("08S01", None, "TCP Provider: Error code 0x68"), Transient, "firewall"),
        (Diagnosis("01000", None, "Can't open lib 'x' : file not found"), Unreachable, "driver"),
        (Diagnosis("42000", 18401, "Server is in script upgrade mode"), Transient, "instance"),
    ],
)
def test_a_refused_connection_says_what_to_do(diagnosis: Diagnosis, kind: type[Exception], hint: str) -> None:
    """Each refusal names server and remedy, and never the password."""
    error = refusal("old", ADDRESS, diagnosis)
    assert type(error) is kind
    assert hint in error.hint
    assert "old (sql01:1433)" in error.message
    assert "p}w" not in error.message + error.hint


def test_datetimeoffset_is_read() -> None:
    """pyodbc leaves that type to its user."""
    raw = struct.pack("<hHHHHHIhh", 2026, 3, 21, 10, 30, 5, 123456700, -3, -30)
    assert _offset_text(raw) == "2026-03-21T10:30:05.1234567-03:30"


def test_a_closed_port_is_told_at_once() -> None:
    """Nobody listens: said within a moment, with the system's own words."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = open_server(
        "old", ServerTarget(f"mssql://127.0.0.1:{port}", "sa"), Unstoppable(FakeClock()), StatementLog(), "r", 1
    )
    with pytest.raises(Unreachable, match=rf"old \(127.0.0.1:{port}\) cannot be reached: connection refused"):
        server.identity()
