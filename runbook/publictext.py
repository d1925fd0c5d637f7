"""What the public is told: true to the state of the journal, never a default."""

from __future__ import annotations

from datetime import datetime

from runbook.runview import RunView
from runbook.states import RunState


def public_text(run: RunView, now: datetime) -> str:
    """One or two sentences for people who wait, with the promised time in UTC."""
    until = f"{run.closes_at:%H:%M} UTC"
    if run.state is RunState.HELD:
        return "The planned maintenance is taking longer than announced. We are working on it. Nothing is lost."
    if run.turned_back:
        return f"The planned maintenance is being rolled back to the earlier setup. We expect to be back by {until}."
    if now > run.closes_at:
        return "The planned maintenance is taking longer than announced. We are working on it. Nothing is lost."
    return f"We are down for planned maintenance until {until} at the latest. Please try again in a few hours."
