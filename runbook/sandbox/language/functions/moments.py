"""Date and time functions."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.functions.registry import check_count, current, handler
from runbook.sandbox.language.values import convert as values
from runbook.sandbox.language.values import dates, wire

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder

_PARTS = {
    "year": ("yy", "yyyy"),
    "quarter": ("qq", "q"),
    "month": ("mm", "m"),
    "dayofyear": ("dy", "y"),
    "day": ("dd", "d"),
    "week": ("wk", "ww"),
    "weekday": ("dw", "w"),
    "hour": ("hh",),
    "minute": ("mi", "n"),
    "second": ("ss", "s"),
    "millisecond": ("ms",),
    "microsecond": ("mcs",),
    "nanosecond": ("ns",),
    "tzoffset": ("tz",),
    "iso_week": ("isowk", "isoww"),
}
PARTS = {alias: part for part, aliases in _PARTS.items() for alias in (part, *aliases)}
UNITS = {
    "week": 7 * dates.DAY,
    "day": dates.DAY,
    "dayofyear": dates.DAY,
    "weekday": dates.DAY,
    "hour": dates.HOUR,
    "minute": dates.MINUTE,
    "second": dates.SECOND,
    "millisecond": 10_000,
    "microsecond": 10,
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def now_utc() -> int:
    """Ticks of the present in UTC; this machine's clock is taken to stand in UTC."""
    return wire.ticks_of(datetime.now(UTC).replace(tzinfo=None))


