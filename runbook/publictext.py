"""What the public is told: true to the state of the journal, never a default."""

from __future__ import annotations

import json
from datetime import datetime

from runbook.front import Answer, Rule
from runbook.plan.gates import template_of
from runbook.plan.impacts import RETRY_AFTER, Impact, ImpactAnswer
from runbook.plan.models import Plan
from runbook.runview import RunView
from runbook.states import RunState

UNAVAILABLE = 503
_LONGER = "The planned maintenance is taking longer than announced. We are working on it. Nothing is lost."
_EMERGENCY = (
    "Something went wrong during the planned maintenance. We are working on it, and cannot promise a time yet. "
    "Nothing is lost."
)

_GIVEN_UP = "The planned maintenance is being taken back: the earlier setup returns as it was at"
_KEPT = "What was entered since then is kept aside and not available for now. Please try again later."


def message(run: RunView, now: datetime) -> str:
    """One or two sentences for people who wait, with the promised time in UTC."""
    if run.accepted and run.pivot_at:
        return f"{_GIVEN_UP} {run.pivot_at:%Y-%m-%d %H:%M} UTC. {_KEPT}"
    until = f"{run.closes_at:%H:%M} UTC"
    if run.state is RunState.HELD and not run.waits:
        return _EMERGENCY
    if now > run.closes_at:
        return _LONGER
    if run.turned_back:
        return f"The planned maintenance is being rolled back to the earlier setup. We expect to be back by {until}."
    return f"We are down for planned maintenance until {until} at the latest. Please try again then."


def public_text(run: RunView, now: datetime, plan: Plan) -> str:
    """The plan's page with ``{closes_at}`` and ``{message}`` filled in, or the message alone. When all does not go as
    planned the message is added to a page that has no place for it: the plan's own words are about another night."""
    page = template_of(plan.gate) or "{message}"
    if "{message}" not in page and not _as_planned(run, now):
        page += "\n{message}\n"
    return _filled(page, run, now)


def _as_planned(run: RunView, now: datetime) -> bool:
    held = run.state is RunState.HELD and not run.waits
    return not (run.accepted or run.turned_back or held or now > run.closes_at)


def public_rules(run: RunView, now: datetime, plan: Plan) -> tuple[Rule, ...]:
    """What users meet, service by service; the last one is about all the rest."""
    page = public_text(run, now, plan)
    rules = [_rule(impact, page, run, now) for impact in plan.impacts]
    if not any(not rule.paths and not rule.names for rule in rules):
        rules.append(Rule("all the rest", answer=_answer(ImpactAnswer(), page, run, now)))
    return tuple(rules)


def _rule(impact: Impact, page: str, run: RunView, now: datetime) -> Rule:
    said = impact.answer or (ImpactAnswer() if impact.impact == "unavailable" else None)
    answer = None if said is None else _answer(said, page, run, now)
    return Rule(impact.name, impact.paths, impact.sites, answer)


def _answer(said: ImpactAnswer, page: str, run: RunView, now: datetime) -> Answer:
    body = page if said.body is None else _filled(said.body, run, now, as_json="json" in said.type)
    later = said.retry_after or (RETRY_AFTER if said.status == UNAVAILABLE else None)
    return Answer(said.status, body.encode(), said.type, None if later is None else round(later.total_seconds()))


def _filled(text: str, run: RunView, now: datetime, *, as_json: bool = False) -> str:
    until = "a time still to be told" if run.accepted else f"{run.closes_at:%H:%M} UTC"
    told = message(run, now)
    return text.replace("{closes_at}", until).replace("{message}", json.dumps(told)[1:-1] if as_json else told)
