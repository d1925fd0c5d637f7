"""Tokens of the answer stream as bytes (MS-TDS 2.2.7)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from runbook.sandbox.contract import SqlError

RETURN_STATUS = 0x79
COLMETADATA = 0x81
RETURN_VALUE = 0xAC
LOGINACK = 0xAD
ROW = 0xD1
ENVCHANGE = 0xE3
ERROR = 0xAA
INFO = 0xAB
DONE = 0xFD
DONE_PROCEDURE = 0xFE
DONE_IN_PROCEDURE = 0xFF

FINAL = 0x00
MORE = 0x01
FAILED = 0x02
COUNT = 0x10
ATTENTION = 0x20

ENV_DATABASE = 1
ENV_LANGUAGE = 2
ENV_PACKET_SIZE = 4
ENV_COLLATION = 7
ENV_BEGIN = 8
ENV_COMMIT = 9
ENV_ROLLBACK = 10
ENV_RESET = 18

SELECT = 0xC1

LONGEST_MESSAGE = 2047
"""SQL Server cuts longer message texts as well."""

_DONE = struct.Struct("<BHHQ")
_MESSAGE = struct.Struct("<iBB")


def done(token: int, status: int, command: int, rows: int) -> bytes:
    """DONE, DONEPROC or DONEINPROC."""
    return _DONE.pack(token, status, command, rows)


def short_text(text: str) -> bytes:
    """Text with a one-byte count of its UTF-16 code units, cut to 255."""
    data = text.encode("utf-16-le", "surrogatepass")[:510]
    return bytes((len(data) // 2,)) + data


def _short_bytes(data: bytes) -> bytes:
    return bytes((len(data),)) + data


def _sized(token: int, body: bytes) -> bytes:
    return struct.pack("<BH", token, len(body)) + body


def message(error: SqlError, server: str) -> bytes:
    """ERROR for severity 11 and up, INFO below; severity 10 travels as 0."""
    text = error.message.encode("utf-16-le", "surrogatepass")[: 2 * LONGEST_MESSAGE]
    severity = error.severity if error.severity > 10 else 0 if error.severity == 10 else error.severity
    body = (
        _MESSAGE.pack(error.number, error.state & 0xFF, severity)
        + struct.pack("<H", len(text) // 2)
        + text
        + short_text(server)
        + short_text(error.procedure)
        + struct.pack("<i", error.line)
    )
    return _sized(ERROR if severity > 10 else INFO, body)


def flattened(error: SqlError) -> Iterator[SqlError]:
    """The error, then its companions in order."""
    yield error
    for companion in error.also:
        yield from flattened(companion)


def env_text(kind: int, new: str, old: str) -> bytes:
    """A changed setting whose values are text: database, language, packet size."""
    return _sized(ENVCHANGE, bytes((kind,)) + short_text(new) + short_text(old))


def env_bytes(kind: int, new: bytes, old: bytes) -> bytes:
    """A changed setting whose values are bytes: collation, transaction, reset."""
    return _sized(ENVCHANGE, bytes((kind,)) + _short_bytes(new) + _short_bytes(old))


def login_acknowledged(version: tuple[int, int, int], tds_version: int) -> bytes:
    """LOGINACK; the product version is major, minor, build."""
    major, minor, build = version
    name = short_text("Microsoft SQL Server\0\0")
    body = b"\x01" + tds_version.to_bytes(4, "big") + name + struct.pack(">BBH", major, minor, build)
    return _sized(LOGINACK, body)


def return_status(status: int) -> bytes:
    """The value of a procedure's RETURN."""
    return struct.pack("<Bi", RETURN_STATUS, status)


def changed_database(new: str, old: str, server: str) -> bytes:
    """ENVCHANGE 1 and message 5701, as after USE."""
    info = SqlError(5701, f"Changed database context to '{new}'.", severity=0, state=2)
    return env_text(ENV_DATABASE, new, old) + message(info, server)
