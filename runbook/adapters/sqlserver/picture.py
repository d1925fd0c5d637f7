"""What a throwaway server holds, read by other means than those a run proves its data with: every row, value by value.

For rehearsals: a run is judged by what is there afterwards, not by what it says of itself.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.adapters.clock import SystemClock
from runbook.adapters.sqlserver import agent, catalog, logins, proof
from runbook.adapters.sqlserver.client import Client, Session
from runbook.adapters.sqlserver.connection import Connector
from runbook.adapters.sqlserver.diagnostics import Failure, diagnose
from runbook.adapters.sqlserver.driver import odbc
from runbook.adapters.sqlserver.idle import Idle
from runbook.adapters.sqlserver.target import ServerTarget
from runbook.adapters.sqlserver.tsql import rehearsal as text
from runbook.adapters.sqlserver.tsql import session as opening
from runbook.adapters.sqlserver.tsql import state
from runbook.cancel import CancelToken
from runbook.errors import Refused, ServerError
from runbook.plan.batches import split_batches
from runbook.ports import DatabaseState, Login, TableInfo
from runbook.recording import Unrecorded

PROGRAM = "runbook rehearse"
AT_A_TIME = 1_000
"""Rows that are read before they are looked at."""
GROWN_TABLES = 3
"""At most so many; more would add statements, not content."""
MOST_ROWS = 0.8
"""Ratio of a database's rows that is enough."""


@dataclass(frozen=True)
class Picture:
    """A server at one moment. ``tables`` by database and ``schema.table``: number of rows, digest of their values."""

    databases: Mapping[str, tuple[Any, ...]]
    """Name -> state, access, recovery model, read-only, compatibility level, owner."""
    tables: Mapping[tuple[str, str], tuple[int, str]]
    jobs: Mapping[str, bool]
    logins: Mapping[str, Login]
    machine: str = ""
    """The name of the machine, as the server knows it."""


def take(target: ServerTarget) -> Picture:
    """Look at everything."""
    idle = Idle(SystemClock().monotonic)
    try:
        return _taken(_client(target, idle))
    finally:
        idle.close()


def _taken(client: Client) -> Picture:
    known = {name: info for name, info in catalog.databases(client).items() if info.snapshot_of is None}
    databases = {
        name: (
            info.state.value,
            info.user_access.value,
            info.recovery_model.value,
            info.is_read_only,
            info.compatibility_level,
            info.owner,
        )
        for name, info in known.items()
    }
    online = [name for name, info in known.items() if info.state is DatabaseState.ONLINE]
    return Picture(
        databases,
        {key: found for name in online for key, found in _tables(client, name)},
        {job.name: job.enabled for job in agent.jobs(client)},
        {login.name: login for login in logins.logins(client)},
        str(client.read(text.machine()).value() or ""),
    )


def _tables(client: Client, database: str) -> Iterable[tuple[tuple[str, str], tuple[int, str]]]:
    listed = proof.tables(client, database)
    with client.reading(database) as session:
        for table in listed:
            schema, _, name = table.name.partition(".")
            yield (database, table.name), _summed(session, text.every_row((schema, name), table.columns))


def _summed(session: Session, sql: str) -> tuple[int, str]:
    """Number of rows and digest, the same whatever their order: the sum of their hashes."""
    count = total = 0
    for rows in _in_parts(session, sql):
        count += len(rows)
        total += sum(int.from_bytes(hashlib.sha256(repr(tuple(row)).encode()).digest(), "big") for row in rows)
    return count, f"{total % (1 << 256):064x}"


def _in_parts(session: Session, sql: str) -> Iterator[Sequence[Sequence[Any]]]:
    """What a table holds need not fit into memory."""
    cursor = session.connection.raw.cursor()
    try:
        cursor.execute(sql)
        while rows := cursor.fetchmany(AT_A_TIME):
            yield rows
    except odbc().Error as error:
        raise Failure("throwaway", diagnose(error), sql, in_doubt=False) from None
    finally:
        with suppress(odbc().Error):
            cursor.close()


def names(target: ServerTarget) -> set[str]:
    """Databases that are there."""
    return set(catalog.databases(_client(target)))


def keep_still(target: ServerTarget, databases: Sequence[str]) -> None:
    """Let nothing begin by itself on a throwaway server, and give its databases the check that a night asks for."""
    client = _client(target)
    for row in client.read(text.schedules()).first.rows:
        client.effect(text.still(int(row[0])))
    for database in databases:
        client.effect(state.check(database))


def change_a_row(target: ServerTarget, database: str) -> str:
    """Give one row of the database another value, as a wrong upgrade would; returns its table. Refused when there is
    none that the server lets be changed."""
    client = _client(target)
    for table in proof.tables(client, database):
        schema, _, name = table.name.partition(".")
        for column in reversed(table.columns if table.rows else ()):  # keys come first, and cannot be changed so
            sql = text.another_value((schema, name), column)
            with suppress(ServerError):
                if sql and client.effect(sql, database).first.rows[0][0] == 1:
                    return table.name
    raise Refused(f"no row of {database} can be changed", hint="Its tables are empty, or have keys and nothing else.")


def run_script(target: ServerTarget, path: Path) -> None:
    """Run a T-SQL file, batch by batch, on one session. ServerError for what the server refuses."""
    client = _client(target)
    with client.inside() as session:
        for batch in split_batches(path.read_text(encoding="utf-8-sig")):
            for _ in range(batch.count):
                session.effect(batch.sql)


def grow(target: ServerTarget, database: str, times: int) -> None:
    """Let a database have so many times the rows of its largest tables, in tables of their own: columns, widths and
    values as they are in the real ones."""
    client = _client(target)
    doublings = math.ceil(math.log2(times))
    for place, table in enumerate(_most_rows(proof.tables(client, database))):
        schema, _, name = table.name.partition(".")
        client.effect(text.more_rows(place, (schema, name), table.columns, doublings), database)


def _most_rows(tables: Sequence[TableInfo]) -> Iterator[TableInfo]:
    """Those that hold most of the rows. A wide table of few rows would bring bytes, and little of the work."""
    found = sorted((one for one in tables if one.rows and one.columns), key=lambda one: (one.rows, one.bytes))
    left = MOST_ROWS * sum(one.rows for one in found)
    for table in found[: -GROWN_TABLES - 1 : -1]:
        if left > 0:
            yield table
        left -= table.rows


def connect(target: ServerTarget, database: str) -> Any:
    """A pyodbc connection in a database, in autocommit, for whoever asks in T-SQL of his own."""
    connection = Connector("throwaway", target, PROGRAM, CancelToken(SystemClock())).open()
    connection.run(opening.use(database))
    return connection.raw


def _client(target: ServerTarget, idle: Idle | None = None) -> Client:
    token = CancelToken(SystemClock())
    return Client(Connector("throwaway", target, PROGRAM, token), token, Unrecorded(), idle=idle)
