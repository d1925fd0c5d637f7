"""Numbers as bytes."""

from __future__ import annotations

import struct
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from runbook.sandbox.contract import SqlType
from runbook.sandbox.wire.codec import NULL, Builder, Codec

_EXACT = Context(prec=80, rounding=ROUND_HALF_UP)


def _integral(value: Any) -> int:
    number = int(value)
    if isinstance(value, float | Decimal) and number != value:
        raise ValueError(f"not a whole number: {value!r}")
    return number


def _integer(token: int, size: int) -> Builder:
    pack = struct.Struct("<B" + {1: "B", 2: "h", 4: "i", 8: "q"}[size]).pack

    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        try:
            return pack(size, value)
        except struct.error:
            return pack(size, _integral(value))

    return lambda _kind, _collation: Codec(bytes((token, size)), encode)


def _bit(_kind: SqlType, _collation: bytes) -> Codec:
    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        return b"\x01\x01" if _integral(value) else b"\x01\x00"

    return Codec(b"\x68\x01", encode)


def _floating(size: int) -> Codec:
    pack = struct.Struct("<B" + ("f" if size == 4 else "d")).pack

    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        return pack(size, float(value))

    return Codec(bytes((0x6D, size)), encode)


def _float(kind: SqlType, _collation: bytes) -> Codec:
    bits = kind.precision or kind.length or 53
    return _floating(4 if kind.name.lower() == "real" or bits <= 24 else 8)


def scaled(value: Any, scale: int) -> int:
    """A number as a count of 10**-scale, rounded half away from zero."""
    if isinstance(value, int):
        return int(value * 10**scale)
    if isinstance(value, str):
        whole, _, fraction = value.partition(".")
        if len(fraction) <= scale and (whole + fraction).lstrip("-").isdecimal():
            return int(whole + fraction.ljust(scale, "0"))
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    return int(_EXACT.to_integral_value(_EXACT.scaleb(exact, scale)))


def _decimal(kind: SqlType, _collation: bytes) -> Codec:
    precision = kind.precision or 18
    scale = kind.scale or 0
    size = 4 if precision <= 9 else 8 if precision <= 19 else 12 if precision <= 28 else 16
    limit = 10**precision
    heads = bytes((size + 1, 0)), bytes((size + 1, 1))

    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        count = scaled(value, scale)
        if not -limit < count < limit:
            raise OverflowError(f"{value!r} is out of range")
        return heads[count >= 0] + abs(count).to_bytes(size, "little")

    token = 0x6C if kind.name.lower() == "numeric" else 0x6A
    return Codec(bytes((token, size + 1, precision, scale)), encode)


def _money(_kind: SqlType, _collation: bytes) -> Codec:
    pack = struct.Struct("<BiI").pack

    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        count = scaled(value, 4)
        return pack(8, count >> 32, count & 0xFFFFFFFF)

    return Codec(b"\x6e\x08", encode)


def _smallmoney(_kind: SqlType, _collation: bytes) -> Codec:
    pack = struct.Struct("<Bi").pack

    def encode(value: Any) -> bytes:
        return NULL if value is None else pack(4, scaled(value, 4))

    return Codec(b"\x6e\x04", encode)


BUILDERS: dict[str, Builder] = {
    "tinyint": _integer(0x26, 1),
    "smallint": _integer(0x26, 2),
    "int": _integer(0x26, 4),
    "bigint": _integer(0x26, 8),
    "bit": _bit,
    "real": _float,
    "float": _float,
    "decimal": _decimal,
    "numeric": _decimal,
    "money": _money,
    "smallmoney": _smallmoney,
}
