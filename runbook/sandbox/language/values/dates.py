"""Dates as 100 ns ticks: parsing, formatting, rounding."""

from __future__ import annotations

import re
from datetime import date

from runbook.sandbox.contract import SqlError

SECOND = 10_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BASE_1900 = (date(1900, 1, 1).toordinal() - 1) * DAY
MIN_DATETIME = (date(1753, 1, 1).toordinal() - 1) * DAY
END_SMALL = (date(2079, 6, 7).toordinal() - 1) * DAY
_UNITS = (10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1)
END = date(9999, 12, 31).toordinal() * DAY
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FULL_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_MONTH = {name.lower(): i + 1 for i, name in enumerate(FULL_MONTHS)} | {n.lower(): i + 1 for i, n in enumerate(MONTHS)}

_TIME = re.compile(
    r"^(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:[.:](\d{1,9}))?)?)?\s*(am|pm)?\s*(?:([+-])(\d{1,2}):?(\d{2})|(z))?$", re.I
)
_DATES = (
    (re.compile(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$"), "ymd"),
    (re.compile(r"^(\d{4})(\d{2})(\d{2})$"), "ymd"),
    (re.compile(r"^(\d{2})(\d{2})(\d{2})$"), "ymd"),
    (re.compile(r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{2}|\d{4})$"), "mdy"),
    (re.compile(r"^([a-z]{3,9})\s+(\d{1,2}),?\s+(\d{4})$", re.I), "mdy"),
    (re.compile(r"^(\d{1,2})[-\s]+([a-z]{3,9})[-,\s]+(\d{4})$", re.I), "dmy"),
    (re.compile(r"^(\d{4})\s+([a-z]{3,9})\s+(\d{1,2})$", re.I), "ymd"),
)
_ORDERS = {
    101: "mdy",
    1: "mdy",
    103: "dmy",
    3: "dmy",
    104: "dmy",
    4: "dmy",
    105: "dmy",
    5: "dmy",
    110: "mdy",
    10: "mdy",
}


def bad_date() -> SqlError:
    """Error 241."""
    return SqlError(241, "Conversion failed when converting date and/or time from character string.")


def out_of_range(source: str, target: str) -> SqlError:
    """Error 242."""
    article = "an" if source[0] in "aeiou" else "a"
    return SqlError(
        242,
        f"The conversion of {article} {source} data type to a {target} data type resulted in an out-of-range value.",
        16,
        3,
    )


def day_ticks(year: int, month: int, day: int) -> int:
    """Ticks of a midnight; ValueError for no such day."""
    return (date(year, month, day).toordinal() - 1) * DAY


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    return 2000 + year if year < 50 else 1900 + year


def _parse_day(text: str, style: int) -> int | None:
    for pattern, order in _DATES:
        found = pattern.match(text)
        if found is None:
            continue
        is_written = order == "mdy" and found.group(1).isdigit()
        parts = dict(zip(_ORDERS.get(style, order) if is_written else order, found.groups(), strict=True))
        month = parts["m"]
        number = int(month) if month.isdigit() else _MONTH.get(month.lower(), 0)
        try:
            return day_ticks(_year(parts["y"]), number, int(parts["d"]))
        except ValueError:
            return -1
    return None


def _parse_time(text: str) -> tuple[int, int | None] | None:
    found = _TIME.match(text)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2] or 0), int(found[3] or 0)
    half = (found[5] or "").lower()
    if found[2] is None and not half:
        return None
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return (-1, None)
    fraction = found[4] or ""
    ticks = hour * HOUR + minute * MINUTE + second * SECOND
    if fraction:
        ticks += round(int(fraction) / 10 ** (len(fraction) - 7)) if len(fraction) > 7 else int(fraction.ljust(7, "0"))
    offset = None
    if found[9]:
        offset = 0
    elif found[6]:
        offset = (int(found[7]) * 60 + int(found[8])) * (-1 if found[6] == "-" else 1)
    return ticks, offset


def parse(text: str, style: int = 0) -> tuple[int | None, int | None, int | None]:
    """Day ticks, time ticks and offset in minutes of a date string; absent parts are None, a bad one is -1."""
    text = text.strip()
    if not text:
        return BASE_1900, 0, None
    day = _parse_day(text, style)
    if day is not None:
        return day, None, None
    alone = _parse_time(text)
    if alone is not None:
        return None, alone[0], alone[1]
    for separator in ("T", "t", " "):
        at = text.find(separator)
        while at > 0:
            day, rest = _parse_day(text[:at].rstrip(), style), _parse_time(text[at + 1 :].strip())
            if day is not None and rest is not None:
                return day, rest[0], rest[1]
            at = text.find(separator, at + 1)
    raise bad_date()


def split_offset(stored: str) -> tuple[int, int]:
    """UTC ticks and offset minutes of a stored datetimeoffset."""
    return int(stored[:19]), int(stored[19:])


def join_offset(utc: int, offset: int) -> str:
    """A datetimeoffset in its stored form."""
    if not 0 <= utc < END + DAY:
        raise SqlError(9813, "The timezone provided to builtin function would cause the datetimeoffset to overflow.")
    return f"{utc:019d}{offset:+05d}"


def round_ticks(ticks: int, scale: int) -> int:
    """Round to a number of fractional digits."""
    unit = _UNITS[scale]
    return (ticks + unit // 2) // unit * unit


def round_datetime(ticks: int) -> int:
    """Round to the 1/300 s of datetime."""
    day, rest = divmod(ticks, DAY)
    units = (rest * 300 + SECOND // 2) // SECOND
    return day * DAY + (units * SECOND + 150) // 300


def round_small(ticks: int) -> int:
    """Round to the minute of smalldatetime."""
    return (ticks + MINUTE // 2) // MINUTE * MINUTE


def clock(ticks: int, digits: int) -> str:
    """``hh:mm:ss[.fff]`` of the time of day."""
    seconds, fraction = divmod(ticks % DAY, SECOND)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:07d}"[: 9 + digits] if digits else text


def iso_day(ticks: int) -> str:
    """``YYYY-MM-DD``."""
    return date.fromordinal(ticks // DAY + 1).isoformat()


def iso(ticks: int, digits: int, separator: str = " ") -> str:
    """``YYYY-MM-DD hh:mm:ss[.fff]``."""
    return iso_day(ticks) + separator + clock(ticks, digits)


def offset_text(minutes: int) -> str:
    """``+hh:mm``."""
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _half_day(ticks: int, digits: int) -> str:
    hour = ticks % DAY // HOUR
    text = clock(ticks, digits)
    return f"{hour % 12 or 12:2d}{text[2:]}{'PM' if hour >= 12 else 'AM'}"


def _short(ticks: int) -> str:
    hour = ticks % DAY // HOUR
    return f"{hour % 12 or 12:2d}:{ticks % HOUR // MINUTE:02d}{'PM' if hour >= 12 else 'AM'}"


_DAY_STYLES = {
    1: "{m:02d}/{d:02d}/{y}",
    2: "{y}.{m:02d}.{d:02d}",
    3: "{d:02d}/{m:02d}/{y}",
    4: "{d:02d}.{m:02d}.{y}",
    5: "{d:02d}-{m:02d}-{y}",
    6: "{d:02d} {b} {y}",
    7: "{b} {d:02d}, {y}",
    10: "{m:02d}-{d:02d}-{y}",
    11: "{y}/{m:02d}/{d:02d}",
    12: "{y}{m:02d}{d:02d}",
}


def styled(ticks: int, style: int, digits: int, kind: str) -> str:
    """A date as CONVERT writes it. ``digits``: fractional digits of the type; ``kind``: its name."""
    if kind == "datetime":
        ticks = (ticks + 5_000) // 10_000 * 10_000
    if style in (20, 120):
        return _parts(ticks, kind, 0, " ")
    if style in (21, 25, 121):
        return _parts(ticks, kind, digits, " ")
    if style in (126, 127):
        keep = digits if kind not in ("datetime", "datetime2") or ticks % SECOND else 0
        return _parts(ticks, kind, keep, "T")
    if style in (8, 24, 108):
        return clock(ticks, 0)
    if style in (14, 114):
        text = clock(ticks, digits)
        return text[:8] + ":" + text[9:] if kind in ("datetime", "smalldatetime") else text
    return _styled_day(ticks, style, digits, kind)


def _parts(ticks: int, kind: str, digits: int, separator: str) -> str:
    if kind == "date":
        return iso_day(ticks)
    if kind == "time":
        return clock(ticks, digits)
    return iso(ticks, digits, separator)


def _styled_day(ticks: int, style: int, digits: int, kind: str) -> str:
    if kind == "time" and style in (0, 100):
        return _short(ticks).strip().rjust(7)
    if kind == "time" and style in (9, 109):
        return _half_day(ticks, digits)
    day = date.fromordinal(ticks // DAY + 1) if kind != "time" else date(1900, 1, 1)
    name = MONTHS[day.month - 1]
    if style in (0, 100):
        text = f"{name} {day.day:2d} {day.year}"
        return text if kind == "date" else f"{text} {_short(ticks)}"
    if style in (9, 109):
        text, clocked = f"{name} {day.day:2d} {day.year}", _half_day(ticks, digits)
        return text if kind == "date" else f"{text} {clocked[:8]}:{clocked[9:]}" if digits == 3 else f"{text} {clocked}"
    if style in (13, 113):
        text, clocked = f"{day.day:02d} {name} {day.year}", clock(ticks, digits)
        return text if kind == "date" else f"{text} {clocked[:8]}:{clocked[9:]}"
    pattern = _DAY_STYLES.get(style % 100)
    if pattern is None or style not in (style % 100, style % 100 + 100):
        raise SqlError(281, f"{style} is not a valid style number when converting from {kind} to a character string.")
    year = f"{day.year:04d}" if style >= 100 else f"{day.year % 100:02d}"
    return pattern.format(y=year, m=day.month, d=day.day, b=name)
