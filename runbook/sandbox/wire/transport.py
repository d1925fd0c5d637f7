"""The socket of one connection, shared by its two threads: one receives, the other sends."""

from __future__ import annotations

import contextlib
import select
import socket

from runbook.sandbox.wire.tls import Channel

_CHUNK = 65536


class Transport:
    """Bytes in and out. ``cut`` may be called from any thread at any time."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._channel: Channel | None = None
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def receive(self) -> bytes:
        """Some bytes; none when the client has gone."""
        if self._channel is None:
            return self._socket.recv(_CHUNK)
        return self._channel.decrypt(self._socket.recv)

    def send(self, data: bytes | bytearray) -> None:
        """Send everything; OSError when the client has gone."""
        self._socket.sendall(data if self._channel is None else self._channel.encrypt(data))

    def readable(self, seconds: float) -> bool:
        """Wait for bytes or the end of the stream, so long at most."""
        if self._channel is not None and self._channel.pending:
            return True
        return bool(self._poll.poll(seconds * 1000))

    def secure(self, channel: Channel) -> None:
        """From now on everything travels encrypted."""
        self._channel = channel

    def limit(self, seconds: float | None) -> None:
        """Longest wait of one receive or send; TimeoutError (an OSError) after it."""
        self._socket.settimeout(seconds)

    def finish(self) -> None:
        """Tell the client that no more comes; what was sent still arrives."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """End both directions at once."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back; no other thread may use it any more."""
        self._socket.close()
