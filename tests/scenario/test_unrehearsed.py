"""Whether a plan was rehearsed is asked of the plan that is executed, not of the one that a person was shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.commands import runs
from runbook.errors import Refused
from runbook.plan.models import Plan
from tests.scenario.night import Night


def test_a_plan_that_was_changed_meanwhile_opens_no_run(tmp_path: Path) -> None:
    """Somebody edits it while a person is asked whether to begin: refused, and there is no run."""
    night, asked = Night(tmp_path), list[Plan]()

    def rehearsed(plan: Plan) -> str:
        asked.append(plan)
        raise Refused("the plan was changed", hint="Rehearse it.")

    with pytest.raises(Refused, match="was changed"):
        runs.execute(night.executor(), night.plan.path, None, rehearsed)
    assert [plan.path for plan in asked] == [night.plan.path]
    assert night.executor().store.run_ids() == []
