"""Between physical values and the Python objects of the contract."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

from runbook.sandbox.contract import SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.values import binary, dates, numbers


def _moment(ticks: int) -> datetime:
    days, rest = divmod(ticks, dates.DAY)
    seconds, fraction = divmod(rest, dates.SECOND)
    day = date.fromordinal(days + 1)
    clock = time(seconds // 3600, seconds // 60 % 60, seconds % 60, fraction // 10)
    return datetime.combine(day, clock)


def _exact_moment(ticks: int) -> datetime | str:
    return dates.iso(ticks, 7, "T") if ticks % 10 else _moment(ticks)


def _clock(ticks: int) -> time | str:
    if ticks % 10:
        return dates.clock(ticks, 7)
    seconds, fraction = divmod(ticks, dates.SECOND)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60, fraction // 10)


def _offset(stored: str) -> str:
    utc, minutes = dates.split_offset(stored)
    return dates.iso(utc + minutes * dates.MINUTE, 7, "T") + dates.offset_text(minutes)


@lru_cache(maxsize=1024)
def to_wire(kind: SqlType) -> Callable[[Any], Any] | None:
    """A function for values that are not NULL, or None when they travel as they are."""
    name = kind.name
    if name == "bit":
        return bool
    if name in t.DECIMALS or name in t.MONEY:
        scale, exact = t.scale_of(kind), numbers.EXACT
        if t.is_wide(kind):
            return lambda v: Decimal(numbers.decode(v)).scaleb(-scale, exact)
        return (lambda v: Decimal(v).scaleb(-scale, exact)) if scale else Decimal
    found: dict[str, Callable[[Any], Any]] = {
        "date": lambda v: date.fromordinal(v // dates.DAY + 1),
        "datetime": lambda v: _moment((v + 5_000) // 10_000 * 10_000),
        "smalldatetime": _moment,
        "datetime2": _exact_moment,
        "time": _clock,
        "datetimeoffset": _offset,
        "uniqueidentifier": uuid.UUID,
    }
    return found.get(name)


def _number(kind: SqlType) -> Callable[[Any], Any]:
    if kind.name in t.INTEGERS:
        return int
    if kind.name == "real":
        return single
    if kind.name == "float":
        return float
    scale, wide = t.scale_of(kind), t.is_wide(kind)

    def convert(value: Any) -> Any:
        scaled = numbers.from_decimal(value if isinstance(value, Decimal) else Decimal(str(value)), scale)
        return numbers.encode(scaled) if wide else scaled

    return convert


def single(value: float) -> float:
    """Rounded to the four bytes of real."""
    try:
        found: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        raise numbers.overflow("expression", "real") from None
    return found


def ticks_of(value: Any) -> int:
    """Ticks of a date, time or datetime, or of an ISO string."""
    if isinstance(value, datetime):
        rest = (value.hour * 3600 + value.minute * 60 + value.second) * dates.SECOND + value.microsecond * 10
        return (value.toordinal() - 1) * dates.DAY + rest
    if isinstance(value, date):
        return (value.toordinal() - 1) * dates.DAY
    if isinstance(value, time):
        return (value.hour * 3600 + value.minute * 60 + value.second) * dates.SECOND + value.microsecond * 10
    day, clock, _ = dates.parse(value)
    return (day or 0) + (clock or 0)


def _offset_in(value: Any) -> str:
    if isinstance(value, datetime):
        delta = value.utcoffset()
        minutes = int(delta.total_seconds() // 60) if delta is not None else 0
        return dates.join_offset(ticks_of(value) - minutes * dates.MINUTE, minutes)
    day, clock, offset = dates.parse(value)
    minutes = offset or 0
    return dates.join_offset((day or 0) + (clock or 0) - minutes * dates.MINUTE, minutes)


def _dated(kind: SqlType) -> Callable[[Any], Any]:
    if kind.name == "datetimeoffset":
        return _offset_in
    if kind.name == "datetime":
        return lambda v: dates.round_datetime(ticks_of(v))
    if kind.name == "smalldatetime":
        return lambda v: dates.round_small(ticks_of(v))
    if kind.name == "date":
        return lambda v: ticks_of(v) // dates.DAY * dates.DAY
    scale = 7 if kind.scale is None else kind.scale
    return lambda v: dates.round_ticks(ticks_of(v), scale)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


@lru_cache(maxsize=1024)
def from_wire(kind: SqlType) -> Callable[[Any], Any]:
    """A function from a Python value of this type (not NULL) to the physical one."""
    name = kind.name
    if name in t.NUMBERS:
        return _number(kind)
    if name in t.DATES:
        return _dated(kind)
    if name == "uniqueidentifier":
        return lambda v: str(v).upper()
    if name in t.N_STRINGS or name == "xml":
        return _text
    if name in t.STRINGS:
        return lambda v: binary.ansi(_text(v))
    if name in t.BINARIES:
        return bytes
    return _variant


def _variant(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value
