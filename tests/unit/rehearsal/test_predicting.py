"""Budgets that come from rehearsals: what execute, plan and check compute with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.graph import Node
from runbook.home import Home
from runbook.plan.compile import compile_plan
from runbook.plan.models import Plan
from runbook.registry import step_kinds
from runbook.rehearsal import certificate
from runbook.rehearsal.predicting import experience
from runbook.step import Sizes
from tests.unit.rehearsal.made import GATE, HEAD, POINT, plan_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MIB = 2**20
TWO = "databases: [{name: Contacts}, {name: Archive}]\n"
STEPS = {
    "seed-backup[Contacts]": {"do_s": 1.0 + 0.02 * 20, "undo_s": 0.1},
    "seed-backup[Archive]": {"do_s": 1.0 + 0.02 * 110, "undo_s": 0.1},
    "close-gate": {"do_s": 0.4, "undo_s": 0.3},
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home", "sqlite://")


def two(directory: Path, more: str = "") -> Plan:
    return plan_of(directory, HEAD.replace("databases: [{name: Contacts}]\n", TWO) + GATE + POINT + more)


def rehearsed(home: Home, at: datetime = NOW - timedelta(days=2), **more: Any) -> None:
    measured = {"steps": STEPS, "sizes": {"contacts": 10 * MIB, "archive": 100 * MIB}, "machine": {}}
    record = {"plan": "small", "fingerprint": "", "at": at.isoformat(), "on": "container", "right": True, "whole": True,
              "not_rehearsed": [], "measured": measured, **more}  # fmt: skip
    certificate.write(home, f"{at:%Y%m%d}", record)


def node(plan: Plan, home: Home, step: str, gib: float = 1.0) -> Node:
    sizes = Sizes({"contacts": int(gib * 2**30), "archive": int(gib * 2**30)})
    return compile_plan(plan, step_kinds(), sizes, experience(home, None, plan, NOW)).graph[step]


def test_a_rehearsal_is_scaled_to_the_real_size(home: Home, tmp_path: Path) -> None:
    """1 s and 20 ms a MiB of load: 42 s for two GiB, with the error and a bit; and it says where that comes from."""
    rehearsed(home)
    found = node(two(tmp_path), home, "seed-backup[Contacts]")
    assert 42.0 < found.do_budget < 51.0
    assert found.source.startswith("rehearsed 2026-11-20, 2 days old (loads: 2, error up to ")


def test_a_stand_in_makes_no_budget_smaller(home: Home, tmp_path: Path) -> None:
    """What the sandbox took says nothing of how fast real servers are: they are granted what is computed at least."""
    quick = {step: {"do_s": 0.01, "undo_s": 0.01} for step in STEPS}
    rehearsed(home, on="sandbox", measured={"steps": quick, "sizes": {"contacts": 10 * MIB, "archive": 100 * MIB}})
    plan, sizes = two(tmp_path), Sizes({"contacts": 2**30, "archive": 2**30})
    computed = compile_plan(plan, step_kinds(), sizes).graph
    found = compile_plan(plan, step_kinds(), sizes, experience(home, None, plan, NOW)).graph
    for step in STEPS:
        assert found[step].do_budget >= computed[step].do_budget
        assert found[step].undo_budget >= computed[step].undo_budget


def test_much_larger_databases_are_granted_what_is_computed_at_least(home: Home, tmp_path: Path) -> None:
    """A few MiB say nothing of a terabyte: their line may have no slope at all."""
    flat = {step: {"do_s": 0.1, "undo_s": 0.1} for step in STEPS}
    rehearsed(home, measured={"steps": flat, "sizes": {"contacts": 10 * MIB, "archive": 100 * MIB}})
    plan = two(tmp_path)

    def granted(gib: float) -> tuple[float, float]:
        sizes = Sizes({"contacts": int(gib * 2**30), "archive": int(gib * 2**30)})
        computed = compile_plan(plan, step_kinds(), sizes).graph["seed-backup[Contacts]"].do_budget
        return node(plan, home, "seed-backup[Contacts]", gib).do_budget, computed

    near, _ = granted(0.5)
    assert near == pytest.approx(0.1, abs=1.2)
    far, computed = granted(1000)
    assert far == computed


def test_what_does_not_depend_on_sizes_is_not_scaled(home: Home, tmp_path: Path) -> None:
    """A gate closes as fast with a terabyte behind it."""
    rehearsed(home)
    found = node(two(tmp_path), home, "close-gate", gib=1000)
    assert found.do_budget == pytest.approx(1.4)
    assert found.undo_budget == pytest.approx(1.3)


def test_what_was_not_rehearsed_is_computed(home: Home, tmp_path: Path) -> None:
    """As without any rehearsal."""
    plan = two(tmp_path)
    before = node(plan, home, "recover-database[Contacts]")
    rehearsed(home)
    assert node(plan, home, "recover-database[Contacts]") == before
    assert before.source == "computed"


def test_what_the_plan_states_comes_first(home: Home, tmp_path: Path) -> None:
    """The other way keeps what was measured."""
    rehearsed(home)
    found = node(two(tmp_path, "budgets: {close-gate: {do: 9s}}\n"), home, "close-gate")
    assert (found.do_budget, found.source) == (9.0, "stated")
    assert found.undo_budget == pytest.approx(1.3)


def test_an_old_rehearsal_says_nothing_any_more(home: Home, tmp_path: Path) -> None:
    """Nor one of another plan, nor one from the future, nor a file that is none."""
    rehearsed(home, NOW + timedelta(hours=1))
    rehearsed(home, NOW - timedelta(days=15))
    rehearsed(home, NOW - timedelta(days=1), plan="other")
    rehearsed(home, (NOW - timedelta(days=3)).replace(tzinfo=None))  # it does not say of which zone
    (home.directory / "rehearsed" / "z.json").write_text("{", encoding="utf-8")
    assert node(two(tmp_path), home, "close-gate").source == "computed"
