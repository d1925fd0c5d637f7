"""What ``runbook plan`` says of where its figures come from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from runbook.cli.show import outline


def step(identity: str, source: str) -> dict[str, Any]:
    about = {"phase": "offline", "pivot": False, "irreversible": False, "undo": []}
    return {"id": identity, "budget_s": 2.0, "undo_budget_s": 1.0, "budget_from": source, **about}


def test_whose_each_figure_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A word for each step; below, how many of each kind, how old they are, and the largest error."""
    steps = [
        step("a", "computed"),
        step("b", "stated"),
        step("c", "rehearsed 2026-11-20, 2 days old (loads: 2, error up to 5%)"),
        step("d", "rehearsed 2026-11-20, 2 days old (loads: 1, error up to 31%, way back computed)"),
        step("e", "rehearsed 2026-11-20, 2 days old; run 2026-11-22, today (loads: 4, error up to 7%)"),
    ]
    numbers = dict.fromkeys(("forward_s", "way_back_s", "reserve_s", "window_s", "turn_back_after_s"), 1.0)
    data = {"plan": "p", "strategy": "scripts", "steps": steps, "sizes_unknown": "", "fits": True, **numbers}
    outline(SimpleNamespace(to_json=lambda: data))
    lines = capsys.readouterr().out.splitlines()
    words = {line.split()[0]: line.split()[5] for line in lines if line.split()[0] in "abcde"}
    assert words == {"a": "computed", "b": "stated", "c": "rehearsed", "d": "rehearsed", "e": "rehearsed+run"}
    assert [line for line in lines if line.startswith("budgets of")] == [
        "budgets of 1 step: computed from sizes, nothing was measured",
        "budgets of 1 step: stated in the plan",
        "budgets of 2 steps: rehearsed 2026-11-20, 2 days old, error up to 31 %",
        "budgets of 1 step: rehearsed 2026-11-20, 2 days old; run 2026-11-22, today, error up to 7 %",
    ]