current("GETDATE", t.DATETIME, lambda frame: dates.round_datetime(frame.now()), nullable=False)
current("GETUTCDATE", t.DATETIME, lambda frame: dates.round_datetime(frame.now()), nullable=False)
current("CURRENT_TIMESTAMP", t.DATETIME, lambda frame: dates.round_datetime(frame.now()), nullable=False)
current("SYSDATETIME", t.DATETIME2, lambda frame: frame.now(), nullable=False)
current("SYSUTCDATETIME", t.DATETIME2, lambda frame: frame.now(), nullable=False)
current("SYSDATETIMEOFFSET", t.DATETIMEOFFSET, lambda frame: dates.join_offset(frame.now(), 0), nullable=False)
current("CURRENT_DATE", t.DATE, lambda frame: frame.now() // dates.DAY * dates.DAY, nullable=False)


def date_part(node: n.Node, function: str) -> str:
    """The canonical name of a date part; error 155."""
    if isinstance(node, n.Name) and len(node.parts) == 1:
        found = PARTS.get(node.parts[0].lower())
        if found is not None:
            return found
        raise SqlError(155, f"'{node.parts[0]}' is not a recognized {function.lower()} option.", 15)
    raise SqlError(1023, f"Invalid parameter 1 specified for {function.lower()}.", 15)


def moment_argument(binder: FunctionBinder, node: n.Node, scope: Scope, strings_as: SqlType = t.DATETIME2) -> Bound:
    """An argument as a moment."""
    bound = binder.value(node, scope)
    family = t.family(bound.type)
    if family == "string":
        return convert(bound, strings_as)
    if family != "date" or bound.is_null:
        return convert(bound, t.DATETIME)
    return bound


def local(kind: SqlType) -> Callable[[Any], int]:
    """From a moment to its local ticks."""
    if kind.name != "datetimeoffset":
        return int

    def read(stored: str) -> int:
        utc, offset = dates.split_offset(stored)
        return utc + offset * dates.MINUTE

    return read


# --- DATEADD -----------------------------------------------------------------------------------------------


def add_months(ticks: int, months: int) -> int:
    """The same day some months on, or the last one of that month."""
    day = date.fromordinal(ticks // dates.DAY + 1)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    last = calendar.monthrange(year, month + 1)[1]
    return dates.day_ticks(year, month + 1, min(day.day, last)) + ticks % dates.DAY


def _moved(part: str, count: int, ticks: int) -> int:
    if part in ("year", "quarter", "month"):
        return add_months(ticks, count * {"year": 12, "quarter": 3, "month": 1}[part])
    if part == "nanosecond":
        return ticks + round(count / 100)
    return ticks + count * UNITS[part]


def _adder(part: str, kind: SqlType) -> Callable[[int, Any], Any]:
    add = _offset_adder(part, kind) if kind.name == "datetimeoffset" else _plain_adder(part, kind)

    def added(count: int, value: Any) -> Any:
        try:
            return add(count, value)
        except (OverflowError, ValueError):
            raise SqlError(517, f"Adding a value to a '{kind.name}' column caused an overflow.") from None

    return added


def _offset_adder(part: str, kind: SqlType) -> Callable[[int, str], str]:
    def add(count: int, value: str) -> str:
        utc, offset = dates.split_offset(value)
        moved = _moved(part, count, utc + offset * dates.MINUTE) - offset * dates.MINUTE
        return dates.join_offset(dates.round_ticks(moved, kind.scale or 0), offset)

    return add


def _plain_adder(part: str, kind: SqlType) -> Callable[[int, int], int]:
    finish = values.converter(t.DATETIME2, kind) or values.identity
    lowest = dates.MIN_DATETIME if kind.name == "datetime" else 0

    def add(count: int, value: int) -> int:
        moved = _moved(part, count, value)
        if kind.name == "time":
            return moved % dates.DAY
        if not lowest <= moved < dates.END:
            raise OverflowError
        return int(finish(moved))

    return add


@handler("DATEADD")
def _dateadd(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("DATEADD", len(node.args), 3, 3)
    part = date_part(node.args[0], "DATEADD")
    if part in ("tzoffset", "iso_week"):
        raise SqlError(155, f"'{part}' is not a recognized dateadd option.", 15)
    count = binder.value(node.args[1], scope)
    if count.type.name not in ("int", "bigint"):
        count = convert(count, t.INT)
    moment = moment_argument(binder, node.args[2], scope, t.DATETIME)
    kind = moment.type
    if (kind.name == "date" and part in ("hour", "minute", "second", "millisecond", "microsecond", "nanosecond")) or (
        kind.name == "time" and UNITS.get(part, dates.DAY) >= dates.DAY and part != "nanosecond"
    ):
        raise SqlError(
            9810, f"The datepart {part} is not supported by date function dateadd for data type {kind.name}."
        )
    key = specs.intern(("dateadd", part, kind), lambda: _adder(part, kind))
    heavy = count.is_heavy or moment.is_heavy
    return Bound(f"_n({key},{count.sql},{moment.sql})", kind, count.nullable or moment.nullable, is_heavy=heavy)


# --- DATEDIFF ----------------------------------------------------------------------------------------------


def _months(ticks: int) -> int:
    day = date.fromordinal(ticks // dates.DAY + 1)
    return day.year * 12 + day.month - 1


def _boundaries(part: str, start: int, end: int) -> int:
    if part in ("year", "quarter", "month"):
        unit = {"year": 12, "quarter": 3, "month": 1}[part]
        return _months(end) // unit - _months(start) // unit
    if part == "week":
        return (end // dates.DAY + 1) // 7 - (start // dates.DAY + 1) // 7
    if part == "nanosecond":
        return (end - start) * 100
    unit = UNITS[part]
    return end // unit - start // unit


def _differ(part: str, left: SqlType, right: SqlType, *, big: bool) -> Callable[[Any, Any], int]:
    read_left, read_right = local(left), local(right)
    zoned = "datetimeoffset" in (left.name, right.name)

    def utc(value: Any, read: Callable[[Any], int]) -> int:
        return dates.split_offset(value)[0] if zoned and isinstance(value, str) else read(value)

    def diff(start: Any, end: Any) -> int:
        found = _boundaries(part, utc(start, read_left), utc(end, read_right))
        if not big and not -(2**31) <= found < 2**31:
            raise SqlError(
                535,
                "The datediff function resulted in an overflow. The number of dateparts separating two date/time "
                "instances is too large. Try to use datediff with a less precise datepart.",
            )
        return found

    return diff


@handler("DATEDIFF", "DATEDIFF_BIG")
def _datediff(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count(node.builtin, len(node.args), 3, 3)
    part, big = date_part(node.args[0], node.builtin), node.builtin.endswith("BIG")
    if part in ("tzoffset", "iso_week"):
        raise SqlError(155, f"'{part}' is not a recognized datediff option.", 15)
    start, end = (_shifted(moment_argument(binder, a, scope)) for a in node.args[1:])
    key = specs.intern(
        ("datediff", part, start.type, end.type, big), lambda: _differ(part, start.type, end.type, big=big)
    )
    nullable = start.nullable or end.nullable
    return Bound(f"_n({key},{start.sql},{end.sql})", t.BIGINT if big else t.INT, nullable)


def _shifted(bound: Bound) -> Bound:
    return convert(bound, t.DATETIME2) if bound.type.name == "time" else bound


# --- DATEPART, DATENAME ------------------------------------------------------------------------------------


def part_of(part: str, ticks: int, first_day: int = 7) -> int:
    """One part of a moment; ``first_day`` is DATEFIRST."""
    clock = ticks % dates.DAY
    simple = {
        "hour": clock // dates.HOUR,
        "minute": clock // dates.MINUTE % 60,
        "second": clock // dates.SECOND % 60,
        "millisecond": clock % dates.SECOND // 10_000,
        "microsecond": clock % dates.SECOND // 10,
        "nanosecond": clock % dates.SECOND * 100,
    }
    if part in simple:
        return simple[part]
    day = date.fromordinal(ticks // dates.DAY + 1)
    if part == "weekday":
        return (day.isoweekday() - first_day) % 7 + 1
    if part == "week":
        first = date(day.year, 1, 1)
        return (day.timetuple().tm_yday + (first.isoweekday() - first_day) % 7 - 1) // 7 + 1
    found = {
        "year": day.year,
        "quarter": (day.month + 2) // 3,
        "month": day.month,
        "day": day.day,
        "dayofyear": day.timetuple().tm_yday,
        "iso_week": day.isocalendar()[1],
    }
    return found[part]


def _part_reader(part: str, kind: SqlType) -> Callable[[Any], int]:
    if part == "tzoffset":
        return lambda v: dates.split_offset(v)[1] if isinstance(v, str) else 0
    read = local(kind)
    return lambda v: part_of(part, read(v))


def _datepart(binder: FunctionBinder, part: str, node: n.Node, scope: Scope) -> Bound:
    moment = moment_argument(binder, node, scope)
    key = specs.intern(("datepart", part, moment.type), lambda: _part_reader(part, moment.type))
    return Bound(f"_c({key},{moment.sql})", t.INT, moment.nullable, is_heavy=moment.is_heavy)


@handler("DATEPART")
def _bind_datepart(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("DATEPART", len(node.args), 2, 2)
    return _datepart(binder, date_part(node.args[0], "DATEPART"), node.args[1], scope)


@handler("YEAR", "MONTH", "DAY")
def _bind_year(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count(node.builtin, len(node.args), 1, 1)
    return _datepart(binder, node.builtin.lower(), node.args[0], scope)


def _namer(part: str, kind: SqlType) -> Callable[[Any], str]:
    read = local(kind)

    def name(value: Any) -> str:
        if part == "month":
            return dates.FULL_MONTHS[part_of("month", read(value)) - 1]
        if part == "weekday":
            return WEEKDAYS[date.fromordinal(read(value) // dates.DAY + 1).weekday()]
        if part == "tzoffset":
            return dates.offset_text(dates.split_offset(value)[1] if isinstance(value, str) else 0)
        return str(part_of(part, read(value)))

    return name


@handler("DATENAME")
def _bind_datename(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("DATENAME", len(node.args), 2, 2)
    part, moment = date_part(node.args[0], "DATENAME"), moment_argument(binder, node.args[1], scope)
    key = specs.intern(("datename", part, moment.type), lambda: _namer(part, moment.type))
    return Bound(f"_c({key},{moment.sql})", t.nvarchar(30), moment.nullable)
