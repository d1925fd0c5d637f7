"""A rehearsal counts for the plan it was of, all of it, for as long as the plan says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import Refused, UsageError
from runbook.home import Home
from runbook.plan.fingerprint import fingerprint
from runbook.plan.models import Plan
from runbook.rehearsal import certificate
from runbook.rehearsal.predicting import experience
from tests.unit.rehearsal.made import GATE, HEAD, POINT, plan_of

NOW = datetime(2026, 3, 21, 10, tzinfo=UTC)
TEXT = HEAD + GATE + POINT


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, "sqlite://")


def rehearsed(home: Home, plan: Plan, /, days: float = 1.0, **more: Any) -> None:
    at = NOW - timedelta(days=days)
    record = {"plan": plan.name, "fingerprint": fingerprint(plan).digest, "at": at.isoformat(), "on": "sandbox",
              "right": True, "whole": True, "not_rehearsed": ["hosts are not touched"], **more}  # fmt: skip
    certificate.write(home, f"{at:%Y%m%d-%H%M%S}-abcdef", record)


def test_a_fresh_one(home: Home, tmp_path: Path) -> None:
    """The record of the run says when, on what, and what was left out."""
    plan = plan_of(tmp_path, TEXT)
    rehearsed(home, plan)
    said = certificate.finding(home, plan, None, NOW)
    assert said == "rehearsed on sandbox at 2026-03-20 10:00 UTC; not rehearsed: hosts are not touched"


@pytest.mark.parametrize(
    ("days", "more", "said"),
    [
        (None, {}, "never rehearsed"),
        (15, {}, "older than 14d"),
        (1, {"whole": False}, "in part only"),
        (1, {"right": False}, "went wrong"),
        (1, {"fingerprint": "0"}, "was changed"),
        (1, {"plan": "another"}, "never rehearsed"),
        (1, {"at": "2026-03-20T10:00:00"}, "never rehearsed"),  # it does not say of which zone
        (-0.5, {}, "is dated in the future: 2026-03-21 22:00 UTC"),
    ],
)
def test_what_does_not_count(home: Home, tmp_path: Path, days: float | None, more: dict[str, Any], said: str) -> None:
    """Refused, with the reason; a reason of one's own lets it begin, and both are on record."""
    plan = plan_of(tmp_path, TEXT)
    if days is not None:
        rehearsed(home, plan, days, **more)
    with pytest.raises(Refused, match=said):
        certificate.finding(home, plan, None, NOW)
    found = certificate.finding(home, plan, "the vendor was here", NOW)
    assert said in found
    assert "the vendor was here" in found


STEPS = {"close-gate": {"do_s": 0.1}}


@pytest.mark.parametrize(
    "more",
    [
        {"measured": [1]},
        {"measured": "nothing"},
        {"measured": {"steps": STEPS}},
        {"measured": {"steps": {"close-gate": 1}, "sizes": {}}},
        {"measured": {"steps": {"close-gate": {"do_s": "quick"}}, "sizes": {}}},
        {"measured": {"steps": {"close-gate": {"do_s": -1}}, "sizes": {}}},
        {"measured": {"steps": STEPS, "sizes": {}, "grown": 3}},
        {"not_rehearsed": [{"hosts": 1}]},
        {"not_rehearsed": None},
        {"right": "false"},
        {"at": 1},
    ],
    ids=str,
)
def test_one_that_was_edited_by_hand(home: Home, tmp_path: Path, more: dict[str, Any]) -> None:
    """It counts for nothing, and keeps nobody from beginning with a reason, or from computing budgets."""
    plan = plan_of(tmp_path, TEXT)
    rehearsed(home, plan, **more)
    assert list(certificate.records(home, plan.name)) == []
    assert experience(home, None, plan, NOW) is None
    with pytest.raises(Refused, match=r"never rehearsed here; a record cannot be read: it is no record of a rehearsal"):
        certificate.finding(home, plan, None, NOW)
    assert "the vendor was here" in certificate.finding(home, plan, "the vendor was here", NOW)


def test_one_that_cannot_be_read(home: Home, tmp_path: Path) -> None:
    """Whoever rehearsed it, with another account perhaps, is told why that does not count."""
    plan = plan_of(tmp_path, TEXT)
    (home.directory / "rehearsed" / "20260320-100000-abcdef.json").mkdir(parents=True)
    with pytest.raises(Refused, match=r"never rehearsed here; a record cannot be read: is a directory: .*abcdef\.json"):
        certificate.finding(home, plan, None, NOW)


