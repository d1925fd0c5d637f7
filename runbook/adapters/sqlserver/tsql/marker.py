"""The marker of a run on an instance: one row in msdb.

msdb, because it is on every instance, is kept over restarts and over an upgrade of the engine, is no user database
that a run restores, fences or drops, and because what is in it about backups and jobs is of the same kind. tempdb
would forget, master is nobody's place for tables. A table and no extended property, because a row is changed under a
condition in one statement. Only a member of sysadmin gets here, as a run does for all the rest.
"""

from __future__ import annotations

from runbook.adapters.sqlserver.tsql.quoting import literal, number

TABLE = "msdb.dbo.runbook_marker"
COLUMNS = "run_id, owner, fence, position, row_hash"


def read() -> str:
    """The marker; no result set where there is no table."""
    return (
        f"IF OBJECT_ID({literal(TABLE)}, N'U') IS NOT NULL\n"
        "    SELECT m.run_id, m.owner, m.fence, m.position, m.row_hash, CAST(m.ended AS int) AS ended, m.behind\n"
        f"    FROM {TABLE} AS m"
    )


def create() -> str:
    """Make the table where there is none; it has room for one row."""
    return (
        f"IF OBJECT_ID({literal(TABLE)}, N'U') IS NULL\n"
        f"    CREATE TABLE {TABLE} (\n"
        "        slot tinyint NOT NULL CONSTRAINT runbook_marker_one PRIMARY KEY CHECK (slot = 1),\n"
        "        run_id varchar(64) NOT NULL,\n"
        "        owner nvarchar(256) NOT NULL,\n"
        "        fence bigint NOT NULL,\n"
        "        position bigint NOT NULL,\n"
        "        row_hash varchar(64) NOT NULL,\n"
        "        ended bit NOT NULL,\n"
        "        behind bigint NOT NULL CONSTRAINT runbook_marker_behind DEFAULT 0,\n"
        "        since_utc datetime2(3) NOT NULL CONSTRAINT runbook_marker_since DEFAULT SYSUTCDATETIME()\n"
        "    )"
    )


def put(run_id: str, owner: str, fence: int, position: int, row_hash: str) -> str:
    """Put the first marker; ``changed`` 0 when somebody else did."""
    values = f"{literal(run_id)}, {literal(owner)}, {number(fence)}, {number(position)}, {literal(row_hash)}"
    return (
        f"INSERT INTO {TABLE} (slot, {COLUMNS}, ended)\n"
        f"SELECT 1, {values}, 0\n"
        f"WHERE NOT EXISTS (SELECT 1 FROM {TABLE} AS m WITH (UPDLOCK, HOLDLOCK));\n"
        "SELECT @@ROWCOUNT AS changed"
    )


def replace(instead_of: tuple[str, int, str], run_id: str, owner: str, fence: int, position: int, row_hash: str) -> str:
    """Put another marker in place of the one with that run, fencing number and hash; ``changed`` 0 when it is gone."""
    old_run, old_fence, old_hash = instead_of
    return (
        f"UPDATE {TABLE} SET run_id = {literal(run_id)}, owner = {literal(owner)}, fence = {number(fence)},\n"
        f"    position = {number(position)}, row_hash = {literal(row_hash)}, ended = 0, behind = 0,\n"
        "    since_utc = SYSUTCDATETIME()\n"
        f"WHERE run_id = {literal(old_run)} AND fence = {number(old_fence)} AND row_hash = {literal(old_hash)};\n"
        "SELECT @@ROWCOUNT AS changed"
    )


def lag(run_id: str, fence: int, newest: int) -> str:
    """The copy of the journal may lack rows up to that number."""
    return (
        f"UPDATE {TABLE} SET behind = {number(newest)}\n"
        f"WHERE run_id = {literal(run_id)} AND fence = {number(fence)} AND behind < {number(newest)}"
    )


def end(run_id: str, fence: int) -> str:
    """Keep it as the one of a run that has ended."""
    return (
        f"IF OBJECT_ID({literal(TABLE)}, N'U') IS NOT NULL\n"
        f"    UPDATE {TABLE} SET ended = 1 WHERE run_id = {literal(run_id)} AND fence <= {number(fence)}"
    )


def remove(run_id: str, fence: int) -> str:
    """Leave msdb as it was: take the row away, and the table when it is empty then."""
    return (
        f"IF OBJECT_ID({literal(TABLE)}, N'U') IS NOT NULL\n"
        "BEGIN\n"
        "    BEGIN TRANSACTION;\n"
        f"    DELETE FROM {TABLE} WITH (TABLOCKX, HOLDLOCK)\n"
        f"    WHERE run_id = {literal(run_id)} AND fence <= {number(fence)};\n"
        f"    IF NOT EXISTS (SELECT 1 FROM {TABLE}) DROP TABLE {TABLE};\n"
        "    COMMIT TRANSACTION;\n"
        "END"
    )


def clear(run_id: str) -> str:
    """What a person runs when nobody will ever give the instance back."""
    return f"DELETE FROM {TABLE} WHERE run_id = {literal(run_id)}"
