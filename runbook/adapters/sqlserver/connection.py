"""Connections to one server, each with the same options whatever driver, login or server would default to.

Everything runs in autocommit: BACKUP and RESTORE refuse a transaction (3021), ALTER DATABASE too (226). No query
timeout: it would end a long backup; what must end is ended by cancellation.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from runbook.adapters.sqlserver import target
from runbook.adapters.sqlserver.diagnostics import PERMANENT_CONNECT, Diagnosis, diagnose
from runbook.adapters.sqlserver.driver import Driver, find_driver, odbc
from runbook.adapters.sqlserver.tsql import session as text
from runbook.errors import NotPermitted, RunbookError, ServerAway, Unreachable
from runbook.ports import Cancellation

CONNECT_ATTEMPTS = 3
DEFAULT_PORT = 1433
REACH_HINT = "Check the address, that the instance runs, and that no firewall stands between."
CONTEXT_CHANGED = frozenset({"[01000] (5701)", "[01000] (5703)"})
"""What the server says of every USE and SET LANGUAGE."""
DATETIMEOFFSET = -155
"""ODBC type that pyodbc does not read by itself."""
_OFFSET = struct.Struct("<hHHHHHIhh")


@dataclass
class ResultSet:
    """One result set; ``cut`` when there were more rows than asked for."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    cut: bool = False

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass
class Answer:
    """Everything a batch sent back."""

    sets: list[ResultSet] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def first(self) -> ResultSet:
        """The first result set, empty when there was none."""
        return self.at(0)

    def at(self, place: int) -> ResultSet:
        """The result set at that place, from 0; empty when there was none."""
        return self.sets[place] if place < len(self.sets) else ResultSet((), [])

    def dicts(self) -> list[dict[str, Any]]:
        """Rows of the first result set by column name."""
        return self.first.dicts()

    def value(self) -> Any:
        """The first column of the first row, None when there is none."""
        return self.first.rows[0][0] if self.first.rows else None


class Connection:
    """One session on the server. Used by one thread at a time, except for :meth:`cancel`."""

    def __init__(self, raw: Any, program: str, *, can_cancel: bool) -> None:
        self.raw = raw
        self.program = program
        self.can_cancel = can_cancel
        self.session_id = 0
        self.login_time = ""
        self._cursor: Any = None
        self._handle = Lock()
        """Held while the statement's handle is freed or cancelled: the two at once end the process in the driver."""

    def begin(self) -> None:
        """Pin the session's options and learn its number."""
        row = self.run(f"{text.settings()}\n{text.own_session()}").dicts()[0]
        self.session_id, self.login_time = row["session_id"], row["login_time"]

    def run(self, sql: str, max_rows: int | None = None, values: Sequence[Any] = ()) -> Answer:
        """Run a batch and read all it sends; with ``max_rows`` 0 no row is looked at. Raises pyodbc.Error.

        Every result is read to the end: a statement that is not drained is abandoned by the server, without any
        exception.
        """
        answer = Answer()
        self._cursor = cursor = self.raw.cursor()
        try:
            cursor.execute(sql, *values)
            self._collect(cursor, answer, max_rows)
            while cursor.nextset():
                self._collect(cursor, answer, max_rows)
        finally:
            with self._handle, suppress(odbc().Error):
                self._cursor = None
                cursor.close()
        return answer

    def _collect(self, cursor: Any, answer: Answer, max_rows: int | None) -> None:
        answer.messages += [str(message) for kind, message in cursor.messages or () if kind not in CONTEXT_CHANGED]
        if cursor.description is None or max_rows == 0:
            return
        columns = tuple(column[0] for column in cursor.description)
        rows = cursor.fetchall() if max_rows is None else cursor.fetchmany(max_rows + 1)
        kept = [tuple(row) for row in rows][:max_rows]
        answer.sets.append(ResultSet(columns, kept, cut=len(rows) > len(kept)))

    def cancel(self) -> None:
        """Ask the server to end what runs (attention), from any thread."""
        with self._handle, suppress(odbc().Error):  # it ended in this very moment
            if self.can_cancel and self._cursor is not None:
                self._cursor.cancel()

    def close(self) -> None:
        """Close, unless a statement still runs: closing would wait for its end."""
        if self._cursor is not None:
            return
        with suppress(odbc().Error):
            self.raw.close()