def test_a_wrong_one_after_a_right_one(home: Home, tmp_path: Path) -> None:
    """The newest rehearsal of the plan as it is counts."""
    plan = plan_of(tmp_path, TEXT)
    rehearsed(home, plan, 3)
    rehearsed(home, plan, 2, right=False)
    with pytest.raises(Refused, match="went wrong"):
        certificate.finding(home, plan, None, NOW)


def test_a_part_clears_nothing(home: Home, tmp_path: Path) -> None:
    """A whole rehearsal that went wrong is not made good by a right one of one night; by a whole one it is."""
    plan = plan_of(tmp_path, TEXT)
    rehearsed(home, plan, 4)
    rehearsed(home, plan, 3, right=False)
    rehearsed(home, plan, 2, whole=False)
    with pytest.raises(Refused, match="went wrong"):
        certificate.finding(home, plan, None, NOW)
    rehearsed(home, plan, 1)
    assert certificate.finding(home, plan, None, NOW).startswith("rehearsed on sandbox")


def test_one_that_could_not_be_played(home: Home, tmp_path: Path) -> None:
    """A full disk, say: it takes nothing away from one that went right, makes nothing good, and is named alone."""
    plan = plan_of(tmp_path, TEXT)
    rehearsed(home, plan, 1, right=False, code=30)
    with pytest.raises(Refused, match="nights of the plan small could not be played when it was rehearsed"):
        certificate.finding(home, plan, None, NOW)
    rehearsed(home, plan, 3)
    assert certificate.finding(home, plan, None, NOW).startswith("rehearsed on sandbox at 2026-03-18")
    rehearsed(home, plan, 2, right=False, code=20)
    with pytest.raises(Refused, match="went wrong"):
        certificate.finding(home, plan, None, NOW)


def test_clocks_that_differ_a_little(home: Home, tmp_path: Path) -> None:
    """A few minutes ahead is another machine's clock, and nothing else."""
    plan = plan_of(tmp_path, TEXT)
    rehearsed(home, plan, -4 / (24 * 60))
    assert certificate.finding(home, plan, None, NOW).startswith("rehearsed on sandbox")


def test_one_from_the_future_hides_none(home: Home, tmp_path: Path) -> None:
    """What it says for the plan does not count, whatever was rehearsed before does; that it went wrong does, for
    nobody knows when that was."""
    plan = plan_of(tmp_path, TEXT)
    rehearsed(home, plan, 3)
    rehearsed(home, plan, -1)
    assert "at 2026-03-18 10:00 UTC" in certificate.finding(home, plan, None, NOW)
    rehearsed(home, plan, -2, right=False)
    with pytest.raises(Refused, match="went wrong"):
        certificate.finding(home, plan, None, NOW)


def test_sandbox_servers_need_none(home: Home, tmp_path: Path) -> None:
    """They are throwaway servers themselves, unless the plan says otherwise."""
    text = TEXT.replace("mssql://sql01.example", "sandbox://SQL01?version=2019")
    text = text.replace("mssql://sql02.example", "sandbox://SQL02?version=2022").replace("SQL02\\\\X", "SQL02")
    text = text.replace(', user: sa, password: "env:WD"', "")
    assert certificate.finding(home, plan_of(tmp_path, text), None, NOW) == ""
    with pytest.raises(Refused, match="never rehearsed"):
        certificate.finding(home, plan_of(tmp_path, text + "rehearsal: {required: true}\n"), None, NOW)


def test_how_it_is_rehearsed_may_change(tmp_path: Path) -> None:
    """It is no part of what is rehearsed: the fingerprint stays."""
    longer = TEXT + "rehearsal: {max_age: 30d}\n"
    assert fingerprint(plan_of(tmp_path, TEXT)).digest == fingerprint(plan_of(tmp_path, longer)).digest


def test_a_reason_is_a_reason(home: Home, tmp_path: Path) -> None:
    """Blanks are none."""
    with pytest.raises(UsageError, match="no reason"):
        certificate.finding(home, plan_of(tmp_path, TEXT), "  ", NOW)
