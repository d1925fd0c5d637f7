"""PRELOGIN and LOGIN7: what a client says first, and the answers (MS-TDS 2.2.6.4, 2.2.6.5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from runbook.sandbox.contract import LoginReply, LoginRequest, SqlError
from runbook.sandbox.wire import tokens
from runbook.sandbox.wire.collation import DEFAULT
from runbook.sandbox.wire.cursor import Cursor
from runbook.sandbox.wire.errors import Truncated, unsupported

ENCRYPT_OFF, ENCRYPT_ON, ENCRYPT_NOT_SUPPORTED, ENCRYPT_REQUIRED = range(4)
_VERSION, _ENCRYPTION, _INSTANCE, _THREAD, _MARS = range(5)
_END = 0xFF

TDS_7_2 = 0x72090002
TDS_7_4 = 0x74000004
_SMALLEST_PACKET, _DEFAULT_PACKET, _LARGEST_PACKET = 512, 4096, 32767

_INTEGRATED = 0x80
_CHANGE_PASSWORD = 0x01
_FIXED_PART = struct.Struct("<IIIIIIBBBB")
_SWAP = bytes(((b ^ 0xA5) & 0x0F) << 4 | (b ^ 0xA5) >> 4 for b in range(256))


@dataclass(frozen=True)
class Login:
    """A decoded LOGIN7."""

    request: LoginRequest
    tds_version: int
    packet_size: int
    refusal: SqlError | None = None


def wanted_encryption(payload: bytes) -> int:
    """The ENCRYPTION option of a PRELOGIN; NOT_SUPPORTED when it is missing."""
    at = 0
    while at < len(payload) and payload[at] != _END:
        option, offset, size = struct.unpack_from(">BHH", payload, at)
        if option == _ENCRYPTION and size and offset < len(payload):
            return int(payload[offset])
        at += 5
    return ENCRYPT_NOT_SUPPORTED


def prelogin_answer(version: tuple[int, int, int], encryption: int) -> bytes:
    """The server's PRELOGIN: its version, encryption, no instance check, no MARS."""
    values = {
        _VERSION: struct.pack(">BBHH", *version, 0),
        _ENCRYPTION: bytes((encryption,)),
        _INSTANCE: b"\x00",
        _THREAD: b"",
        _MARS: b"\x00",
    }
    offset = 5 * len(values) + 1
    head = b""
    for option, value in values.items():
        head += struct.pack(">BHH", option, offset, len(value))
        offset += len(value)
    return head + bytes((_END,)) + b"".join(values.values())


def parse_login(payload: bytes) -> Login:
    """Decode a LOGIN7; Truncated when it is too short."""
    cursor = Cursor(payload)
    _, version, packet, _, _, _, _, flags2, _, flags3 = cursor.unpack(_FIXED_PART)
    request = LoginRequest(
        user=_field(payload, 40),
        password=_password(payload),
        database=_field(payload, 68),
        host=_field(payload, 36),
        app=_field(payload, 48),
        library=_field(payload, 60),
        language=_field(payload, 64),
    )
    size = min(max(packet or _DEFAULT_PACKET, _SMALLEST_PACKET), _LARGEST_PACKET)
    return Login(request, min(version, TDS_7_4), size, _refusal(version, flags2, flags3))


def _refusal(version: int, flags2: int, flags3: int) -> SqlError | None:
    if version < TDS_7_2:
        return unsupported(f"TDS version 0x{version:08X}, older than 7.2,")
    if flags2 & _INTEGRATED:
        return SqlError(
            18452,
            "Login failed. The login is from an untrusted domain and cannot be used with Integrated authentication.",
            severity=14,
        )
    if flags3 & _CHANGE_PASSWORD:
        return unsupported("a change of the password at login")
    return None


def _span(payload: bytes, at: int) -> bytes:
    if len(payload) < at + 4:
        raise Truncated
    offset, characters = struct.unpack_from("<HH", payload, at)
    data = payload[offset : offset + 2 * characters]
    if len(data) != 2 * characters:
        raise Truncated
    return data


def _field(payload: bytes, at: int) -> str:
    return _span(payload, at).decode("utf-16-le", "surrogatepass")


def _password(payload: bytes) -> str:
    return _span(payload, 44).translate(_SWAP).decode("utf-16-le", "surrogatepass")


def login_answer(reply: LoginReply, login: Login, server: str) -> bytes:
    """All that follows an accepted LOGIN7, up to and including DONE."""
    language = SqlError(5703, "Changed language setting to us_english.", severity=0, state=1)
    return b"".join(
        (
            tokens.changed_database(reply.database, "master", server),
            tokens.env_bytes(tokens.ENV_COLLATION, reply.collation or DEFAULT, b""),
            tokens.env_text(tokens.ENV_LANGUAGE, "us_english", ""),
            tokens.message(language, server),
            tokens.login_acknowledged(reply.program_version, login.tds_version),
            tokens.env_text(tokens.ENV_PACKET_SIZE, str(login.packet_size), str(_DEFAULT_PACKET)),
            tokens.done(tokens.DONE, tokens.FINAL, 0, 0),
        )
    )


def refusal_answer(error: SqlError, server: str) -> bytes:
    """A refused login: the errors in order, then DONE with the error bit."""
    messages = b"".join(tokens.message(one, server) for one in tokens.flattened(error))
    return messages + tokens.done(tokens.DONE, tokens.FAILED, 0, 0)
