"""The executor is killed and nobody touches a key: the guard brings the system back, old or new, in time."""

from __future__ import annotations

import pytest

from tests.e2e.system import System, wait_until

PHASES = {
    "offline": "effect.after~maintenance.html",
    "snapshot": r"effect.before~BACKUP LOG \[Billing\]",
    "upgrade": r"effect.after~RESTORE DATABASE \[Surveys\] WITH RECOVERY",
    "validate": "journal.after-append~step-passed compare-proof",
}


def _ended(system: System, state: str) -> dict[str, object]:
    """Once the run has ended without anybody's help."""
    wait_until(lambda: bool(system.status()["ended_at"]), 120)
    found = system.status()
    assert found["state"] == state, found["reason"]
    return found


def _in_time(found: dict[str, object]) -> bool:
    return str(found["ended_at"]) <= str(found["closes_at"])


def _who(system: System, kind: str) -> list[int]:
    """Fencing numbers of the rows of a kind."""
    return [row["fence"] for row in system.runbook("audit", "show", "--json").json if row["kind"] == kind]


@pytest.mark.parametrize("phase", PHASES)
def test_killed_going_forward(sandbox: System, phase: str) -> None:
    """The guard goes on to the new setup, as executor 2; the record says who did what."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.guarded = True
    sandbox.variables["RUNBOOK_FAILPOINTS"] = f"{PHASES[phase]}=kill"
    killed = sandbox.execute()
    assert killed.code == -9, killed.out + killed.err
    found = _ended(sandbox, "upgraded")
    assert _in_time(found)
    assert sandbox.serves_from() == "NEWSQL"
    assert (sandbox.get("/")[0], sandbox.content("new"), sandbox.jobs("new")) == (200, before, jobs)
    assert _who(sandbox, "executor-started") == [1, 2]
    assert _who(sandbox, "run-finished") == [2]
    assert sandbox.runbook("audit", "verify").code == 0
