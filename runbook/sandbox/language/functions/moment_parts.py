"""Functions that build dates, test them, and move them between zones."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.functions.moments import UNITS, add_months, date_part, local, moment_argument
from runbook.sandbox.language.functions.registry import check_count, handler, scalar
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import convert as values
from runbook.sandbox.language.values import dates

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder


def _bad(name: str) -> SqlError:
    return SqlError(289, f"Cannot construct data type {name}, some of the arguments have values which are not valid.")


def _from_parts(name: str, year: int, month: int, day: int, ticks: int) -> int:
    try:
        return dates.day_ticks(year, month, day) + ticks
    except ValueError:
        raise _bad(name) from None


def _clock(name: str, hour: int, minute: int, second: int, ticks: int) -> int:
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60 and 0 <= ticks < dates.SECOND):
        raise _bad(name)
    return hour * dates.HOUR + minute * dates.MINUTE + second * dates.SECOND + ticks


def _datetime_parts(y: int, m: int, d: int, h: int, mi: int, s: int, ms: int) -> int:
    return dates.round_datetime(_from_parts("datetime", y, m, d, _clock("datetime", h, mi, s, ms * 10_000)))


scalar("DATEFROMPARTS", [t.INT] * 3, t.DATE, lambda y, m, d: _from_parts("date", y, m, d, 0))
scalar("DATETIMEFROMPARTS", [t.INT] * 7, t.DATETIME, _datetime_parts)
scalar(
    "SMALLDATETIMEFROMPARTS",
    [t.INT] * 5,
    SqlType("smalldatetime"),
    lambda y, m, d, h, mi: _from_parts("smalldatetime", y, m, d, _clock("smalldatetime", h, mi, 0, 0)),
)


def _scaled(args: list[Bound], name: str) -> SqlType:
    return SqlType(name, None, None, args[-1].const if args[-1].is_const else 7)


scalar(
    "DATETIME2FROMPARTS",
    [t.INT] * 8,
    lambda a: _scaled(a, "datetime2"),
    lambda y, m, d, h, mi, s, f, p: _from_parts("datetime2", y, m, d, _clock("datetime2", h, mi, s, f * 10 ** (7 - p))),
)
scalar(
    "TIMEFROMPARTS",
    [t.INT] * 5,
    lambda a: _scaled(a, "time"),
    lambda h, mi, s, f, p: _clock("time", h, mi, s, f * 10 ** (7 - p)),
)


def _end_of_month(ticks: int, months: int = 0) -> int:
    moved = date.fromordinal(add_months(ticks // dates.DAY * dates.DAY, months) // dates.DAY + 1)
    return dates.day_ticks(moved.year, moved.month, calendar.monthrange(moved.year, moved.month)[1])


scalar("EOMONTH", [t.DATE, t.INT], t.DATE, _end_of_month, least=1)


def _is_date(text: str) -> int:
    try:
        values.cast_value(text, t.VARCHAR_MAX, t.DATETIME)
    except SqlError:
        return 0
    return 1


scalar("ISDATE", ["string"], t.INT, _is_date)


def _minutes(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    hours, _, minutes = text.lstrip("+-").partition(":")
    try:
        return sign * (int(hours) * 60 + int(minutes or 0))
    except ValueError:
        raise SqlError(9812, "The timezone provided to builtin function switchoffset is invalid.") from None


def _zone(kind: SqlType) -> Callable[[Any], int]:
    return _minutes if kind.name in t.STRINGS else int


@handler("SWITCHOFFSET", "TODATETIMEOFFSET")
def _bind_offset(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count(node.builtin, len(node.args), 2, 2)
    switch = node.builtin == "SWITCHOFFSET"
    moment, zone = binder.value(node.args[0], scope), binder.value(node.args[1], scope)
    moment = convert(
        moment, moment.type if moment.type.name == "datetimeoffset" else (t.DATETIMEOFFSET if switch else t.DATETIME2)
    )
    read = _zone(zone.type)

    def move(value: Any, to: Any) -> str:
        if switch:
            return dates.join_offset(dates.split_offset(value)[0], read(to))
        minutes = read(to)
        return dates.join_offset(local(moment.type)(value) - minutes * dates.MINUTE, minutes)

    key = specs.intern((node.builtin, moment.type, zone.type), lambda: move)
    kind = SqlType("datetimeoffset", None, None, moment.type.scale or 7)
    return Bound(f"_n({key},{moment.sql},{zone.sql})", kind)


def _truncate(part: str, ticks: int) -> int:
    if part in UNITS and part not in ("week", "dayofyear", "weekday"):
        return ticks // UNITS[part] * UNITS[part]
    day = date.fromordinal(ticks // dates.DAY + 1)
    if part in ("week", "iso_week"):
        shift = day.isoweekday() % 7 if part == "week" else day.isoweekday() - 1
        return (ticks // dates.DAY - shift) * dates.DAY
    month = {"year": 1, "quarter": (day.month - 1) // 3 * 3 + 1, "month": day.month}.get(part)
    return ticks // dates.DAY * dates.DAY if month is None else dates.day_ticks(day.year, month, 1)


@handler("DATETRUNC")
def _bind_trunc(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("DATETRUNC", len(node.args), 2, 2)
    part, moment = date_part(node.args[0], "DATETRUNC"), moment_argument(binder, node.args[1], scope)
    if moment.type.name == "datetimeoffset":
        raise unsupported("DATETRUNC of datetimeoffset")
    key = specs.intern(("datetrunc", part), lambda: lambda v: _truncate(part, v))
    return Bound(f"_c({key},{moment.sql})", moment.type, moment.nullable)
