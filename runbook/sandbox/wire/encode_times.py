"""Dates and times as bytes."""

from __future__ import annotations

import struct
from typing import Any

from runbook.sandbox.contract import SqlType
from runbook.sandbox.wire import temporal
from runbook.sandbox.wire.codec import NULL, Builder, Codec


def _date(_kind: SqlType, _collation: bytes) -> Codec:
    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        return b"\x03" + temporal.split(value)[0].to_bytes(3, "little")

    return Codec(b"\x28", encode)


def _time_size(scale: int) -> int:
    return 3 if scale <= 2 else 4 if scale <= 4 else 5


def _scale(kind: SqlType) -> int:
    return 7 if kind.scale is None else kind.scale


def _time(kind: SqlType, _collation: bytes) -> Codec:
    scale = _scale(kind)
    size = _time_size(scale)
    head = bytes((size,))

    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        return head + temporal.rounded(0, temporal.split(value)[1], scale)[1].to_bytes(size, "little")

    return Codec(bytes((0x29, scale)), encode)


def _datetime2(kind: SqlType, _collation: bytes) -> Codec:
    scale = _scale(kind)
    size = _time_size(scale)
    head = bytes((size + 3,))

    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        days, ticks, _ = temporal.split(value)
        days, count = temporal.rounded(days, ticks, scale)
        return head + count.to_bytes(size, "little") + days.to_bytes(3, "little")

    return Codec(bytes((0x2A, scale)), encode)


def _datetimeoffset(kind: SqlType, _collation: bytes) -> Codec:
    scale = _scale(kind)
    size = _time_size(scale)
    head = bytes((size + 5,))

    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        days, ticks, minutes = temporal.split(value)
        days, count = temporal.rounded(*temporal.to_utc(days, ticks, minutes), scale)
        moment = count.to_bytes(size, "little") + days.to_bytes(3, "little")
        return head + moment + minutes.to_bytes(2, "little", signed=True)

    return Codec(bytes((0x2B, scale)), encode)


def _datetime(_kind: SqlType, _collation: bytes) -> Codec:
    pack = struct.Struct("<BiI").pack

    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        days, ticks, _ = temporal.split(value)
        count = (ticks * 3 + 50_000) // 100_000
        carry, count = divmod(count, 300 * 86_400)
        return pack(8, days - temporal.DAYS_TO_1900 + carry, count)

    return Codec(b"\x6f\x08", encode)


def _smalldatetime(_kind: SqlType, _collation: bytes) -> Codec:
    pack = struct.Struct("<BHH").pack

    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        days, ticks, _ = temporal.split(value)
        # 29.998 seconds round down, 29.999 up: the value is a datetime before it is rounded.
        minutes = (ticks + 30 * temporal.TICKS_PER_SECOND + 10_000) // temporal.TICKS_PER_MINUTE
        carry, minutes = divmod(minutes, 1440)
        return pack(4, days - temporal.DAYS_TO_1900 + carry, minutes)

    return Codec(b"\x6f\x04", encode)


BUILDERS: dict[str, Builder] = {
    "date": _date,
    "time": _time,
    "datetime2": _datetime2,
    "datetimeoffset": _datetimeoffset,
    "datetime": _datetime,
    "smalldatetime": _smalldatetime,
}
