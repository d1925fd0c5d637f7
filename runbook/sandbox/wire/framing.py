"""Packets: a message is cut into packets of eight header bytes and a payload (MS-TDS 2.2.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from runbook.sandbox.wire.errors import ProtocolError

SQL_BATCH = 0x01
RPC = 0x03
REPLY = 0x04
ATTENTION = 0x06
BULK_LOAD = 0x07
TRANSACTION = 0x0E
LOGIN7 = 0x10
PRELOGIN = 0x12
FROM_CLIENTS = frozenset({SQL_BATCH, RPC, ATTENTION, BULK_LOAD, TRANSACTION, LOGIN7, PRELOGIN, 0x08, 0x11})

EOM = 0x01
IGNORE = 0x02
RESET = 0x08
RESET_KEEPING_TRANSACTION = 0x10

HEADER = struct.Struct(">BBHHBB")
LARGEST_MESSAGE = 1 << 30


@dataclass(frozen=True)
class Message:
    """A whole message; ``status`` holds the bits of its first packet and IGNORE of its last."""

    kind: int
    status: int
    payload: bytes


class MessageReader:
    """Puts packets together. ``receive`` returns some bytes, or none at the end of the stream."""

    def __init__(self, receive: Callable[[], bytes], kinds: frozenset[int] = FROM_CLIENTS) -> None:
        self._receive = receive
        self._kinds = kinds
        self._buffer = bytearray()

    def read(self) -> Message:
        """The next message; EOFError when the client has gone, ProtocolError when this is no TDS."""
        kind, status, payload = self._packet()
        if status & EOM:
            return Message(kind, status, payload)
        return self._rest(kind, status, bytearray(payload))

    def buffered(self) -> bool:
        """Whether bytes of another packet are here already."""
        return bool(self._buffer)

    def _rest(self, first_kind: int, first_status: int, payload: bytearray) -> Message:
        while True:
            kind, status, more = self._packet()
            if kind != first_kind:
                # An attention in the middle of a message: what came before it is void.
                return Message(kind, status, more)
            payload += more
            if len(payload) > LARGEST_MESSAGE:
                raise ProtocolError("message too large")
            if status & EOM:
                return Message(kind, first_status | status & (EOM | IGNORE), bytes(payload))

    def _packet(self) -> tuple[int, int, bytes]:
        self._fill(HEADER.size)
        kind, status, length, _, _, _ = HEADER.unpack_from(self._buffer)
        if kind not in self._kinds or length < HEADER.size:
            raise ProtocolError(f"packet type {kind}, length {length}")
        self._fill(length)
        payload = bytes(self._buffer[HEADER.size : length])
        del self._buffer[:length]
        return kind, status, payload

    def _fill(self, count: int) -> None:
        while len(self._buffer) < count:
            data = self._receive()
            if not data:
                raise EOFError
            self._buffer += data


class MessageWriter:
    """Cuts answers into packets of the negotiated size and hands them to ``send``."""

    def __init__(self, send: Callable[[bytes | bytearray], None], kind: int = REPLY) -> None:
        self._send = send
        self._kind = kind
        self._number = 0
        self.packet_size = 4096
        self.spid = 0

    @property
    def room(self) -> int:
        """Payload bytes of one packet."""
        return self.packet_size - HEADER.size

    def write(self, data: bytes | bytearray, *, last: bool) -> None:
        """Send all of ``data``; the final packet ends the message when ``last``."""
        room = self.room
        size = len(data)
        out = bytearray()
        view = memoryview(data)
        for start in range(0, size, room):
            part = view[start : start + room]
            self._number = (self._number + 1) & 0xFF
            end_bit = EOM if last and start + room >= size else 0
            out += HEADER.pack(self._kind, end_bit, len(part) + HEADER.size, self.spid, self._number, 0)
            out += part
        if last:
            self._number = 0
        self._send(out)
