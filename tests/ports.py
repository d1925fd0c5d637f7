"""Ports for what the tests start."""

from __future__ import annotations

import itertools
import os
import socket
from contextlib import suppress

LOOPBACK = "127.0.0.1"
FIRST_PORT, PORTS_EACH = 26000, 400
_ports = itertools.count()


def free_port() -> int:
    """One that nobody takes meanwhile: each worker of a parallel run has a range of its own, below the ports that the
    system gives to clients."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw") or 0)
    for number in itertools.islice(_ports, PORTS_EACH):
        port = FIRST_PORT + PORTS_EACH * worker + number % PORTS_EACH
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return port
    raise AssertionError("no port is free")
