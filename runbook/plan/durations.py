"""Durations as plans write them: ``90s``, ``10m``, ``4h``, ``1h30m``, ``7d``."""

from __future__ import annotations

import re
from datetime import timedelta

PATTERN = r"^(?=[0-9])(?:[0-9]{1,5}d)?(?:[0-9]{1,6}h)?(?:[0-9]{1,8}m)?(?:[0-9]{1,9}(?:\.[0-9]{1,6})?s)?$"
_PARTS = re.compile(r"([0-9.]+)([dhms])")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


class Duration(timedelta):
    """A timedelta whose ``seconds`` is the whole length as a float, not what is left beyond full days.

    Arithmetic gives plain timedeltas: use ``total_seconds()`` on results.
    """

    @property
    def seconds(self) -> float:  # type: ignore[override]
        """The whole length in seconds."""
        return self.total_seconds()

    def __str__(self) -> str:
        return format_duration(self)

    def __repr__(self) -> str:
        return f"Duration({format_duration(self)})"


def parse_duration(text: str) -> Duration:
    """Read a duration such as ``1h30m``. Raises ValueError with a message for the operator."""
    if not re.fullmatch(PATTERN, text.strip()):
        raise ValueError("not a duration")
    total = sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))
    return Duration(seconds=total)


def format_duration(length: timedelta) -> str:
    """Return the shortest way to write a length, so that ``60m`` and ``1h`` come out the same."""
    total = length.total_seconds()
    whole = int(total)
    parts = []
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60)):
        count, whole = divmod(whole, seconds)
        parts += [f"{count}{unit}"] if count else []
    fraction = f"{total - int(total):.6f}"[1:].rstrip("0").rstrip(".")
    parts += [f"{whole}{fraction}s"] if whole or fraction or not parts else []
    return "".join(parts)
