"""The gate, and what users meet while it is closed, in words that every kind of front end understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True)
class Answer:
    """What a front end says instead of the application. ``retry_after``: seconds, None for no such header."""

    status: int
    body: bytes
    content_type: str
    retry_after: int | None = None


@dataclass(frozen=True)
class Rule:
    """Which requests it is about, and what they get; ``answer`` None lets them through to the application.

    ``paths`` are beginnings of the decoded path, ``names`` host names as the client asked for; empty means any. A
    request belongs to the first rule that fits.
    """

    name: str
    paths: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    answer: Answer | None = None


@dataclass(frozen=True)
class Bypass:
    """Requests with this header see the application although the gate is closed: for the run's own checks."""

    header: str
    value: str


def closed_to(rules: Sequence[Rule], path: str, name: str) -> Rule | None:
    """The rule a request belongs to; the reference that every front end must agree with."""
    for rule in rules:
        fits = not rule.paths or any(path.startswith(one) for one in rule.paths)
        if fits and (not rule.names or name.lower() in {one.lower() for one in rule.names}):
            return rule
    return None


class GateState(StrEnum):
    """What the gate itself says; FOREIGN: something stands there that this run did not put. PARTIAL: closed by this run
    on some of its hosts, or half way: some users may come in, and some not."""

    OPEN = "open"
    CLOSED = "closed"
    FOREIGN = "foreign"
    PARTIAL = "partial"


class Gate(Protocol):
    """What keeps users out."""

    def observe(self) -> GateState: ...
    def earlier(self) -> str:
        """What must be kept to put back exactly what stood there (JSON text; empty when nothing)."""

    def troubles(self) -> tuple[str, ...]:
        """What would keep it from being closed, as far as can be seen beforehand; nothing is changed."""

    def missing(self) -> tuple[str, ...]:
        """What to tell of hosts that did not answer at the last call, where the plan accepts that; else it raises."""

    def differs(self, text: str, rules: Sequence[Rule] = ()) -> tuple[str, ...]:
        """Where something else stands than :meth:`close` would put there now; empty while all is as it should be."""

    def close(self, text: str, rules: Sequence[Rule] = ()) -> None:
        """Put the maintenance text up; ``rules`` are for gates that answer service by service. Convergent."""

    def open(self, earlier: str) -> None:
        """Take it down and put back what stood there. Convergent."""
