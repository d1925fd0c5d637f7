"""People and machines that use the mailer from outside, all night long; every answer they get is accounted for."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.hosts.host import LOOPBACK

PAUSE = 0.08
"""Seconds between two requests of one user."""
PATIENCE = 10.0
PLANNED, BACK, LONGER = "down for planned maintenance", "being rolled back", "taking longer than announced"
TEXTS = (PLANNED, BACK, LONGER)


@dataclass(frozen=True)
class Reply:
    """What came back; status 0 when nothing did."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True)
class Request:
    """One thing that users do, over and over."""

    kind: str
    path: str
    method: str = "GET"
    rarely: float = 1
    """How many times ``PAUSE`` a user waits between two."""
    people: int = 6
    """In whose names it is done, in turn: so few that within seconds each had a turn."""

    def verdict(self, reply: Reply) -> str:
        """What it was, in one word; ``wrong`` for whatever no user should ever see."""
        if not reply.status:
            return "no answer"
        return getattr(self, f"_{self.kind}")(reply) or "wrong"

    def _page(self, reply: Reply) -> str:
        if reply.status == 200 and "mails delivered" in reply.body:
            return "served"
        html = "html" in reply.headers.get("content-type", "") and "<h1>Mailer</h1>" in reply.body
        return "maintenance" if _says_when(reply) and html and _known(reply.body) else ""

    def _machine(self, reply: Reply) -> str:
        if "json" not in reply.headers.get("content-type", ""):
            return ""
        try:
            said = json.loads(reply.body)
        except ValueError:
            return ""
        if reply.status == 200 and said == {"contacts": 2000}:
            return "served"
        return "maintenance" if _says_when(reply) and _known(said["error"]) else ""

    def _image(self, reply: Reply) -> str:
        return "served" if reply.status == 200 and reply.body.startswith("<svg") else ""

    def _pixel(self, reply: Reply) -> str:
        if reply.status != 200 or not reply.body.startswith("GIF89a"):
            return ""
        return "served" if reply.body.endswith(";") else "degraded"

    def _link(self, reply: Reply) -> str:
        sent_on = reply.status == 302 and reply.headers.get("location") == "https://www.example.com/spring"
        return "passed through" if sent_on else ""

    def _reply(self, reply: Reply) -> str:
        return "accepted" if (reply.status, reply.body) == (202, "accepted\n") else ""

    _optout = _reply


REQUESTS = (
    Request("page", "/"),
    Request("machine", "/api/contacts"),
    Request("image", "/images/logo.svg"),
    Request("pixel", "/t/open.gif"),
    Request("link", "/go/spring"),
    Request("reply", "/replies", "POST", 3),
    Request("optout", "/optouts", "POST", 10, people=4),  # and two who never say no
)


def _says_when(reply: Reply) -> bool:
    return reply.status == 503 and reply.headers.get("retry-after", "").isdigit()


def _known(text: str) -> bool:
    return sum(one in text for one in TEXTS) == 1


@dataclass(frozen=True)
class Seen:
    """One request and what became of it; seconds are of the clock that everybody reads."""

    began: float
    ended: float
    host: str
    kind: str
    verdict: str
    reply: Reply

    def __str__(self) -> str:
        head = f"{self.host} {self.kind} {time.strftime('%H:%M:%S', time.gmtime(self.ended))}"
        return f"{head}: {self.verdict} {self.reply.status} {self.reply.body[:300]!r}"


class Load:
    """Users of some front ends; ``hosts`` says where each is on 127.0.0.1."""

    def __init__(self, hosts: Mapping[str, int]) -> None:
        self._hosts = hosts
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.seen: list[Seen] = []
        self.replies: dict[str, tuple[str, float]] = {}
        """Replies that were accepted, who wrote them and when."""
        self.optouts: dict[str, float] = {}
        """Who was told that they are mailed no more, and when for the first time."""

    @contextmanager
    def running(self):  # type: ignore[no-untyped-def]
        """As long as the block runs."""
        users = [
            threading.Thread(target=self._use, args=(host, port, request), daemon=True)
            for host, port in self._hosts.items()
            for request in REQUESTS
        ]
        for user in users:
            user.start()
        try:
            yield self
        finally:
            self._over.set()
            for user in users:
                user.join(PATIENCE + 5)

    def _use(self, host: str, port: int, request: Request) -> None:
        for number in itertools.count():
            if self._over.wait(PAUSE * request.rarely):
                return
            who = f"person {number % request.people}"
            name = uuid.uuid4().hex
            body = json.dumps({"id": name, "who": who}) if request.method == "POST" else None
            began = time.time()
            reply = _asked(port, request, body)
            seen = Seen(began, time.time(), host, request.kind, request.verdict(reply), reply)
            with self._lock:
                self.seen.append(seen)
                if seen.verdict == "accepted" and request.kind == "reply":
                    self.replies[name] = who, seen.ended
                elif seen.verdict == "accepted":
                    self.optouts.setdefault(who, seen.ended)

    # --- afterwards ----------------------------------------------------------------------------------------

    def wrong(self, *, away: Sequence[str] = (), false: str = "") -> list[str]:
        """What nobody should have seen; hosts that were ``away`` may give no answer, a ``false`` text was put up."""
        return [
            str(one)
            for one in self.seen
            if (one.verdict == "wrong" and not (false and false in one.reply.body))
            or (one.verdict == "no answer" and one.host not in away)
        ]

    def account(self) -> str:
        """How many requests of each kind were answered how."""
        counted = Counter((one.kind, one.verdict) for one in self.seen)
        lines = [f"{len(self.seen)} requests"]
        for kind in dict.fromkeys(one.kind for one in REQUESTS):
            parts = [f"{number} {verdict}" for (of, verdict), number in sorted(counted.items()) if of == kind]
            lines.append(f"  {kind:8} {', '.join(parts)}")
        return "\n".join(lines)

    def told(self, text: str) -> list[float]:
        """When users were told this, seconds of the clock, in order."""
        return sorted(one.ended for one in self.seen if one.kind == "page" and text in one.reply.body)


def _asked(port: int, request: Request, body: str | None) -> Reply:
    line = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
    try:
        line.request(request.method, request.path, body, {"Connection": "close"})
        got = line.getresponse()
        text = got.read().decode("utf-8", "replace")
        return Reply(got.status, {name.lower(): value for name, value in got.getheaders()}, text)
    except (OSError, http.client.HTTPException) as error:
        return Reply(0, {}, f"{type(error).__name__}: {error}")
    finally:
        line.close()
