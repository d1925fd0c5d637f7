"""Reads little-endian fields from one message."""

from __future__ import annotations

import struct
from typing import Any

from runbook.sandbox.wire.errors import Truncated


class Cursor:
    """A position in a message. Every read past the end raises :class:`Truncated`."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at
        self.end = len(data)

    @property
    def exhausted(self) -> bool:
        """Whether every byte was read."""
        return self.at >= self.end

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        start = self.at
        stop = start + count
        if count < 0 or stop > self.end:
            raise Truncated
        self.at = stop
        return self.data[start:stop]

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        """The next fields in the given layout."""
        return layout.unpack(self.take(layout.size))

    def peek(self) -> int:
        """The next byte, without moving."""
        if self.at >= self.end:
            raise Truncated
        return self.data[self.at]

    def uint(self, size: int) -> int:
        """An unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little")

    def signed(self, size: int) -> int:
        """A signed integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little", signed=True)

    def text(self, characters: int) -> str:
        """UTF-16 text of so many code units."""
        return self.take(2 * characters).decode("utf-16-le", "surrogatepass")

    def short_text(self) -> str:
        """Text after a one-byte count of its code units (B_VARCHAR)."""
        return self.text(self.uint(1))
