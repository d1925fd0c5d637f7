"""What users meet while the gate is closed, service by service, in words that every kind of front end understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
