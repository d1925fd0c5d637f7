"""TLS as TDS 7 does it: the handshake travels inside PRELOGIN packets, afterwards every packet inside TLS.

The certificate is self-signed and made anew for each process, by the ``openssl`` program where there is one. Without it
the server says that it cannot encrypt, and clients that insist on it refuse by themselves.
"""

from __future__ import annotations

import functools
import shutil
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

_SECONDS = 20
_CHUNK = 65536


@functools.cache
def _context() -> ssl.SSLContext | None:
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    with tempfile.TemporaryDirectory(prefix="sandbox-tls-") as folder:
        key, certificate = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
        command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "3650", "-subj", "/CN=SSL_Self_Signed_Fallback"]
        command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        command += ["-keyout", str(key), "-out", str(certificate)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)  # noqa: S603 - nothing of a client
        except (OSError, subprocess.SubprocessError):
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    # Tickets of TLS 1.3 come after the framing has ended: clients of TDS 7 do not expect them.
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    return context


_making = threading.Lock()


def server_context() -> ssl.SSLContext | None:
    """The process's context, made at the first call; None where no certificate can be made."""
    with _making:
        return _context()


class Channel:
    """Plain bytes in and out of TLS, without a socket. One thread may decrypt while another encrypts."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._lock = threading.Lock()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def shake_hands(self, receive: Callable[[], bytes], send: Callable[[bytes], None]) -> None:
        """Agree with the client; ``ssl.SSLError`` (an OSError) when there is no agreement."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush(send)
                self._incoming.write(receive())
            else:
                self._flush(send)
                return

    def _flush(self, send: Callable[[bytes], None]) -> None:
        if self._outgoing.pending:
            send(self._outgoing.read())

    @property
    def pending(self) -> bool:
        """Whether bytes are here that were not handed out."""
        with self._lock:
            return bool(self._tls.pending() or self._incoming.pending)

    def decrypt(self, receive: Callable[[int], bytes]) -> bytes:
        """The next plain bytes; none at the end of the stream."""
        while True:
            with self._lock:
                try:
                    return self._tls.read(_CHUNK)
                except ssl.SSLWantReadError:
                    pass
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return b""
            data = receive(_CHUNK)
            if not data:
                return b""
            with self._lock:
                self._incoming.write(data)

    def encrypt(self, data: bytes | bytearray) -> bytes:
        """The bytes that carry ``data``."""
        view = memoryview(data)
        with self._lock:
            while view:
                view = view[self._tls.write(view) :]
            return self._outgoing.read()
