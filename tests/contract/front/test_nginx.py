"""What a real nginx makes of the include: who is turned away, with what, and who never notices."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.adapters.front.nginx import include, pages
from runbook.errors import NotSupported
from runbook.front import Answer, Bypass, Rule, closed_to
from tests.nginx import Nginx

BYPASS = Bypass("X-Look", 'se"cr et')
RULES = (
    Rule("images", ("/images/",)),
    Rule("do-not-track links", ("/go(x/",), ("t.example.com",)),
    Rule("tracker", ("/t/",), (), Answer(200, b"GIF", "image/gif")),
    Rule("api", ("/api/",), (), Answer(503, b'{"e": "$host \\"x\\""}', "application/json", 600)),
    Rule("the rest", answer=Answer(503, "<h1>planned ä $uri</h1>".encode(), "text/html; charset=utf-8", 60)),
)
APP, REST = (200, "app"), (503, "<h1>planned ä $uri</h1>")


@pytest.fixture(scope="module")
def closed() -> Iterator[Nginx]:
    nginx = Nginx()
    try:
        nginx.start()
        stem = str(nginx.directory / 'inc/mail" er')
        nginx.include.write_text(include(RULES, mark="runbook: 2026", stem=stem, bypass=BYPASS))
        for path, content in pages(RULES, stem).items():
            Path(path).write_bytes(content)
        subprocess.run(nginx.test, check=True, capture_output=True, timeout=20)
        before = nginx.workers()
        subprocess.run(nginx.reload, check=True, capture_output=True, timeout=20)
        nginx.wait_until(lambda: nginx.workers() and not nginx.workers() & before)
        yield nginx
    finally:
        nginx.stop()


@pytest.mark.parametrize(
    ("path", "more", "expected"),
    [
        ("/", {}, REST),
        ("/?q=1", {}, REST),
        ("/images/a.gif", {}, (200, "gif")),
        ("/%69mages/x", {}, APP),
        ("/images", {}, REST),
        ("/go(x/1", {}, REST),
        ("/go(x/1", {"host": "T.example.com"}, APP),
        ("/t/1.gif", {}, (200, "GIF")),
        ("/api/x", {}, (503, '{"e": "$host \\"x\\""}')),
        ("/api/x", {"method": "POST"}, (503, '{"e": "$host \\"x\\""}')),
        ("/api/x", {"method": "DELETE"}, (503, '{"e": "$host \\"x\\""}')),
        ("/", {"method": "HEAD"}, (503, "")),
        ("/", {"headers": {"X-Look": 'se"cr et'}}, APP),
        ("/", {"headers": {"X-Look": "wrong"}}, REST),
        ("/.runbook-closed/4", {}, (503, "")),
        ("/.runbook-closed/page/4", {}, (503, "")),
        ("/", {"headers": {"If-Modified-Since": "Sun, 22 Nov 2037 06:51:53 GMT"}}, REST),
        ("/", {"headers": {"Range": "bytes=0-3"}}, REST),
    ],
)
def test_everybody_gets_what_the_rules_say(closed: Nginx, path: str, more: dict, expected: tuple[int, str]) -> None:
    """Whatever the method, the encoding and the headers: the answer of the first rule that fits, whole."""
    status, _, body = closed.get(path, **more)
    assert status == expected[0]
    assert body.decode().startswith(expected[1])
    assert expected[1] in ("app", "") or body.decode() == expected[1]


def test_machines_are_told_when_to_come_back_and_nothing_is_cached(closed: Nginx) -> None:
    """Retry-After and the type are the rule's own; a proxy keeps none of it."""
    _, headers, _ = closed.get("/api/x")
    assert (headers["content-type"], headers["retry-after"]) == ("application/json", "600")
    assert headers["cache-control"] == "no-store"
    assert {"etag", "last-modified"} & set(headers) == set()
    assert closed.get("/")[1]["content-type"] == "text/html; charset=utf-8"
    assert "retry-after" not in closed.get("/t/1.gif")[1]


@pytest.mark.parametrize(
    ("path", "name"), [("/", "a"), ("/images/x", "a"), ("/go(x/", "t.example.com"), ("/t/", "b"), ("/api/y", "b")]
)
def test_nginx_agrees_with_the_reference(closed: Nginx, path: str, name: str) -> None:
    """``closed_to`` says for every front end alike who is let through."""
    rule = closed_to(RULES, path, name)
    assert rule is not None
    wanted = 200 if rule.answer is None else rule.answer.status
    assert closed.get(path, host=name)[0] == wanted


def test_what_nginx_cannot_be_given_is_refused() -> None:
    """It has no way to write a dollar sign, and a comment ends with its line."""
    with pytest.raises(NotSupported, match="dollar"):
        include([Rule("x", ("/$uri",), (), RULES[-1].answer)], mark="m", stem="/x")
    with pytest.raises(NotSupported):
        include(RULES, mark="a\nserver {", stem="/x")
