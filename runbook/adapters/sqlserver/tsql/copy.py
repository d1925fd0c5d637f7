"""The copy of a run's journal on its source server: a table in msdb beside the marker.

One row holds the rows of the journal that were sent together, one JSON object a line with the journal's own columns, so
that a night costs the server a few hundred short inserts. Rows are only ever added, and all rows of a run removed when
it has ended with nothing changed. After an upgrade they stay; ``DROP TABLE msdb.dbo.runbook_journal`` when they are no
longer wanted.
"""

from __future__ import annotations

from runbook.adapters.sqlserver.tsql import marker
from runbook.adapters.sqlserver.tsql.parameters import Call, with_values
from runbook.adapters.sqlserver.tsql.quoting import literal

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


def add(run_id: str, first: int, last: int, last_hash: str, lines: str, held_by: int | None = None) -> Call:
    """Add rows ``first`` to ``last``, unless one of them or a later one is there or the one before them is not; tell
    which is the last then.

    ``held_by``: only while the instance's marker names this run and that fencing number.
    """
    newer = f"SELECT 1 FROM {TABLE} AS k WHERE k.run_id = @run AND k.last_n >= @first"
    sql = (
        f"INSERT INTO {TABLE} (run_id, first_n, last_n, last_hash, lines)\n"
        "SELECT @run, @first, @last, @hash, @lines\n"
        f"WHERE NOT EXISTS ({newer}){_FOLLOWING if first > 1 else ''}{_WHILE_HELD if held_by is not None else ''};\n"
        f"{_newest('@run')}"
    )
    return with_values(sql, _TYPES, (run_id, first, last, last_hash, lines, held_by or 0))


_TYPES = {
    "@run": "varchar(64)",
    "@first": "bigint",
    "@last": "bigint",
    "@hash": "varchar(64)",
    "@lines": "nvarchar(max)",
    "@fence": "bigint",
}
_FOLLOWING = f"\n    AND EXISTS (SELECT 1 FROM {TABLE} AS p WHERE p.run_id = @run AND p.last_n = @first - 1)"
_WHILE_HELD = f"\n    AND EXISTS (SELECT 1 FROM {marker.TABLE} AS m WHERE m.run_id = @run AND m.fence = @fence)"


def newest(run_id: str) -> str:
    """Number and hash of the last row of a run; no result set where there is no table."""
    return _where_there_is_one(_newest(literal(run_id)))


def _newest(run_id: str) -> str:
    return f"SELECT TOP (1) k.last_n, k.last_hash FROM {TABLE} AS k\nWHERE k.run_id = {run_id} ORDER BY k.first_n DESC"


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
