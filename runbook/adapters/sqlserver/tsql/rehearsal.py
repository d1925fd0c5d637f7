"""Throwaway servers of a rehearsal: what they hold, and what must not change by itself meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from runbook.adapters.sqlserver.tsql.quoting import name, number, two_part

AS_BYTES = frozenset({"geography", "geometry", "hierarchyid"})
AS_TEXT = frozenset({"sql_variant", "xml", "json", "vector"})


def every_row(table: tuple[str, str], columns: Sequence[tuple[str, str]]) -> str:
    """All of a table, as values that every driver reads."""
    listed = ", ".join(_readable(column, kind) for column, kind in columns) or "1 AS one"
    return f"SELECT {listed} FROM {two_part(table)}"


def _readable(column: str, kind: str) -> str:
    if kind in AS_BYTES:
        return f"CAST({name(column)} AS varbinary(max))"
    return f"CAST({name(column)} AS nvarchar(max))" if kind in AS_TEXT else name(column)


def schedules() -> str:
    """Schedules that start jobs by themselves."""
    return "SELECT s.schedule_id FROM msdb.dbo.sysschedules AS s WHERE s.enabled = 1"


def still(schedule_id: int) -> str:
    """Let no job begin by that schedule any more; the job stays as it is."""
    return f"EXEC msdb.dbo.sp_update_schedule @schedule_id = {number(schedule_id)}, @enabled = 0"
