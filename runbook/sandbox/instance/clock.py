"""Server time: local, without a zone, in milliseconds, as SQL Server's ``datetime`` columns hold it."""

from __future__ import annotations

import time
from datetime import datetime


def now() -> datetime:
    """The server's local time."""
    milliseconds = time.time_ns() // 1_000_000
    return datetime.fromtimestamp(milliseconds / 1000)  # noqa: DTZ006 - SQL Server's history columns have no zone


def stamp(moment: datetime | None = None) -> str:
    """ISO text of a moment (now by default), as it is kept in the store."""
    return (moment or now()).isoformat(timespec="milliseconds")


def parse(text: str | None) -> datetime | None:
    """The moment of a stored ISO text; None stays None."""
    return None if text is None else datetime.fromisoformat(text)


def date_int(moment: datetime) -> int:
    """yyyymmdd, as msdb keeps dates."""
    return moment.year * 10_000 + moment.month * 100 + moment.day


def time_int(moment: datetime) -> int:
    """hhmmss, as msdb keeps times."""
    return moment.hour * 10_000 + moment.minute * 100 + moment.second


def duration_int(seconds: float) -> int:
    """hhmmss of a duration, as sysjobhistory.run_duration."""
    whole = int(seconds)
    return whole // 3600 * 10_000 + whole // 60 % 60 * 100 + whole % 60
