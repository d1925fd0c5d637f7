"""What cannot work is refused, clearly, and nothing is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.system import System

PASSWORD = "Not-enough-1"
SOURCE = "sandbox://OLDSQL?version=2019"

WRONG_PLANS = {
    "an unknown key": ((("strategy:", "strategie:"),), "strategie"),
    "another identity": ((("server_name: OLDSQL", "server_name: OTHER"),), "OTHER"),
    "a database that is not there": ((("- name: Billing", "- name: Billings"),), "Billings"),
    "source and target swapped": ((("source: old", "source: new"), ("target: new", "target: old")), ""),
}


@pytest.fixture
def refusing(untouched: System) -> System:
    """The system, with a file that holds a password; other servers than the sandbox are skipped by name."""
    if not untouched.servers.is_sandbox:
        pytest.skip("these edits are of the sandbox's plan, these servers are named by RUNBOOK_TEST_OLD")
    (untouched.plan.parent / "pw").write_text(PASSWORD, encoding="utf-8")
    return untouched


def _all(system: System) -> tuple[Any, ...]:
    return system.states("old"), system.states("new"), system.jobs("old"), system.get("/")[0]


def _by_password(port: int, user: str) -> str:
    return f"mssql://127.0.0.1:{port}\n    user: {user}\n    password: file:pw\n    encrypt: false"


def _port(system: System) -> int:
    facts = json.loads((system.servers.directory("old") / "server.json").read_text(encoding="utf-8"))
    return int(facts["port"])


def _refused(system: System, *changes: tuple[str, str]) -> str:
    """Execute a plan with those changes: exit 30, a hint, and everything as it was. Returns what was said."""
    before = _all(system)
    done = system.execute(plan=system.another_plan("wrong.yaml", *changes))
    said = done.out + done.err
    assert done.code == 30, said
    assert "HINT" in said
    assert PASSWORD not in said
    assert _all(system) == before
    return said


@pytest.mark.parametrize("case", WRONG_PLANS)
def test_a_wrong_plan_is_refused(refusing: System, case: str) -> None:
    """Exit 30, the thing named, a hint, and not one statement that changes anything."""
    changes, named = WRONG_PLANS[case]
    assert named in _refused(refusing, *changes)


def test_a_missing_permission_is_refused(refusing: System) -> None:
    """A login that may not do what the night needs is found out before the night."""
    refusing.sql("old", f"CREATE LOGIN helper WITH PASSWORD = N'{PASSWORD}'")
    assert "sysadmin" in _refused(refusing, (SOURCE, _by_password(_port(refusing), "helper")))


def test_an_unreachable_server(refusing: System) -> None:
    """Exit 30 and what to look at, within the login timeout."""
    _refused(refusing, (SOURCE, _by_password(1, "sa")))


def test_a_wrong_password(refusing: System) -> None:
    """Exit 30; the password is in no output."""
    _refused(refusing, (SOURCE, _by_password(_port(refusing), "sa")))


def test_check_and_plan_change_nothing(refusing: System) -> None:
    """Both look, and leave no run behind."""
    before, known = _all(refusing), len(refusing.runbook("runs", "--json").json)
    check = refusing.runbook("check", str(refusing.plan))
    assert check.code == 0, check.out + check.err
    assert "go for" in check.out
    shown = refusing.runbook("plan", str(refusing.plan))
    assert shown.code == 0
    for word in ("turn-back point", "PIVOT", "return-source", "cut-database[Archive]"):
        assert word in shown.out
    sql = refusing.runbook("plan", str(refusing.plan), "--sql").out
    assert "WITH NORECOVERY" in sql
    assert _all(refusing) == before
    assert len(refusing.runbook("runs", "--json").json) == known


def test_a_full_disk_on_the_way(sandbox: System) -> None:
    """The disk under the backups is full at the cut: an orderly way back, also when nobody reads what is printed."""
    before = sandbox.content("old")
    sandbox.servers.fault("old", "disk-full", "BACKUP LOG", times=20)
    process = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    assert process.stdout is not None
    process.stdout.close()  # as ``| head``, or a terminal that went away
    assert process.wait(timeout=240) == 10
    assert sandbox.content("old") == before
    assert sandbox.serves_from() == "OLDSQL"


def test_a_full_disk_under_the_journal(sandbox: System) -> None:
    """The room that was kept for it takes the record of the way back: exit 10, and the reason says why."""
    before = sandbox.content("old")
    sandbox.variables["RUNBOOK_FAILPOINTS"] = "journal.before-append~step-started close-gate=full"
    done = sandbox.execute()
    assert done.code == 10, done.out + done.err
    assert "the disk under the journal is full" in sandbox.status()["reason"]
    assert sandbox.content("old") == before
    assert sandbox.serves_from() == "OLDSQL"
