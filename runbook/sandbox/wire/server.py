"""Listens for clients; each gets a :class:`Connection` on threads of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from runbook.sandbox.contract import Server
from runbook.sandbox.wire.connection import Connection
from runbook.sandbox.wire.transport import Transport

_BACKLOG = 256
_STOP_SECONDS = 5.0


class Listener:
    """A listening server. ``port`` is the bound port."""

    def __init__(self, server: Server, host: str, port: int) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._open: dict[Connection, threading.Thread] = {}
        self._stopping = threading.Event()
        self._socket = socket.create_server((host, port), backlog=_BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, cut every connection, wait a few seconds at most for their sessions to close. Idempotent.

        May be called from a connection's own thread (SHUTDOWN), which is not waited for.
        """
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(_STOP_SECONDS)
        with self._lock:
            remaining = list(self._open.items())
        for connection, _ in remaining:
            connection.cut()
        deadline = time.monotonic() + _STOP_SECONDS
        for _, thread in remaining:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):  # a client that left before it was accepted, or the end
                client, _ = self._socket.accept()
                self._begin(client)

    def _begin(self, client: socket.socket) -> None:
        try:
            connection = Connection(self._server, Transport(client))
        except OSError:
            client.close()  # gone before it was greeted
            return
        thread = threading.Thread(target=self._run, args=(connection,), name="execute", daemon=True)
        with self._lock:
            self._open[connection] = thread
        thread.start()

    def _run(self, connection: Connection) -> None:
        try:
            connection.run()
        finally:
            with self._lock:
                self._open.pop(connection, None)


def serve(server: Server, host: str = "127.0.0.1", port: int = 0) -> Listener:
    """Start listening; port 0 takes a free one. OSError when the port is taken.

    ``server.name`` (in error messages) and ``server.program_version`` (major, minor, build; told before the login) are
    used where the server has them.
    """
    return Listener(server, host, port)
