"""What the public is told: true to the state of the journal, never a default."""

from __future__ import annotations

from datetime import datetime

from runbook.plan.models import Plan
from runbook.plan.sections import FileGate
from runbook.runview import RunView
from runbook.states import RunState

_LONGER = "The planned maintenance is taking longer than announced. We are working on it. Nothing is lost."

_GIVEN_UP = "The planned maintenance is being taken back: the earlier setup returns as it was at"
_KEPT = "What was entered since then is kept aside and not available for now. Please try again later."


def message(run: RunView, now: datetime) -> str:
    """One or two sentences for people who wait, with the promised time in UTC."""
    if run.accepted and run.pivot_at:
        return f"{_GIVEN_UP} {run.pivot_at:%Y-%m-%d %H:%M} UTC. {_KEPT}"
    until = f"{run.closes_at:%H:%M} UTC"
    if run.state is RunState.HELD or now > run.closes_at:
        return _LONGER
    if run.turned_back:
        return f"The planned maintenance is being rolled back to the earlier setup. We expect to be back by {until}."
    return f"We are down for planned maintenance until {until} at the latest. Please try again in a few hours."


def public_text(run: RunView, now: datetime, plan: Plan) -> str:
    """The plan's page with ``{closes_at}`` and ``{message}`` filled in, or the message alone. On a way back past the
    pivot the message is added to a page that has no place for it: nobody could promise a time for that."""
    gate = plan.gate
    page = "{message}"
    if isinstance(gate, FileGate) and gate.content is not None:
        page = (plan.directory / gate.content).read_text(encoding="utf-8")
    elif isinstance(gate, FileGate) and gate.text is not None:
        page = gate.text
    if run.accepted and "{message}" not in page:
        page += "\n{message}\n"  # the plan's own words are about a night that was over
    until = "a time still to be told" if run.accepted else f"{run.closes_at:%H:%M} UTC"
    return page.replace("{closes_at}", until).replace("{message}", message(run, now))
