"""The bytes of every type, as CONVERT(varbinary, x) gives them."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.values import dates, numbers

_INT_SIZES = {"bit": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
_TIME_SIZES = (3, 3, 3, 4, 4, 5, 5, 5)


def decimal_size(precision: int) -> int:
    """Bytes of a decimal's magnitude."""
    return 4 if precision <= 9 else 8 if precision <= 19 else 12 if precision <= 28 else 16


def storage_size(kind: SqlType) -> int | None:
    """DATALENGTH of a fixed-size type, None for variable ones."""
    name = kind.name
    if name in _INT_SIZES:
        return _INT_SIZES[name]
    if name in t.DECIMALS:
        return 1 + decimal_size(kind.precision or 18)
    sizes = {
        "money": 8,
        "smallmoney": 4,
        "float": 8,
        "real": 4,
        "datetime": 8,
        "smalldatetime": 4,
        "date": 3,
        "uniqueidentifier": 16,
        "timestamp": 8,
    }
    if name in sizes:
        return sizes[name]
    extra = {"time": 0, "datetime2": 3, "datetimeoffset": 5}.get(name)
    return None if extra is None else _TIME_SIZES[kind.scale or 0] + extra


def encoded_size(kind: SqlType) -> int | None:
    """Number of bytes that :func:`to_bytes` gives for every value of the type, None when that differs."""
    size = storage_size(kind)
    if size is None:
        return None
    if kind.name in t.DECIMALS:
        return size + 3
    return size + 1 if kind.name in ("time", "datetime2", "datetimeoffset") else size


def _integer(kind: SqlType) -> Callable[[Any], bytes]:
    return struct.Struct({"bit": ">B", "tinyint": ">B", "smallint": ">h", "int": ">i", "bigint": ">q"}[kind.name]).pack


def _decimal(kind: SqlType) -> Callable[[Any], bytes]:
    precision, scale = kind.precision or 18, kind.scale or 0
    size = decimal_size(precision)
    positive, negative = bytes((precision, scale, 0, 1)), bytes((precision, scale, 0, 0))

    if not t.is_wide(kind):
        pack = struct.Struct("<I" if size == 4 else "<Q").pack
        return lambda v: positive + pack(v) if v >= 0 else negative + pack(-v)

    def convert(value: Any) -> bytes:
        number = numbers.decode(value)
        return (
            positive + number.to_bytes(size, "little") if number >= 0 else negative + (-number).to_bytes(size, "little")
        )

    return convert


def _time_of(kind: SqlType) -> Callable[[int], bytes]:
    scale = kind.scale or 0
    unit, size, first = 10 ** (7 - scale), _TIME_SIZES[scale], bytes((scale,))
    return lambda v: first + (v % dates.DAY // unit).to_bytes(size, "little")


def _datetime(value: int) -> bytes:
    days, rest = divmod(value - dates.BASE_1900, dates.DAY)
    return struct.pack(">iI", days, (rest * 300 + dates.SECOND // 2) // dates.SECOND)


def _small(value: int) -> bytes:
    days, rest = divmod(value - dates.BASE_1900, dates.DAY)
    return struct.pack(">HH", days, rest // dates.MINUTE)


def _day(value: int) -> bytes:
    return (value // dates.DAY).to_bytes(3, "little")


def _dated(kind: SqlType) -> Callable[[Any], bytes]:
    name = kind.name
    if name == "datetime":
        return _datetime
    if name == "smalldatetime":
        return _small
    if name == "date":
        return _day
    clock = _time_of(kind)
    if name == "time":
        return clock
    if name == "datetime2":
        return lambda v: clock(v) + _day(v)

    def with_offset(value: str) -> bytes:
        utc, offset = dates.split_offset(value)
        return clock(utc) + _day(utc) + struct.pack("<h", offset)

    return with_offset


def to_bytes(kind: SqlType) -> Callable[[Any], bytes]:
    """A function from the physical value of a type to its bytes."""
    name = kind.name
    if name in t.INTEGERS:
        return _integer(kind)
    if name in t.DECIMALS:
        return _decimal(kind)
    if name in t.MONEY:
        return struct.Struct(">q" if name == "money" else ">i").pack
    if name in t.FLOATS:
        return struct.Struct(">d" if name == "float" else ">f").pack
    if name in t.DATES:
        return _dated(kind)
    if name in t.N_STRINGS:
        return lambda v: v.encode("utf-16-le", "surrogatepass")
    if name in t.STRINGS:
        return encode_ansi
    if name == "xml":
        return lambda v: b"\xff\xfe" + v.encode("utf-16-le", "surrogatepass")
    if name == "uniqueidentifier":
        return _guid
    return bytes


def _guid(text: str) -> bytes:
    raw = bytes.fromhex(text.replace("-", ""))
    return raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]


def encode_ansi(text: str) -> bytes:
    """Code page 1252, with a question mark for what it does not have."""
    return text.encode("cp1252", "replace") if text.isascii() else text.translate(_LOOSE).encode("cp1252", "replace")


_LOOSE = {0x81: 0x3F, 0x8D: 0x3F, 0x8F: 0x3F, 0x90: 0x3F, 0x9D: 0x3F}


def ansi(text: str) -> str:
    """What remains of a text in a varchar column."""
    return text if text.isascii() else encode_ansi(text).decode("cp1252")


def from_bytes(kind: SqlType) -> Callable[[bytes], Any]:
    """A function from bytes to the physical value; error 529 for types the sandbox does not read back."""
    name = kind.name
    if name in t.INTEGERS:
        return _int_reader(kind)
    if name in t.N_STRINGS:
        return lambda v: v[: len(v) // 2 * 2].decode("utf-16-le", "replace")
    if name in t.STRINGS:
        return lambda v: v.decode("cp1252", "replace")
    if name == "uniqueidentifier":
        return lambda v: str(uuid.UUID(bytes_le=v[:16].ljust(16, b"\0"))).upper()
    if name == "money":
        return lambda v: int.from_bytes(v[-8:].rjust(8, b"\0"), "big", signed=True)
    if name == "datetime":
        return _read_datetime
    raise SqlError(529, f"Explicit conversion from data type varbinary to {name} is not allowed.")


def _int_reader(kind: SqlType) -> Callable[[bytes], int]:
    size = _INT_SIZES[kind.name]
    if kind.name == "bit":
        return lambda v: int(any(v))
    signed = kind.name != "tinyint"
    return lambda v: int.from_bytes(v[-size:].rjust(size, b"\0"), "big", signed=signed)


def _read_datetime(value: bytes) -> int:
    days, units = struct.unpack(">iI", value[-8:].rjust(8, b"\0"))
    return int(dates.BASE_1900 + days * dates.DAY + (units * dates.SECOND + 150) // 300)
