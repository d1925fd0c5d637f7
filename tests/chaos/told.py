"""What came of a story, and how long anybody waits for its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MOST_PROCESSES = 400
PATIENCE = 600.0
"""Seconds after the window at which a person ends a process that still has not come to an end."""


class Broken(AssertionError):
    """A promise was broken; the message says which."""


@dataclass
class Told:
    """What came of a story."""

    ending: str = ""
    broken: list[str] = field(default_factory=list)
    tried: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    promised: str = "not promised"
    """Whether the deadline was promised, and how it came out."""
