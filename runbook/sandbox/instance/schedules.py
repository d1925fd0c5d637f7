"""When a job schedule is due next. Pure: everything is a function of the schedule and a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runbook.sandbox.instance.clock import date_int
from runbook.sandbox.instance.records import guid

ONCE, DAILY, WEEKLY, MONTHLY, AGENT_START = 1, 4, 8, 16, 64
FREQUENCIES = (ONCE, DAILY, WEEKLY, MONTHLY, AGENT_START)
UNITS = {2: 1, 4: 60, 8: 3600}
"""Seconds of freq_subday_type: 2 seconds, 4 minutes, 8 hours."""
HORIZON_DAYS = 400


@dataclass
class Schedule:
    """msdb.dbo.sysschedules: dates are yyyymmdd, times hhmmss."""

    schedule_id: int
    name: str
    schedule_uid: str = field(default_factory=guid)
    owner_sid: str = "01"
    enabled: bool = True
    freq_type: int = ONCE
    freq_interval: int = 0
    freq_subday_type: int = 0
    freq_subday_interval: int = 0
    freq_relative_interval: int = 0
    freq_recurrence_factor: int = 0
    active_start_date: int = 20000101
    active_end_date: int = 99991231
    active_start_time: int = 0
    active_end_time: int = 235959
    created: str = ""


def _at(day: datetime, hhmmss: int) -> datetime:
    return day.replace(hour=hhmmss // 10_000, minute=hhmmss // 100 % 100, second=hhmmss % 100, microsecond=0)


def next_run(schedule: Schedule, after: datetime) -> datetime | None:
    """The first moment later than ``after`` at which the schedule is due; None: never again."""
    if schedule.freq_type == AGENT_START:
        return None
    day = after.replace(hour=0, minute=0, second=0, microsecond=0)
    first = _date(schedule.active_start_date)
    day = max(day, first)
    for _ in range(HORIZON_DAYS):
        if date_int(day) > schedule.active_end_date:
            return None
        if _is_day(schedule, day, first):
            found = _in_day(schedule, day, after)
            if found is not None:
                return found
        day += timedelta(days=1)
    return None


def _date(value: int) -> datetime:
    return datetime(value // 10_000, value // 100 % 100, value % 100)  # noqa: DTZ001 - server local time


def _is_day(schedule: Schedule, day: datetime, first: datetime) -> bool:
    days = (day - first).days
    if schedule.freq_type == ONCE:
        return days == 0
    if schedule.freq_type == DAILY:
        return days % max(1, schedule.freq_interval) == 0
    if schedule.freq_type == WEEKLY:
        weekday = 1 << (day.isoweekday() % 7)
        return bool(schedule.freq_interval & weekday) and days // 7 % max(1, schedule.freq_recurrence_factor) == 0
    months = (day.year - first.year) * 12 + day.month - first.month
    return day.day == schedule.freq_interval and months % max(1, schedule.freq_recurrence_factor) == 0


def _in_day(schedule: Schedule, day: datetime, after: datetime) -> datetime | None:
    start = _at(day, schedule.active_start_time)
    step = UNITS.get(schedule.freq_subday_type, 0) * schedule.freq_subday_interval
    if start > after:
        return start
    if not step or schedule.freq_type == ONCE:
        return None
    due = start + timedelta(seconds=((after - start).total_seconds() // step + 1) * step)
    end = _at(day, schedule.active_end_time)
    if end < start:
        end += timedelta(days=1)
    return due if due <= end and (due.date() == day.date() or end.date() != day.date()) else None