class Connector:
    """Opens connections to one server for one executor of a run."""

    def __init__(
        self,
        role: str,
        server: target.ServerTarget,
        program: str,
        cancellation: Cancellation,
        driver: Callable[[], Driver] = find_driver,
    ) -> None:
        self.role = role
        self.program = program
        self._server = server
        self._cancellation = cancellation
        self._driver = driver
        self._address: target.Address | None = None

    def open(self) -> Connection:
        """Open a connection in master. Raises Unreachable or NotPermitted, after some tries where that can help."""
        retrying = Retrying(
            retry=retry_if_exception(_is_worth_another_try),
            stop=stop_after_attempt(CONNECT_ATTEMPTS),
            wait=wait_exponential(multiplier=0.1, max=1),
            sleep=self._cancellation.sleep,
            reraise=True,
        )
        return retrying(self.open_once)

    def open_once(self) -> Connection:
        """Open a connection with a single try and whatever the cancellation says."""
        address, driver = self._located(), self._driver()
        try:
            knock(self.role, address)
            return self._log_in(address, driver)
        except Unreachable:
            self._address = None  # a server that comes back may be found elsewhere
            raise

    def _located(self) -> target.Address:
        if self._address is None:
            self._address = self._server.locate()
        return self._address

    def _log_in(self, address: target.Address, driver: Driver) -> Connection:
        secret = target.connection_string(address, driver, self.program)
        try:
            raw = odbc().connect(secret, autocommit=True, timeout=target.LOGIN_TIMEOUT)
        except odbc().Error as e:
            raise refusal(self.role, address, diagnose(e)) from None
        raw.add_output_converter(DATETIMEOFFSET, _offset_text)
        connection = Connection(raw, self.program, can_cancel=not driver.is_freetds)
        try:
            connection.begin()
        except odbc().Error as e:
            connection.close()
            raise refusal(self.role, address, diagnose(e)) from None
        return connection

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for the length of a block."""
        connection = self.open()
        try:
            yield connection
        finally:
            connection.close()


class Transient(ServerAway):
    """The server does not answer now; another try may help."""


def _is_worth_another_try(error: BaseException) -> bool:
    return isinstance(error, Transient)


def knock(role: str, address: target.Address) -> None:
    """See whether somebody listens. The driver would try until its login timeout, and then not say what was wrong."""
    if "\\" in address.server:
        return  # a named instance: only the browser service knows its port
    try:
        socket.create_connection((address.server, address.port or DEFAULT_PORT), target.LOGIN_TIMEOUT).close()
    except OSError as e:
        said = (e.strerror or str(e)).lower()
        what = f"{role} ({address}) cannot be reached: {said}"
        if isinstance(e, socket.gaierror):
            raise Unreachable(what, hint=REACH_HINT) from None
        kind = ServerAway if isinstance(e, TimeoutError) else Transient
        raise kind(what, server=role, hint=REACH_HINT) from None


def refusal(role: str, address: target.Address, diagnosis: Diagnosis) -> RunbookError:
    """Say what kept a connection from being opened, and what to do about it."""
    where, said = f"{role} ({address})", diagnosis.text
    if diagnosis.number in PERMANENT_CONNECT or diagnosis.state == "28000":
        who = f"the login {address.user}" if address.user else "the Windows account of this process"
        hint = f"Check user and password of servers.{role}, and that the login is enabled on that server."
        return NotPermitted(f"{where} refuses {who}: {said}", hint=hint)
    if diagnosis.state in ("IM002", "IM003") or "Can't open lib" in said:
        return Unreachable(f"{where}: the ODBC driver cannot be loaded: {said}", hint="Install the driver anew.")
    if _is_about_trust(said):
        hint = (
            f"Install the certificate of the authority that signed the server's, or set trust_certificate of "
            f"servers.{role} to true."
        )
        return Unreachable(f"{where} cannot be trusted: {said}", hint=hint)
    if "ncryption not supported" in said:
        hint = f"Enable TLS on the server, or set encrypt of servers.{role} to false."
        return Unreachable(f"{where} does not encrypt connections: {said}", hint=hint)
    if diagnosis.number is not None:
        said = f"error {diagnosis.number}: {said}"
    patient = diagnosis.is_transient and diagnosis.state != "HYT00"  # then the driver has tried long enough
    what = f"{where} cannot be reached: {said}"
    if patient or diagnosis.state == "HYT00":
        return (Transient if patient else ServerAway)(what, server=role, hint=REACH_HINT)
    return Unreachable(what, hint=REACH_HINT)


def _is_about_trust(said: str) -> bool:
    lowered = said.lower()
    return "certificate" in lowered or ("ssl provider" in lowered and "verify" in lowered)


def _offset_text(value: bytes) -> str:
    """Read SQL_SS_TIMESTAMPOFFSET_STRUCT as ISO text: year to second, nanoseconds, offset hours and minutes."""
    year, month, day, hour, minute, second, fraction, hours, minutes = _OFFSET.unpack(value)
    sign = "-" if hours < 0 or minutes < 0 else "+"
    return (
        f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction // 100:07}"
        f"{sign}{abs(hours):02}:{abs(minutes):02}"
    )
