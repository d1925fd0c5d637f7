"""Parameters from bytes: TYPE_INFO, then the value as a Python object (MS-TDS 2.2.5.4 to 2.2.5.6)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from runbook.sandbox.contract import SqlType
from runbook.sandbox.wire import temporal
from runbook.sandbox.wire.collation import decode as decode_text
from runbook.sandbox.wire.collation import encoding
from runbook.sandbox.wire.cursor import Cursor
from runbook.sandbox.wire.errors import unsupported

_PLP_NULL = 0xFFFFFFFFFFFFFFFF
_MAX = 0xFFFF
_REFUSED = {
    0x62: "a sql_variant parameter",
    0xF0: "a parameter of a CLR type",
    0xF3: "a table-valued parameter",
}


def parameter(cursor: Cursor) -> tuple[SqlType, Any]:
    """One TYPE_INFO and its value; SqlError 50999 for types that are refused, by name."""
    token = cursor.uint(1)
    read = _READERS.get(token)
    if read is None:
        raise unsupported(_REFUSED.get(token, f"a parameter of type 0x{token:02X}"))
    return read(cursor)


# --- numbers -----------------------------------------------------------------------------------------------


def _bool(data: bytes) -> bool:
    return data != b"\x00"


def _int(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _unsigned(data: bytes) -> int:
    return data[0]


def _real(data: bytes) -> float:
    return float(struct.unpack("<f", data)[0])


def _float(data: bytes) -> float:
    return float(struct.unpack("<d", data)[0])


def _money(data: bytes) -> Decimal:
    high, low = struct.unpack("<iI", data)
    return Decimal(f"{(high << 32) + low}E-4")


def _smallmoney(data: bytes) -> Decimal:
    return Decimal(f"{_int(data)}E-4")


def _datetime(data: bytes) -> Any:
    days, count = struct.unpack("<iI", data)
    milliseconds = (count * 10 + 1) // 3  # .003 and .007 as SQL Server shows them
    return temporal.join(days + temporal.DAYS_TO_1900, milliseconds * 10_000)


def _smalldatetime(data: bytes) -> Any:
    days, minutes = struct.unpack("<HH", data)
    return temporal.join(days + temporal.DAYS_TO_1900, minutes * temporal.TICKS_PER_MINUTE)


def _uuid(data: bytes) -> UUID:
    return UUID(bytes_le=data)


_Convert = Callable[[bytes], Any]
_INTEGERS: dict[int, tuple[str, _Convert]] = {
    1: ("tinyint", _unsigned),
    2: ("smallint", _int),
    4: ("int", _int),
    8: ("bigint", _int),
}
_FLOATS: dict[int, tuple[str, _Convert]] = {4: ("real", _real), 8: ("float", _float)}
_MONEYS: dict[int, tuple[str, _Convert]] = {4: ("smallmoney", _smallmoney), 8: ("money", _money)}
_DATETIMES: dict[int, tuple[str, _Convert]] = {4: ("smalldatetime", _smalldatetime), 8: ("datetime", _datetime)}
_UUIDS: dict[int, tuple[str, _Convert]] = {16: ("uniqueidentifier", _uuid)}
_BITS: dict[int, tuple[str, _Convert]] = {1: ("bit", _bool)}

_Reader = Callable[[Cursor], tuple[SqlType, Any]]


def _fixed(name: str, size: int, convert: _Convert) -> _Reader:
    return lambda cursor: (SqlType(name), convert(cursor.take(size)))


def _by_size(table: dict[int, tuple[str, _Convert]]) -> _Reader:
    def read(cursor: Cursor) -> tuple[SqlType, Any]:
        limit = cursor.uint(1)
        size = cursor.uint(1)
        if limit not in table or (size and size not in table):
            raise unsupported(f"a parameter of {size} bytes in a type of {limit}")
        return SqlType(table[limit][0]), table[size][1](cursor.take(size)) if size else None

    return read


def _decimal(name: str) -> _Reader:
    def read(cursor: Cursor) -> tuple[SqlType, Any]:
        _, precision, scale = cursor.take(3)
        kind = SqlType(name, precision=precision, scale=scale)
        data = cursor.take(cursor.uint(1))
        if not data:
            return kind, None
        number = int.from_bytes(data[1:], "little")
        return kind, Decimal(f"{number if data[0] else -number}E-{scale}")

    return read


# --- text and bytes ----------------------------------------------------------------------------------------


def plp(cursor: Cursor) -> bytes | None:
    """A value in chunks, its total length known or not."""
    if cursor.uint(8) == _PLP_NULL:
        return None
    chunks = []
    while size := cursor.uint(4):
        chunks.append(cursor.take(size))
    return b"".join(chunks)


def _short(cursor: Cursor) -> bytes | None:
    size = cursor.uint(2)
    return None if size == _MAX else cursor.take(size)


def _wide(data: bytes) -> str:
    return data.decode("utf-16-le", "surrogatepass")


def _text(name: str, *, wide: bool) -> _Reader:
    def read(cursor: Cursor) -> tuple[SqlType, Any]:
        limit = cursor.uint(2)
        codec = encoding(cursor.take(5))
        data = plp(cursor) if limit == _MAX else _short(cursor)
        kind = SqlType(name, -1 if limit == _MAX else limit // 2 if wide else limit)
        if data is None:
            return kind, None
        return kind, _wide(data) if wide else decode_text(data, codec)

    return read


def _bytes(name: str) -> _Reader:
    def read(cursor: Cursor) -> tuple[SqlType, Any]:
        limit = cursor.uint(2)
        data = plp(cursor) if limit == _MAX else _short(cursor)
        return SqlType(name, -1 if limit == _MAX else limit), data

    return read


def _old_text(name: str) -> _Reader:
    def read(cursor: Cursor) -> tuple[SqlType, Any]:
        limit = cursor.uint(1)
        size = cursor.uint(1)
        return SqlType(name, limit), decode_text(cursor.take(size), "cp1252") if size else None

    return read


def _old_bytes(name: str) -> _Reader:
    def read(cursor: Cursor) -> tuple[SqlType, Any]:
        limit = cursor.uint(1)
        size = cursor.uint(1)
        return SqlType(name, limit), cursor.take(size) if size else None

    return read


def _long(name: str) -> _Reader:
    def read(cursor: Cursor) -> tuple[SqlType, Any]:
        cursor.take(4)
        codec = "" if name == "image" else encoding(cursor.take(5))
        size = cursor.signed(4)
        if size < 0:
            return SqlType(name), None
        data = cursor.take(size)
        if name == "image":
            return SqlType(name), data
        return SqlType(name), _wide(data) if name == "ntext" else decode_text(data, codec)

    return read


def _xml(cursor: Cursor) -> tuple[SqlType, Any]:
    if cursor.uint(1):
        cursor.short_text()
        cursor.short_text()
        cursor.text(cursor.uint(2))
    data = plp(cursor)
    if data is None:
        return SqlType("xml"), None
    return SqlType("xml"), _wide(data).removeprefix("\ufeff")


# --- dates and times ---------------------------------------------------------------------------------------


def _date(cursor: Cursor) -> tuple[SqlType, Any]:
    data = cursor.take(cursor.uint(1))
    return SqlType("date"), temporal.join_date(int.from_bytes(data, "little")) if data else None


def _ticks(data: bytes, scale: int) -> int:
    return int(int.from_bytes(data, "little") * 10 ** (7 - scale))


def _time(cursor: Cursor) -> tuple[SqlType, Any]:
    scale = cursor.uint(1)
    data = cursor.take(cursor.uint(1))
    return SqlType("time", scale=scale), temporal.join_time(_ticks(data, scale)) if data else None


def _datetime2(cursor: Cursor) -> tuple[SqlType, Any]:
    scale = cursor.uint(1)
    data = cursor.take(cursor.uint(1))
    kind = SqlType("datetime2", scale=scale)
    if not data:
        return kind, None
    return kind, temporal.join(int.from_bytes(data[-3:], "little"), _ticks(data[:-3], scale))


def _datetimeoffset(cursor: Cursor) -> tuple[SqlType, Any]:
    scale = cursor.uint(1)
    data = cursor.take(cursor.uint(1))
    kind = SqlType("datetimeoffset", scale=scale)
    if not data:
        return kind, None
    days = int.from_bytes(data[-5:-2], "little")
    return kind, temporal.join_offset(days, _ticks(data[:-5], scale), _int(data[-2:]))


_READERS: dict[int, _Reader] = {
    0x1F: lambda _: (SqlType("int"), None),
    0x22: _long("image"),
    0x23: _long("text"),
    0x24: _by_size(_UUIDS),
    0x25: _old_bytes("varbinary"),
    0x26: _by_size(_INTEGERS),
    0x27: _old_text("varchar"),
    0x28: _date,
    0x29: _time,
    0x2A: _datetime2,
    0x2B: _datetimeoffset,
    0x2D: _old_bytes("binary"),
    0x2F: _old_text("char"),
    0x30: _fixed("tinyint", 1, _unsigned),
    0x32: _fixed("bit", 1, _bool),
    0x34: _fixed("smallint", 2, _int),
    0x37: _decimal("decimal"),
    0x38: _fixed("int", 4, _int),
    0x3A: _fixed("smalldatetime", 4, _smalldatetime),
    0x3B: _fixed("real", 4, _real),
    0x3C: _fixed("money", 8, _money),
    0x3D: _fixed("datetime", 8, _datetime),
    0x3E: _fixed("float", 8, _float),
    0x3F: _decimal("numeric"),
    0x63: _long("ntext"),
    0x68: _by_size(_BITS),
    0x6A: _decimal("decimal"),
    0x6C: _decimal("numeric"),
    0x6D: _by_size(_FLOATS),
    0x6E: _by_size(_MONEYS),
    0x6F: _by_size(_DATETIMES),
    0x7A: _fixed("smallmoney", 4, _smallmoney),
    0x7F: _fixed("bigint", 8, _int),
    0xA5: _bytes("varbinary"),
    0xA7: _text("varchar", wide=False),
    0xAD: _bytes("binary"),
    0xAF: _text("char", wide=False),
    0xE7: _text("nvarchar", wide=True),
    0xEF: _text("nchar", wide=True),
    0xF1: _xml,
}
