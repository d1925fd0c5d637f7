"""What only real HTTP does; the common contract is in tests/contract."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from runbook.adapters.clock import SystemClock
from runbook.adapters.web import BODY_LIMIT, HttpWeb
from runbook.errors import Cancelled
from runbook.testing import Stoppable


@contextmanager
def answering(*chunks, pause=0.0):
    """A server that sends these bytes to everybody, pausing between them."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65536).decode())
                try:
                    for chunk in chunks:
                        connection.sendall(chunk)
                        time.sleep(pause)
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(2)


@pytest.fixture
def stop():
    return Stoppable(SystemClock())


@pytest.fixture
def web(stop):
    return HttpWeb(stop)


def test_a_redirect_is_shown_not_followed(web):
    """Users are sent elsewhere: that is what is seen."""
    with answering(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n") as (url, asked):
        answer = web.get(url)
    assert (answer.status, answer.headers["location"], len(asked)) == (302, "/login", 1)


def test_no_proxy_and_no_cache(web, monkeypatch):
    """The environment's proxy is not used, caches are told to stay out."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as (url, asked):
        assert web.get(f"{url}/a b?x=1").status in {0, 200}
        assert web.get(f"{url}/a?x=1").body == "ok"
    assert asked[-1].startswith("GET /a?x=1 HTTP/1.1\r\n")
    assert "Cache-Control: no-cache" in asked[-1]


def test_a_trickle_is_given_up_in_time(web):
    """A server that sends a byte now and then does not hold the run up: the limit is for the whole answer."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with answering(head, *[b"x"] * 50, pause=0.1) as (url, _):
        begun = time.monotonic()
        answer = web.get(url, timeout=0.4)
    assert time.monotonic() - begun < 2
    assert (answer.status, answer.body) == (0, "no complete answer within 0.4 s")


def test_cancelling_wakes_it(web, stop):
    """The turn-back point is felt while a page hangs."""
    with answering(pause=0) as (url, _), socket.create_server(("127.0.0.1", 0)) as silent:
        del url
        threading.Timer(0.1, stop.stop).start()
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            web.get(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=20)
    assert time.monotonic() - begun < 2


def test_a_huge_answer_is_cut(web):
    """A probe does not fill the memory."""
    body = b"x" * (BODY_LIMIT + 10)
    with answering(b"HTTP/1.1 200 OK\r\n\r\n", body) as (url, _):
        assert len(web.get(url).body) == BODY_LIMIT


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://127.0.0.1/", "not an http or https address"),
        ("127.0.0.1", "not an http or https address"),
        ("http://127.0.0.1:port/", "port"),
        ("http://no-such-host.invalid/", ""),
        ("http://127.0.0.1:1/", "connection refused"),
    ],
)
def test_what_cannot_be_asked_has_no_status(web, url, reason):
    """Never an exception: status 0 and the reason."""
    answer = web.get(url, timeout=2)
    assert answer.status == 0
    assert reason in answer.body.lower()


def test_what_is_no_http_has_no_status(web):
    """Something else listens there."""
    with answering(b"220 smtp ready\r\n") as (url, _):
        answer = web.get(url, timeout=2)
    assert answer.status == 0
    assert answer.body


def test_the_servers_charset_is_read(web):
    """And an unknown one is no traceback."""
    with answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=latin-1\r\n\r\nZo\xeb") as (url, _):
        assert web.get(url).body == "Zoë"
    with answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=klingon\r\n\r\nok") as (url, _):
        assert web.get(url).body == "ok"
