"""Throwaway servers of a rehearsal: what they hold, and what must not change by itself meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from runbook.adapters.sqlserver.tsql.quoting import name, number, two_part

AS_BYTES = frozenset({"geography", "geometry", "hierarchyid"})
AS_TEXT = frozenset({"sql_variant", "xml", "json", "vector"})
TEXTS = frozenset({"char", "nchar", "varchar", "nvarchar"})
NUMBERS = frozenset(
    {"bit", "tinyint", "smallint", "int", "bigint", "decimal", "numeric", "money", "smallmoney", "float"}
)


def machine() -> str:
    """The machine that Windows accounts of its own are named after."""
    return "SELECT CAST(SERVERPROPERTY('MachineName') AS nvarchar(128)) AS machine"


def every_row(table: tuple[str, str], columns: Sequence[tuple[str, str]]) -> str:
    """All of a table, as values that every driver reads."""
    listed = ", ".join(_readable(column, kind) for column, kind in columns) or "1 AS one"
    return f"SELECT {listed} FROM {two_part(table)}"


def _readable(column: str, kind: str) -> str:
    if kind in AS_BYTES:
        return f"CAST({name(column)} AS varbinary(max))"
    return f"CAST({name(column)} AS nvarchar(max))" if kind in AS_TEXT else name(column)


def another_value(table: tuple[str, str], column: tuple[str, str]) -> str:
    """One row gets another value in that column, and the number of rows that did is answered; empty for a column of
    a type for which there is no such statement."""
    kind, what = column[1].partition("(")[0], name(column[0])
    if kind not in TEXTS | NUMBERS:
        return ""
    one, other = ("N'~'", "N'!'") if kind in TEXTS else ("0", "1")
    changed = f"CASE WHEN {what} = {one} THEN {other} ELSE {one} END"
    update = f"UPDATE TOP (1) {two_part(table)} SET {what} = {changed} WHERE {what} IS NOT NULL"
    return f"{update};\nSELECT @@ROWCOUNT AS changed"


def more_rows(place: int, table: tuple[str, str], columns: Sequence[tuple[str, str]], doublings: int) -> str:
    """A table of its own with the same columns, filled from the given one, its rows doubled so many times."""
    own, names = two_part(("dbo", f"runbook_grown_{number(place)}")), ", ".join(name(column) for column, _ in columns)
    made = ", ".join(f"{name(column)} {_plain(kind)} NULL" for column, kind in columns)
    fill = f"INSERT INTO {own} ({names}) SELECT {names} FROM {two_part(table)}"
    double = f"INSERT INTO {own} ({names}) SELECT {names} FROM {own}"
    return ";\n".join([f"CREATE TABLE {own} ({made})", fill, *[double] * doublings])


def _plain(kind: str) -> str:
    """A type whose values can be given: the server makes those of ``timestamp`` itself."""
    return "binary(8)" if kind in {"timestamp", "rowversion"} else kind


def schedules() -> str:
    """Schedules that start jobs by themselves."""
    return "SELECT s.schedule_id FROM msdb.dbo.sysschedules AS s WHERE s.enabled = 1"


def still(schedule_id: int) -> str:
    """Let no job begin by that schedule any more; the job stays as it is."""
    return f"EXEC msdb.dbo.sp_update_schedule @schedule_id = {number(schedule_id)}, @enabled = 0"
