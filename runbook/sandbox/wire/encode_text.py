"""Text, bytes, uuids and XML as bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any
from uuid import UUID

from runbook.sandbox.contract import SqlType
from runbook.sandbox.wire.codec import NULL, Builder, Codec, Encoder
from runbook.sandbox.wire.collation import encode as encode_text
from runbook.sandbox.wire.collation import encoding

_PLP_NULL = b"\xff" * 8
_SHORT_NULL = b"\xff\xff"
_SHORT = struct.Struct("<H").pack
_LONG = struct.Struct("<I").pack
_PLP_HEAD = struct.Struct("<QI").pack
_PLP_END = b"\x00\x00\x00\x00"
_TEXT_POINTER = b"\x10" + b"\x01" * 16 + b"\x00" * 8
_LONGEST_BYTES = 8000


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
    limit = 2 * (kind.length or _LONGEST_BYTES // 2)
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
    limit = kind.length or _LONGEST_BYTES
    return Codec(b"\xa7" + _SHORT(limit) + collation, _sized_encoder(to_bytes, limit))


def _char(kind: SqlType, collation: bytes) -> Codec:
    limit = kind.length or 1
    pad = _padded(_narrow(encoding(collation)), limit, b" ")
    return Codec(b"\xaf" + _SHORT(limit) + collation, _sized_encoder(pad, limit))


def _varbinary(kind: SqlType, _collation: bytes) -> Codec:
    if kind.length == -1:
        return Codec(b"\xa5\xff\xff", _plp_encoder(_raw))
    limit = kind.length or _LONGEST_BYTES
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
                return NULL
            data = convert(value)
            return _TEXT_POINTER + _LONG(len(data)) + data

        info = bytes((token,)) + _LONG(longest) + (b"" if token == 0x22 else collation)
        return Codec(info, encode, is_long=True)

    return build


def _uuid(_kind: SqlType, _collation: bytes) -> Codec:
    def encode(value: Any) -> bytes:
        if value is None:
            return NULL
        if isinstance(value, bytes):
            return b"\x10" + value.ljust(16, b"\x00")
        if isinstance(value, UUID):
            return b"\x10" + value.bytes_le
        data = bytes.fromhex(value.strip("{}").replace("-", ""))
        if len(data) != 16:
            raise ValueError(f"not a uuid: {value!r}")
        return b"\x10" + data[3::-1] + data[5:3:-1] + data[7:5:-1] + data[8:]

    return Codec(b"\x24\x10", encode)


BUILDERS: dict[str, Builder] = {
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
}
