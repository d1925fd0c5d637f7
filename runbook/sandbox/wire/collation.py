"""Which code page the text of a varchar is in, by the five bytes of a collation (MS-TDS 2.2.5.1.2)."""

from __future__ import annotations

import codecs

DEFAULT = b"\x09\x04\xd0\x00\x34"
"""SQL_Latin1_General_CP1_CI_AS."""

_UTF8_BIT = 1 << 26
_BY_SORT_ID = {30: "cp437", 31: "cp437", 32: "cp437", 33: "cp437", 34: "cp437", 40: "cp850", 41: "cp850", 42: "cp850"}
_BY_LANGUAGE = {
    0x405: "cp1250", 0x40E: "cp1250", 0x415: "cp1250", 0x418: "cp1250", 0x41A: "cp1250", 0x41B: "cp1250",
    0x402: "cp1251", 0x419: "cp1251", 0x422: "cp1251", 0x408: "cp1253", 0x41F: "cp1254", 0x40D: "cp1255",
    0x401: "cp1256", 0x425: "cp1257", 0x426: "cp1257", 0x427: "cp1257", 0x42A: "cp1258", 0x41E: "cp874",
    0x411: "cp932", 0x804: "cp936", 0x412: "cp949", 0x404: "cp950",
}  # fmt: skip


def encoding(collation: bytes) -> str:
    """The Python codec of a collation's char and varchar values."""
    bits = int.from_bytes(collation[:4], "little")
    if bits & _UTF8_BIT:
        return "utf-8"
    if collation[4]:
        return _BY_SORT_ID.get(collation[4], "cp1252")
    return _BY_LANGUAGE.get(bits & 0xFFFF, "cp1252")


def encode(text: str, codec: str) -> bytes:
    """Characters outside the code page become question marks, as on SQL Server."""
    if text.isascii():
        return text.encode("ascii")  # the same bytes in every code page there is, and much quicker
    return text.encode(codec, _ENCODE_ERRORS)


def decode(data: bytes, codec: str) -> str:
    """Bytes that a Windows code page leaves undefined stand for the control character of that number."""
    return data.decode(codec, _DECODE_ERRORS)


def _undefined(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    data = error.object[error.start : error.end]
    return "".join(map(chr, data)) if error.encoding.startswith(("cp", "charmap")) else "\ufffd", error.end


def _unencodable(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    out = bytearray()
    for character in error.object[error.start : error.end]:
        if character in _UNDEFINED and error.encoding == "charmap":
            out.append(ord(character))
        else:
            out += b"??" if character > "\uffff" else b"?"
    return bytes(out), error.end


_UNDEFINED = "\x81\x8d\x8f\x90\x9d"  # of code page 1252, where they map to themselves
_DECODE_ERRORS = "runbook-undefined"
_ENCODE_ERRORS = "runbook-unencodable"
codecs.register_error(_DECODE_ERRORS, _undefined)
codecs.register_error(_ENCODE_ERRORS, _unencodable)
