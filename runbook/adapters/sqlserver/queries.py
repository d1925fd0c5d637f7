"""The plan's own SQL, and DBCC CHECKDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runbook.adapters.sqlserver.client import Client, Session
from runbook.adapters.sqlserver.tsql import session as text
from runbook.adapters.sqlserver.tsql import state as state_text
from runbook.errors import Refused, ServerError
from runbook.ports import QueryResult

ERROR_LEVEL = 11
"""Severity from which on a row of CHECKDB is a finding; below are summaries."""


def query(client: Client, database: str, sql: str, max_rows: int) -> QueryResult:
    """Run a check of the plan inside a transaction and roll that back."""

    def attempt() -> QueryResult:
        with client.inside(database) as session:
            session.read(text.begin())
            found = session.read(sql, max_rows).first
            depth = session.read(text.open_transactions()).value()
            session.read(text.roll_back())
        if depth != 1:
            raise Refused(
                f"{client.role}: a check ended its transaction or opened another: {first_line(sql)}",
                hint="A check only reads; take BEGIN, COMMIT and ROLLBACK out of it.",
            )
        return QueryResult(found.columns, tuple(found.rows))

    return client.repeat_read(attempt)


@contextmanager
def script(session: Session, role: str, database: str) -> Iterator[Callable[[str], None]]:
    """Run the batches of a script file on this one connection."""
    session.read(text.use(database))
    last = ""

    def run(sql: str) -> None:
        nonlocal last
        last = sql
        session.effect(sql, max_rows=0)  # what it selects is nobody's, and may be of types a client cannot read

    yield run
    if session.read(text.open_transactions()).value():
        session.effect(text.roll_back())
        raise ServerError(
            f"{role}: a script left a transaction open, it was rolled back: {first_line(last)}",
            statement=last,
            hint="End every transaction in the file that begins it.",
        )


def check_database(client: Client, database: str) -> tuple[str, ...]:
    """Findings of DBCC CHECKDB, in the server's words."""
    rows = client.read(state_text.check(database)).dicts()
    return tuple(f"{row['Error']}: {row['MessageText']}" for row in rows if int(row.get("Level") or 0) >= ERROR_LEVEL)


def first_line(sql: str) -> str:
    """The beginning of a statement, for messages."""
    stripped = sql.strip()
    return stripped.splitlines()[0][:80] if stripped else ""
