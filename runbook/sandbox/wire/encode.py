"""Column and output values as bytes: for each SQL type its TYPE_INFO and a function for its values.

The functions are built once a result set, so that a row costs one call a column.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, NamedTuple
from uuid import UUID

from runbook.sandbox.contract import SqlType
from runbook.sandbox.wire import temporal
from runbook.sandbox.wire.collation import encode as encode_text
from runbook.sandbox.wire.collation import encoding
from runbook.sandbox.wire.errors import unsupported

Encoder = Callable[[Any], bytes]


class Codec(NamedTuple):
    """How a type is announced and how its values are written."""

    type_info: bytes
    encode: Encoder
    user_type: int = 0
    is_long: bool = False
    """Whether it is text, ntext or image, whose columns carry a table name."""


_PLP_NULL = b"\xff" * 8
_SHORT_NULL = b"\xff\xff"
_NULL = b"\x00"
_SHORT = struct.Struct("<H").pack
_LONG = struct.Struct("<I").pack
_PLP_HEAD = struct.Struct("<QI").pack
_PLP_END = b"\x00\x00\x00\x00"
_EXACT = Context(prec=80, rounding=ROUND_HALF_UP)
_TEXT_POINTER = b"\x10" + b"\x01" * 16 + b"\x00" * 8
LONGEST_BYTES = 8000


def codec(kind: SqlType, collation: bytes) -> Codec:
    """TYPE_INFO and encoder of a type; SqlError 50999 for types the sandbox does not send."""
    return _codec(kind, collation)


@functools.lru_cache(maxsize=1024)
def _codec(kind: SqlType, collation: bytes) -> Codec:
    build = _BUILDERS.get(kind.name.lower())
    if build is None:
        raise unsupported(f"the data type {kind.name}")
    return build(kind, collation)


# --- numbers -----------------------------------------------------------------------------------------------


def _integral(value: Any) -> int:
    number = int(value)
    if isinstance(value, float | Decimal) and number != value:
        raise ValueError(f"not a whole number: {value!r}")
    return number


def _integer(token: int, size: int) -> Callable[[SqlType, bytes], Codec]:
    pack = struct.Struct("<B" + {1: "B", 2: "h", 4: "i", 8: "q"}[size]).pack

    def encode(value: Any) -> bytes:
        if value is None:
            return _NULL
        try:
            return pack(size, value)
        except struct.error:
            return pack(size, _integral(value))

    return lambda _kind, _collation: Codec(bytes((token, size)), encode)


def _bit(_kind: SqlType, _collation: bytes) -> Codec:
    def encode(value: Any) -> bytes:
        if value is None:
            return _NULL
        return b"\x01\x01" if _integral(value) else b"\x01\x00"

    return Codec(b"\x68\x01", encode)


def _floating(size: int) -> Codec:
    pack = struct.Struct("<B" + ("f" if size == 4 else "d")).pack

    def encode(value: Any) -> bytes:
        if value is None:
            return _NULL
        return pack(size, float(value))

    return Codec(bytes((0x6D, size)), encode)


def _float(kind: SqlType, _collation: bytes) -> Codec:
    bits = kind.precision or kind.length or 53
    return _floating(4 if kind.name.lower() == "real" or bits <= 24 else 8)


def scaled(value: Any, scale: int) -> int:
    """A number as a count of 10**-scale, rounded half away from zero."""
    if isinstance(value, int):
        return int(value * 10**scale)
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
            return _NULL
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
            return _NULL
        count = scaled(value, 4)
        return pack(8, count >> 32, count & 0xFFFFFFFF)

    return Codec(b"\x6e\x08", encode)


def _smallmoney(_kind: SqlType, _collation: bytes) -> Codec:
    pack = struct.Struct("<Bi").pack

    def encode(value: Any) -> bytes:
        return _NULL if value is None else pack(4, scaled(value, 4))

    return Codec(b"\x6e\x04", encode)


# --- text and bytes ----------------------------------------------------------------------------------------


def _plp(data: bytes) -> bytes:
    if not data:
        return b"\x00" * 12
    return _PLP_HEAD(len(data), len(data)) + data + _PLP_END


def _plp_encoder(to_bytes: Callable[[Any], bytes]) -> Encoder:
    def encode(value: Any) -> bytes:
        return _PLP_NULL if value is None else _plp(to_bytes(value))

    return encode


def _sized_encoder(to_bytes: Callable[[Any], bytes], limit: int) -> Encoder:
    def encode(value: Any) -> bytes:
        if value is None:
            return _SHORT_NULL
        data = to_bytes(value)
        size = len(data)
        if size > limit:
            raise OverflowError(f"{size} bytes do not fit into {limit}")
        return _SHORT(size) + data

    return encode


def _padded(to_bytes: Callable[[Any], bytes], size: int, fill: bytes) -> Callable[[Any], bytes]:
    def pad(value: Any) -> bytes:
        data = to_bytes(value)
        missing = size - len(data)
        return data + fill * (missing // len(fill)) if missing > 0 else data

    return pad


def _wide(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"not text: {value!r}")
    return value.encode("utf-16-le", "surrogatepass")


def _narrow(codec_name: str) -> Callable[[Any], bytes]:
    def to_bytes(value: Any) -> bytes:
        if not isinstance(value, str):
            raise TypeError(f"not text: {value!r}")
        return encode_text(value, codec_name)

    return to_bytes


def _raw(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"not bytes: {value!r}")
    return bytes(value)


def _nvarchar(kind: SqlType, collation: bytes) -> Codec:
    if kind.length == -1:
        return Codec(b"\xe7\xff\xff" + collation, _plp_encoder(_wide))
    limit = 2 * (kind.length or LONGEST_BYTES // 2)
    return Codec(b"\xe7" + _SHORT(limit) + collation, _sized_encoder(_wide, limit))


def _sysname(_kind: SqlType, collation: bytes) -> Codec:
    return _nvarchar(SqlType("nvarchar", 128), collation)


def _nchar(kind: SqlType, collation: bytes) -> Codec:
    limit = 2 * (kind.length or 1)
    pad = _padded(_wide, limit, b" \x00")
    return Codec(b"\xef" + _SHORT(limit) + collation, _sized_encoder(pad, limit))


def _varchar(kind: SqlType, collation: bytes) -> Codec:
    to_bytes = _narrow(encoding(collation))
    if kind.length == -1:
        return Codec(b"\xa7\xff\xff" + collation, _plp_encoder(to_bytes))
    limit = kind.length or LONGEST_BYTES
    return Codec(b"\xa7" + _SHORT(limit) + collation, _sized_encoder(to_bytes, limit))


def _char(kind: SqlType, collation: bytes) -> Codec:
    limit = kind.length or 1
    pad = _padded(_narrow(encoding(collation)), limit, b" ")
    return Codec(b"\xaf" + _SHORT(limit) + collation, _sized_encoder(pad, limit))


def _varbinary(kind: SqlType, _collation: bytes) -> Codec:
    if kind.length == -1:
        return Codec(b"\xa5\xff\xff", _plp_encoder(_raw))
    limit = kind.length or LONGEST_BYTES
    return Codec(b"\xa5" + _SHORT(limit), _sized_encoder(_raw, limit))


def _binary(kind: SqlType, _collation: bytes) -> Codec:
    limit = kind.length or 1
    return Codec(b"\xad" + _SHORT(limit), _sized_encoder(_padded(_raw, limit, b"\x00"), limit))


def _rowversion(_kind: SqlType, _collation: bytes) -> Codec:
    return Codec(b"\xad\x08\x00", _sized_encoder(_padded(_raw, 8, b"\x00"), 8), user_type=0x50)


def _xml(_kind: SqlType, _collation: bytes) -> Codec:
    return Codec(b"\xf1\x00", _plp_encoder(_wide))


def _long(token: int, longest: int, to_bytes: Callable[[bytes], Callable[[Any], bytes]]) -> Any:
    def build(_kind: SqlType, collation: bytes) -> Codec:
        convert = to_bytes(collation)

        def encode(value: Any) -> bytes:
            if value is None:
                return _NULL
            data = convert(value)
            return _TEXT_POINTER + _LONG(len(data)) + data

        info = bytes((token,)) + _LONG(longest) + (b"" if token == 0x22 else collation)
        return Codec(info, encode, is_long=True)

    return build


def _uuid(_kind: SqlType, _collation: bytes) -> Codec:
    def encode(value: Any) -> bytes:
        if value is None:
            return _NULL
        if isinstance(value, bytes):
            return b"\x10" + value.ljust(16, b"\x00")
        return b"\x10" + (value if isinstance(value, UUID) else UUID(value)).bytes_le

    return Codec(b"\x24\x10", encode)


# --- dates and times ---------------------------------------------------------------------------------------


def _date(_kind: SqlType, _collation: bytes) -> Codec:
    def encode(value: Any) -> bytes:
        if value is None:
            return _NULL
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
            return _NULL
        return head + temporal.rounded(0, temporal.split(value)[1], scale)[1].to_bytes(size, "little")

    return Codec(bytes((0x29, scale)), encode)


def _datetime2(kind: SqlType, _collation: bytes) -> Codec:
    scale = _scale(kind)
    size = _time_size(scale)
    head = bytes((size + 3,))

    def encode(value: Any) -> bytes:
        if value is None:
            return _NULL
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
            return _NULL
        days, ticks, minutes = temporal.split(value)
        days, count = temporal.rounded(*temporal.to_utc(days, ticks, minutes), scale)
        moment = count.to_bytes(size, "little") + days.to_bytes(3, "little")
        return head + moment + minutes.to_bytes(2, "little", signed=True)

    return Codec(bytes((0x2B, scale)), encode)


def _datetime(_kind: SqlType, _collation: bytes) -> Codec:
    pack = struct.Struct("<BiI").pack

    def encode(value: Any) -> bytes:
        if value is None:
            return _NULL
        days, ticks, _ = temporal.split(value)
        count = (ticks * 3 + 50_000) // 100_000
        carry, count = divmod(count, 300 * 86_400)
        return pack(8, days - temporal.DAYS_TO_1900 + carry, count)

    return Codec(b"\x6f\x08", encode)


def _smalldatetime(_kind: SqlType, _collation: bytes) -> Codec:
    pack = struct.Struct("<BHH").pack

    def encode(value: Any) -> bytes:
        if value is None:
            return _NULL
        days, ticks, _ = temporal.split(value)
        # 29.998 seconds round down, 29.999 up: the value is a datetime before it is rounded.
        minutes = (ticks + 30 * temporal.TICKS_PER_SECOND + 10_000) // temporal.TICKS_PER_MINUTE
        carry, minutes = divmod(minutes, 1440)
        return pack(4, days - temporal.DAYS_TO_1900 + carry, minutes)

    return Codec(b"\x6f\x04", encode)


_BUILDERS: dict[str, Callable[[SqlType, bytes], Codec]] = {
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
    "nvarchar": _nvarchar,
    "nchar": _nchar,
    "sysname": _sysname,
    "varchar": _varchar,
    "char": _char,
    "varbinary": _varbinary,
    "binary": _binary,
    "rowversion": _rowversion,
    "timestamp": _rowversion,
    "xml": _xml,
    "text": _long(0x23, 0x7FFFFFFF, lambda collation: _narrow(encoding(collation))),
    "ntext": _long(0x63, 0x7FFFFFFE, lambda _: _wide),
    "image": _long(0x22, 0x7FFFFFFF, lambda _: _raw),
    "uniqueidentifier": _uuid,
    "date": _date,
    "time": _time,
    "datetime2": _datetime2,
    "datetimeoffset": _datetimeoffset,
    "datetime": _datetime,
    "smalldatetime": _smalldatetime,
}
