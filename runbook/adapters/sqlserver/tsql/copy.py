"""The copy of a run's journal on its source server: a table in msdb beside the marker.

One row holds the rows of the journal that were sent together, one JSON object a line with the journal's own columns, so
that a night costs the server a few hundred short inserts. Rows are only ever added, and all rows of a run removed when
it has ended with nothing changed. After an upgrade they stay; ``DROP TABLE msdb.dbo.runbook_journal`` when they are no
longer wanted.
"""

from __future__ import annotations

from runbook.adapters.sqlserver.tsql import marker
from runbook.adapters.sqlserver.tsql.quoting import literal, long_text, number

TABLE = "msdb.dbo.runbook_journal"


def create() -> str:
    """Make the table where there is none."""
    return (
        f"IF OBJECT_ID({literal(TABLE)}, N'U') IS NULL\n"
        f"    CREATE TABLE {TABLE} (\n"
        "        run_id varchar(64) NOT NULL,\n"
        "        first_n bigint NOT NULL,\n"
        "        last_n bigint NOT NULL,\n"
        "        last_hash varchar(64) NOT NULL,\n"
        "        lines nvarchar(max) NOT NULL,\n"
        "        CONSTRAINT runbook_journal_key PRIMARY KEY (run_id, first_n)\n"
        "    )"
    )


def add(run_id: str, first: int, last: int, last_hash: str, lines: str, held_by: int | None = None) -> str:
    """Add rows ``first`` to ``last``, unless one of them or a later one is there or the one before them is not; tell
    which is the last then.

    ``held_by``: only while the instance's marker names this run and that fencing number.
    """
    values = f"{literal(run_id)}, {number(first)}, {number(last)}, {literal(last_hash)}, {long_text(lines)}"
    newer = f"SELECT 1 FROM {TABLE} AS k WHERE k.run_id = {literal(run_id)} AND k.last_n >= {number(first)}"
    return (
        f"INSERT INTO {TABLE} (run_id, first_n, last_n, last_hash, lines)\n"
        f"SELECT {values}\n"
        f"WHERE NOT EXISTS ({newer}){_following(run_id, first)}{_while_held(run_id, held_by)};\n"
        f"{_newest(run_id)}"
    )


def _following(run_id: str, first: int) -> str:
    if first == 1:
        return ""
    before = f"p.run_id = {literal(run_id)} AND p.last_n = {number(first - 1)}"
    return f"\n    AND EXISTS (SELECT 1 FROM {TABLE} AS p WHERE {before})"


def _while_held(run_id: str, fence: int | None) -> str:
    if fence is None:
        return ""
    mine = f"m.run_id = {literal(run_id)} AND m.fence = {number(fence)}"
    return f"\n    AND EXISTS (SELECT 1 FROM {marker.TABLE} AS m WHERE {mine})"


def newest(run_id: str) -> str:
    """Number and hash of the last row of a run; no result set where there is no table."""
    return _where_there_is_one(_newest(run_id))


def _newest(run_id: str) -> str:
    return (
        f"SELECT TOP (1) k.last_n, k.last_hash FROM {TABLE} AS k\nWHERE k.run_id = {literal(run_id)} "
        "ORDER BY k.first_n DESC"
    )


def lines(run_id: str) -> str:
    """All rows of a run."""
    return _where_there_is_one(
        f"SELECT k.lines FROM {TABLE} AS k WHERE k.run_id = {literal(run_id)} ORDER BY k.first_n"
    )


def run_ids() -> str:
    """The runs it has rows of."""
    return _where_there_is_one(f"SELECT DISTINCT k.run_id FROM {TABLE} AS k ORDER BY k.run_id")


def remove(run_id: str) -> str:
    """Leave msdb as it was: take the rows of the run away, and the table when it is empty then."""
    return (
        f"IF OBJECT_ID({literal(TABLE)}, N'U') IS NOT NULL\n"
        "BEGIN\n"
        "    BEGIN TRANSACTION;\n"
        f"    DELETE FROM {TABLE} WITH (TABLOCKX, HOLDLOCK) WHERE run_id = {literal(run_id)};\n"
        f"    IF NOT EXISTS (SELECT 1 FROM {TABLE}) DROP TABLE {TABLE};\n"
        "    COMMIT TRANSACTION;\n"
        "END"
    )


def _where_there_is_one(query: str) -> str:
    return f"IF OBJECT_ID({literal(TABLE)}, N'U') IS NOT NULL\n    {query}"
