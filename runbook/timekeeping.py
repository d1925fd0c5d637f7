"""Telling the record that a clock jumped, or disagrees with another machine's: by how much, and what counts now.

What happened cannot be told from the clocks: one that is ahead may have been set, or the machine slept. So nothing is
concluded. Time counts by whichever says that more of it has gone, and a person reads why.
"""

from __future__ import annotations

from runbook.events import Draft, Kind
from runbook.journal.log import RunLog
from runbook.window import CLOCK_STEP, SteadyNow


def note_jump(log: RunLog, now: SteadyNow, whose: str = "the clock") -> str:
    """Note that the wall clock jumped since this was asked last; returns what was noted, empty when it runs evenly."""
    jumped = now.step()
    if not jumped:
        return ""
    log.buffer(Draft(Kind.CLOCK_STEPPED, None, {"seconds": round(jumped, 3)}))
    closes = f"the window closes at {log.view.closes_at:%H:%M:%S} UTC"
    if jumped < 0:
        return _note(
            log, f"{whose} was set back by {-jumped:.0f} s: time is counted on evenly, and {closes} by that count"
        )
    return _note(
        log,
        f"{whose} jumped ahead by {jumped:.0f} s: whether it was set or this machine stood still cannot be told, so "
        f"that time counts as gone, and {closes}",
    )


def note_behind(log: RunLog, seconds: float, whose: str = "the clock") -> str:
    """Note that it is behind the record by that much, if that is more than two clocks may differ."""
    if seconds <= CLOCK_STEP:
        return ""
    log.buffer(Draft(Kind.CLOCK_STEPPED, None, {"seconds": -round(seconds, 3)}))
    return _note(log, f"{whose} is {seconds:.0f} s behind the record: time is counted from its last row on")


def _note(log: RunLog, text: str) -> str:
    log.buffer(Draft(Kind.NOTE, None, {"text": text, "finding": True}))
    return text
