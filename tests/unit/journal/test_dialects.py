"""Nothing in the SQL that PostgreSQL or SQL Server would refuse."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlalchemy import Dialect
from sqlalchemy.dialects.mssql.pyodbc import MSDialect_pyodbc
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.schema import CreateTable

from runbook.journal import schema
from runbook.journal.reading import RUN_IDS, select_rows
from runbook.journal.statements import Statements

MAXDOP = shutil.which("maxdop", path=str(Path(sys.executable).parent)) or shutil.which("maxdop")
DIALECTS: dict[str, Dialect] = {
    "sqlite": SQLiteDialect_pysqlite(),
    "postgres": PGDialect_psycopg(),
    "tsql": MSDialect_pyodbc(paramstyle="qmark"),
}
SENT = {
    "add_row": ("r", 1, "at", "kind", "step", "actor", 0, "{}", "p", "h"),
    "begin_head": ("r", 1, "h", 0),
    "move_head": (2, "h2", "r", 1),
    "move_head_fenced": (2, "h2", "r", 1, 7),
    "find_head": ("r",),
    "find_hash": ("r", 1),
    "raise_fence": (2, "r", 2),
    "find_lease": ("r",),
    "add_lease": ("r", "owner", "host", 1, "token", 2, "at", 15.0, 0),
    "change_lease": ("owner", "host", 1, "token", 2, "at", 15.0, 0, "r", 1, "before", 0),
    "beat": ("at", 0, "r", 1),
}


class Noted:
    """A cursor that keeps what it is asked to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def execute(self, text: str, values: Any = ()) -> None:
        """Keep it."""
        self.sent.append((text, values))

    def fetchall(self) -> list[Any]:
        """Nothing."""
        return []


def statements(dialect: str) -> list[str]:
    """All that the journal sends while a run is under way."""
    cursor, prepared = Noted(), Statements(DIALECTS[dialect])
    for name, values in SENT.items():
        getattr(prepared, name)(cursor, *values)
    for without in ((), ("note", "statement")):
        select_rows(cursor, "r", 0, without, DIALECTS[dialect].paramstyle)
    return [*(text for text, _ in cursor.sent), RUN_IDS]


def tables(dialect: str) -> list[str]:
    """The tables."""
    return [str(CreateTable(table).compile(dialect=DIALECTS[dialect])) for table in schema.metadata.sorted_tables]


def triggers(dialect: str) -> list[str]:
    """What refuses changes, as it is sent after the table is made."""
    sent: list[str] = []
    for ddl in schema.events.dispatch.after_create:
        text, wanted = ddl.statement, ddl._ddl_if.dialect  # type: ignore[attr-defined]
        if wanted == DIALECTS[dialect].name:
            sent.append(text)
    return sent


def test_every_prepared_statement_is_looked_at() -> None:
    """A new one comes with values here, or this fails."""
    assert set(vars(Statements(DIALECTS["sqlite"]))) == set(SENT)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_values_reach_the_columns_they_are_meant_for(dialect: str) -> None:
    """Whatever way the driver of that database takes its parameters."""
    cursor = Noted()
    Statements(DIALECTS[dialect]).move_head_fenced(cursor, 2, "h2", "r", 1, 7)
    text, values = cursor.sent[0]
    given = list(values.values()) if isinstance(values, dict) else list(values)
    assert given == [2, "h2", "r", 1, 7]
    order = [text.index(f"{name}") for name in ("SET n", "row_hash=", "run_id =", "runbook_head.n =", "fence =")]
    assert order == sorted(order)


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_statements_and_tables_parse(dialect: str) -> None:
    """By a parser of that dialect."""
    for text in (*statements(dialect), *tables(dialect)):
        sqlglot.parse_one(_bare(text), dialect=dialect)


@pytest.mark.skipif(MAXDOP is None, reason="maxdop is not installed")
@pytest.mark.parametrize("version", ["2016", "2025"])
def test_microsofts_parser_takes_all_of_it(version: str) -> None:
    """Statements, tables and triggers."""
    batches = "\nGO\n".join(_bare(text) for text in (*statements("tsql"), *tables("tsql"), *triggers("tsql")))
    command = [str(MAXDOP), "--parser-version", version]
    result = subprocess.run(command, input=f"{batches}\nGO\n", capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("dialect", DIALECTS)
def test_changes_are_refused_in_every_database(dialect: str) -> None:
    """A trigger for UPDATE and one for DELETE."""
    found = triggers(dialect)
    assert [verb for verb in ("UPDATE", "DELETE") for text in found if f" {verb} " in text] == ["UPDATE", "DELETE"]


def test_text_is_unicode_on_sql_server() -> None:
    """Names of servers, steps and people, and bodies of any length."""
    made = tables("tsql")[0]
    assert "body NVARCHAR(max)" in made
    assert "actor NVARCHAR(256)" in made
    assert "step_id NVARCHAR(256)" in made


def _bare(text: str) -> str:
    """With numbers for parameters, which parsers do not know."""
    for mark in ("?", "%s"):
        text = text.replace(mark, "1")
    while "%(" in text:
        start = text.index("%(")
        text = text[:start] + "1" + text[text.index(")s", start) + 2 :]
    return text
