"""How long a lease lasts. Apart from the lease itself, so that the command line can check it without the journal."""

from __future__ import annotations

import os
from contextlib import suppress

from runbook.errors import UsageError

TERM = 15.0
"""Seconds without a heartbeat after which another executor may take over."""
VARIABLE = "RUNBOOK_LEASE"
"""Environment variable: another term, for tests that cannot wait that long."""
SHORTEST, LONGEST = 1.0, 600.0


def term() -> float:
    """Seconds of a lease that is taken now: TERM, or what RUNBOOK_LEASE says; UsageError for what is no such number.

    Every lease carries its own, so that whoever watches it goes by that one.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return TERM
    with suppress(ValueError):
        if SHORTEST <= (seconds := float(text)) <= LONGEST:
            return seconds
    raise UsageError(
        f"{VARIABLE}: {text!r} is no term of a lease",
        hint=f"Give seconds, {SHORTEST:.0f} to {LONGEST:.0f}, or leave it away: {TERM:.0f} is the term outside tests.",
    )


def beat_every() -> float:
    """Seconds between two heartbeats."""
    return term() / 3
