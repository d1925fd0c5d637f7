"""What the public is told: true to the journal, word by word and service by service."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from runbook.events import Draft, Kind
from runbook.front import Rule, closed_to
from runbook.journal.log import RunLog
from runbook.plan.load import load_plan
from runbook.publictext import message, public_rules, public_text
from tests.scenario.night import Night

GOOD = Path(__file__).parents[2] / "cases" / "plans" / "good" / "nginx" / "runbook.yaml"


@pytest.fixture
def opened(tmp_path: Path) -> tuple[Night, RunLog]:
    night = Night(tmp_path)
    night.open()
    return night, RunLog.load(night.store, night.run_id, actor="test", now=night.world.clock.now)


def test_the_message_follows_the_run(opened: tuple[Night, RunLog]) -> None:
    """Planned, overrunning, reverting, emergency: each in its own words, and no time is promised that is gone."""
    night, log = opened
    now = night.world.clock.now()
    view = log.view
    assert "until 11:00 UTC at the latest" in message(view, now)
    assert "taking longer than announced" in message(view, view.closes_at + timedelta(seconds=1))
    log.append(Draft(Kind.TURNED_BACK, None, {"reason": "x"}))
    assert "rolled back" in message(view, now)
    log.append(Draft(Kind.HELD, None, {"reason": "x", "hint": "y", "live": False}))
    told = message(view, now)
    assert "Something went wrong" in told
    assert "11:00" not in told


def test_a_page_without_a_place_for_the_message_says_it_all_the_same(opened: tuple[Night, RunLog]) -> None:
    """The plan's own words are about a night that goes as planned; when it does not, the truth stands below them."""
    night, log = opened
    now = night.world.clock.now()
    assert public_text(log.view, now, night.plan) == "planned maintenance, back by 11:00 UTC"
    log.append(Draft(Kind.TURNED_BACK, None, {"reason": "x"}))
    lines = public_text(log.view, now, night.plan).splitlines()
    assert lines[1:] == [message(log.view, now)]
    assert "rolled back" in lines[1]


def test_every_service_has_its_rule_and_the_rest_the_page(opened: tuple[Night, RunLog]) -> None:
    """Machines get 503, their own type and when to come back; what reaches the application has no answer."""
    night, log = opened
    plan = load_plan(GOOD)
    rules = public_rules(log.view, night.world.clock.now(), plan)

    def rule(path: str, name: str = "www.example.com") -> Rule:
        found = closed_to(rules, path, name)
        assert found is not None
        return found

    through = [rule(path).answer for path in ("/images/a.gif", "/go/1", "/replies")]
    assert through == [None, None, None]
    api = rule("/api/x").answer
    assert api is not None
    assert (api.status, api.retry_after, api.content_type) == (503, 1200, "application/json")
    assert "planned maintenance until 11:00 UTC" in json.loads(api.body)["error"]
    pixel = rule("/t/1", "t.example.com").answer
    assert pixel is not None
    assert (pixel.status, pixel.body, pixel.retry_after) == (200, b"GIF89a", None)
    page = rule("/anything").answer
    assert page is not None
    assert (page.status, page.retry_after) == (503, 600)
    assert b"planned maintenance until 11:00 UTC" in page.body
    assert rule("/t/1").answer == page, "the tracker answers under its own name only"


def test_without_impacts_all_is_unavailable(opened: tuple[Night, RunLog]) -> None:
    """One rule, for everybody, with the page of the plan."""
    night, log = opened
    (rule,) = public_rules(log.view, night.world.clock.now(), night.plan)
    assert rule.answer is not None
    assert (rule.paths, rule.names, rule.answer.body) == ((), (), b"planned maintenance, back by 11:00 UTC")
