"""Dates and times between Python, ISO text and the counts that travel.

A point in time is a pair here: days since 0001-01-01 and ticks of 100 ns since midnight.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

TICKS_PER_SECOND = 10_000_000
TICKS_PER_MINUTE = 60 * TICKS_PER_SECOND
TICKS_PER_DAY = 86_400 * TICKS_PER_SECOND
DAYS_TO_1900 = date(1900, 1, 1).toordinal() - 1

_SECONDS_END = frozenset({"", "."})
_ISO = re.compile(
    r"(?:(\d{4})-(\d\d)-(\d\d))?(?:^|[T ]|$)"
    r"(?:(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,7})\d*)?)?)?"
    r"\s*(Z|[+-]\d\d:\d\d)?"
)


def _time_ticks(value: datetime | time) -> int:
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    return seconds * TICKS_PER_SECOND + value.microsecond * 10


@functools.lru_cache(maxsize=8192)
def _days_of(text: str) -> int:
    return date.fromisoformat(text).toordinal() - 1


@functools.lru_cache(maxsize=86_400)
def _ticks_of(text: str) -> int:
    return _time_ticks(time.fromisoformat(text))


def _parse(text: str) -> tuple[int, int, int]:
    """Days, ticks and offset of ISO text; the forms that storage uses most go a short way."""
    if text[4:8:3] != "--":
        return (DAYS_TO_1900, _clock(text), 0) if _is_clock(text) else _parse_any(text)
    if len(text) == 10:
        return _days_of(text), 0, 0
    if text[10:11] == " " and _is_clock(text[11:]):
        return _days_of(text[:10]), _clock(text[11:]), 0
    return _parse_any(text)


def _is_clock(text: str) -> bool:
    fraction = text[9:]
    return (
        text[2:6:3] == "::"
        and text[8:9] in _SECONDS_END
        and len(fraction) <= 7
        and (not fraction or fraction.isdecimal())
    )


def _clock(text: str) -> int:
    ticks = _ticks_of(text[:8])
    return ticks + int(text[9:].ljust(7, "0")) if len(text) > 9 else ticks


def _parse_any(text: str) -> tuple[int, int, int]:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a date or time: {text!r}")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    days = date(int(year), int(month), int(day)).toordinal() - 1 if year else DAYS_TO_1900
    seconds = int(hour or 0) * 3600 + int(minute or 0) * 60 + int(second or 0)
    ticks = seconds * TICKS_PER_SECOND + int((fraction or "").ljust(7, "0"))
    return days, ticks, _zone_minutes(zone)


def _zone_minutes(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


def split(value: Any) -> tuple[int, int, int]:
    """Days, ticks and offset in minutes of a datetime, date, time or ISO text; local time, not UTC."""
    if isinstance(value, datetime):
        offset = value.utcoffset()
        minutes = 0 if offset is None else int(offset.total_seconds()) // 60
        return value.toordinal() - 1, _time_ticks(value), minutes
    if isinstance(value, date):
        return value.toordinal() - 1, 0, 0
    if isinstance(value, time):
        return DAYS_TO_1900, _time_ticks(value), 0
    if isinstance(value, str):
        return _parse(value)
    raise TypeError(f"not a date or time: {value!r}")


def rounded(days: int, ticks: int, scale: int) -> tuple[int, int]:
    """The time in units of 10**-scale seconds, half up; midnight carries into the day."""
    unit = 10 ** (7 - scale)
    count = (ticks + unit // 2) // unit
    if count * unit >= TICKS_PER_DAY:
        return days + 1, 0
    return days, count


def to_utc(days: int, ticks: int, minutes: int) -> tuple[int, int]:
    """Shift local days and ticks to UTC."""
    carry, ticks = divmod(ticks - minutes * TICKS_PER_MINUTE, TICKS_PER_DAY)
    return days + carry, ticks


def from_utc(days: int, ticks: int, minutes: int) -> tuple[int, int]:
    """Shift UTC days and ticks to local time."""
    return to_utc(days, ticks, -minutes)


def join_date(days: int) -> date:
    """The date so many days after 0001-01-01."""
    return date.fromordinal(days + 1)


def join_time(ticks: int) -> time | str:
    """A time, or ISO text where a microsecond is too coarse."""
    if ticks % 10:
        return _text(ticks)
    seconds, fraction = divmod(ticks // 10, 1_000_000)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60, fraction)


def join(days: int, ticks: int) -> datetime | str:
    """A datetime, or ISO text where a microsecond is too coarse."""
    if ticks % 10:
        return f"{join_date(days).isoformat()} {_text(ticks)}"
    return datetime.fromordinal(days + 1) + timedelta(microseconds=ticks // 10)


def join_offset(days: int, ticks: int, minutes: int) -> datetime | str:
    """An aware datetime from UTC and an offset, or ISO text where a microsecond is too coarse."""
    local_days, local_ticks = from_utc(days, ticks, minutes)
    moment = join(local_days, local_ticks)
    if isinstance(moment, str):
        sign = "-" if minutes < 0 else "+"
        return f"{moment} {sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    return moment.replace(tzinfo=timezone(timedelta(minutes=minutes)) if minutes else UTC)


def _text(ticks: int) -> str:
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:07}"
