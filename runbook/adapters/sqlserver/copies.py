"""The copy of a run's journal on a server, on a connection of its own that nobody waits for long."""

from __future__ import annotations

from collections.abc import Sequence

from runbook.adapters.sqlserver.connection import Answer, Connection, Connector
from runbook.adapters.sqlserver.diagnostics import Failure, diagnose
from runbook.adapters.sqlserver.driver import odbc
from runbook.adapters.sqlserver.tsql import catalog as catalog_text
from runbook.adapters.sqlserver.tsql import copy as text
from runbook.adapters.sqlserver.tsql.parameters import Call
from runbook.errors import FencedOut, JournalCorrupt, ServerError, WrongTarget
from runbook.journal.copying import RowsLost, as_lines, from_lines
from runbook.journal.reading import Row
from runbook.patience import within

PATIENCE = 5.0
"""Seconds a statement here may take: the night waits for it."""
READING_PATIENCE = 120.0
REMOVING_PATIENCE = 30.0
NO_TABLE = 208
THERE_ALREADY = 2714


class ServerCopies:
    """Implements :class:`runbook.journal.copying.Place`. Nothing it sends is recorded: it would have to be copied."""

    def __init__(self, connector: Connector, server_name: str = "", patience: float = PATIENCE) -> None:
        self.name = f"{connector.role}: {text.TABLE}"
        self.server = connector.role
        self._connector = connector
        self._server_name = server_name
        """Who must answer; empty: whoever does."""
        self._patience = patience
        self._connection: Connection | None = None
        self._has_table = False
        self._fence: int | None = None

    def newest(self, run_id: str) -> tuple[int, str] | None:
        """See the protocol, as for the rest."""
        found = self._ask(text.newest(run_id), self._patience).first.rows
        return (int(found[0][0]), str(found[0][1])) if found else None

    def held_by(self, fence: int) -> None:
        self._fence = fence

    def add(self, rows: Sequence[Row]) -> None:
        if not self._has_table:
            self._create()
        left = rows
        for _ in range(2):  # twice when a part of them is there from an earlier try whose answer was lost
            number, digest = self._add(left)
            if number < left[0].n - 1:
                raise RowsLost(f"{self.name} has rows up to {number} only: it was put back to an earlier state")
            if number < left[0].n:
                raise FencedOut(f"{self.name}: the instance is in other hands, it takes no rows of this executor")
            if number > rows[-1].n or digest != rows[number - rows[0].n].hash:
                raise JournalCorrupt(f"row {number} at {self.name} is another one: somebody else writes this run there")
            left = [row for row in rows if row.n > number]
            if not left:
                return
        raise JournalCorrupt(f"{self.name} does not keep rows of run {rows[0].run_id}")

    def _add(self, rows: Sequence[Row]) -> tuple[int, str]:
        """Send them; number and hash of the last row that is there then."""
        first, last = rows[0], rows[-1]
        try:
            call = text.add(first.run_id, first.n, last.n, last.hash, as_lines(rows), self._fence)
            answer = self._ask(call, self._patience)
        except ServerError as e:
            self._has_table = e.number != NO_TABLE  # the last other run there has just taken it away
            raise
        found = answer.first.rows
        return (int(found[0][0]), str(found[0][1])) if found else (0, "")

    def rows(self, run_id: str) -> list[Row]:
        found = self._ask(text.lines(run_id), READING_PATIENCE).first.rows
        return from_lines([line for row in found for line in row[0].split("\n") if line], run_id, self.name)

    def run_ids(self) -> list[str]:
        return [str(row[0]) for row in self._ask(text.run_ids(), READING_PATIENCE).first.rows]

    def remove(self, run_id: str) -> None:
        self._has_table = False
        self._ask(text.remove(run_id), REMOVING_PATIENCE)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _create(self) -> None:
        try:
            self._ask(text.create(), self._patience)
        except ServerError as e:
            if e.number != THERE_ALREADY:
                raise
        self._has_table = True

    def _ask(self, sql: str | Call, patience: float) -> Answer:
        """Send it on a thread that can be left behind: a server that was stopped may answer in an hour, or never."""
        try:
            return within(patience, lambda: self._send(sql))
        except TimeoutError:
            raise ServerError(f"{self._connector.role}: no answer within {patience:g} s", in_doubt=True) from None

    def _send(self, sql: str | Call) -> Answer:
        connection, self._connection = self._connection or self._open(), None
        asked = Call(sql) if isinstance(sql, str) else sql
        try:
            answer = connection.run(asked.sql, values=asked.values)
        except odbc().Error as e:
            diagnosis = diagnose(e)
            if diagnosis.in_doubt:
                connection.close()
            else:
                self._connection = connection
            raise Failure(self._connector.role, diagnosis, asked.text[:80], in_doubt=diagnosis.in_doubt) from None
        self._connection = connection
        return answer

    def _open(self) -> Connection:
        connection = self._connector.open_once()
        name = connection.run(catalog_text.server_name()).value()
        if self._server_name and name != self._server_name:
            connection.close()
            raise WrongTarget(f"{self._connector.role}: the server says it is {name}, not {self._server_name}")
        return connection
