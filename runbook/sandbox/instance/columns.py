"""Result columns written the way T-SQL writes them: ``"name nvarchar(128)"``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from runbook.sandbox.contract import Column, SqlType

Rows = tuple[Sequence[Column], list[tuple[Any, ...]]]
_SPEC = re.compile(r"(\S+) (\w+)(?:\((\w+)(?:,\s*(\d+))?\))?( not null)?$")


@cache
def columns(*specs: str) -> tuple[Column, ...]:
    """The columns of a list of ``name type [not null]``."""
    return tuple(_column(spec) for spec in specs)


def _column(spec: str) -> Column:
    found = _SPEC.match(spec)
    if found is None:
        raise ValueError(f"column {spec!r}")
    name, kind, first, second, not_null = found.groups()
    if kind == "sysname":
        kind, first = "nvarchar", "128"
    if kind in ("decimal", "numeric"):
        sql_type = SqlType(kind, precision=int(first or 18), scale=int(second or 0))
    elif kind in ("datetime2", "time", "datetimeoffset"):
        sql_type = SqlType(kind, scale=int(first or 7))
    elif first is not None:
        sql_type = SqlType(kind, length=-1 if first == "max" else int(first))
    else:
        sql_type = SqlType(kind)
    return Column(name, sql_type, nullable=not_null is None)


def table(specs: Sequence[str], dicts: Sequence[dict[str, Any]]) -> Rows:
    """Rows given as dictionaries, in the order of the columns; what a dictionary lacks is NULL."""
    shape = columns(*specs)
    names = [c.name for c in shape]
    return shape, [tuple(d.get(n) for n in names) for d in dicts]
