"""HTTP as a user sees it: no proxy, no redirect followed, nothing cached, no answer longer than it may take."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from runbook.ports import Cancellation, WebAnswer

BODY_LIMIT = 1024 * 1024
"""Bytes read of an answer."""
HEADERS = {
    "User-Agent": "runbook",
    "Accept": "*/*",
    "Cache-Control": "no-cache, no-store",
    "Pragma": "no-cache",
    "Connection": "close",
}


class HttpWeb:
    """Implements ``runbook.ports.Web`` with the standard library; certificates are checked as a browser would."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation

    def get(self, url: str, *, timeout: float = 10.0) -> WebAnswer:
        """The answer; status 0 with the reason when none came within ``timeout`` seconds, connecting included."""
        self._cancellation.checkpoint()
        try:
            connection = _connection(urlsplit(url), timeout)
        except ValueError as error:
            return _nothing(str(error))
        exchange = _Exchange(connection)
        watch = Timer(timeout, exchange.give_up)
        watch.daemon = True
        try:
            with self._cancellation.interrupting(exchange.abort):
                watch.start()
                answer = exchange.ask(urlsplit(url))
        finally:
            watch.cancel()
            connection.close()
        self._cancellation.checkpoint()
        return _nothing(f"no complete answer within {timeout:g} s") if exchange.late else answer


class _Exchange:
    """One question and its answer, which another thread can cut short."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.late = False
        self._connection = connection
        # The connection lets go of its socket before the body is read: keep it, or nothing could wake the reader.
        self._socket: socket.socket | None = None

    def ask(self, url: SplitResult) -> WebAnswer:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        try:
            self._connection.connect()
            self._socket = self._connection.sock
            self._connection.request("GET", target, headers=HEADERS)
            response = self._connection.getresponse()
            body = response.read(BODY_LIMIT)
        except TimeoutError:  # the socket's own limit, a moment before the watch
            self.late = True
            return _nothing("no answer in time")
        except ssl.SSLCertVerificationError as error:
            return _nothing(f"certificate not accepted: {error.verify_message}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _nothing(_reason(error))
        return WebAnswer(response.status, _headers(response), _text(body, response))

    def abort(self) -> None:
        """Wake the thread that waits on the socket; called from another thread."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def give_up(self) -> None:
        self.late = True
        self.abort()


def _connection(url: SplitResult, timeout: float) -> http.client.HTTPConnection:
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError(f"not an http or https address: {url.geturl()}")
    if url.scheme == "https":
        return http.client.HTTPSConnection(url.hostname, url.port, timeout=timeout)
    return http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)


def _headers(response: http.client.HTTPResponse) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _text(body: bytes, response: http.client.HTTPResponse) -> str:
    charset = response.headers.get_content_charset() or "utf-8"
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _nothing(reason: str) -> WebAnswer:
    return WebAnswer(0, {}, reason)


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
    return text[0].lower() + text[1:]
