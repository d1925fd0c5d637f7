"""Python values as T-SQL literals that every SQL Server reads alike, whatever its language and date format."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

Value: TypeAlias = bool | int | float | Decimal | str | bytes | date | datetime | time | UUID | None
"""What a generated column may hold. Dates finer than a millisecond are given as ISO text."""


def literal(value: Value) -> str:
    """One value as T-SQL.

    Floats always carry an exponent: without it the server would read a decimal and round on the way to float.
    """
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "N'" + value.replace("'", "''") + "'"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "e" in text else text + "e0"
    return _rare(value)


def _rare(value: Decimal | bytes | date | datetime | time | UUID) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, (datetime, time)):
        return f"'{value.isoformat(timespec='milliseconds')}'"
    return f"'{value}'"


def values(row: tuple[Value, ...]) -> str:
    """One row for INSERT ... VALUES."""
    return "(" + ", ".join([literal(value) for value in row]) + ")"
