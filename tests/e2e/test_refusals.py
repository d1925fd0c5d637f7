"""What cannot work is refused, clearly, and nothing is touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.system import System

Edit = Callable[[str], str]

WRONG_PLANS = [
    ("an unknown key", lambda t: t.replace("strategy:", "strategie:"), "strategie"),
    ("another identity", lambda t: t.replace("server_name: OLDSQL", "server_name: OTHER"), "OTHER"),
    ("a database that is not there", lambda t: t.replace("- name: Billing", "- name: Billings"), "Billings"),
    (
        "source and target swapped",
        lambda t: t.replace("source: old", "source: new").replace("target: new", "target: old"),
        "",
    ),
]


@pytest.mark.parametrize(("edit", "named"), [(e, n) for _, e, n in WRONG_PLANS], ids=[i for i, _, _ in WRONG_PLANS])
def test_a_wrong_plan_is_refused(make_system: Callable[..., System], edit: Edit, named: str) -> None:
    """Exit 30, the thing named, a hint, and not one statement that changes anything."""
    system = make_system(edit=edit)
    if not system.servers.is_sandbox:
        pytest.skip("these edits are of the sandbox's plan")
    before = (system.states("old"), system.states("new"), system.jobs("old"))
    done = system.execute()
    said = done.out + done.err
    assert done.code == 30, said
    assert named in said
    assert "HINT" in said
    assert (system.states("old"), system.states("new"), system.jobs("old")) == before
    assert system.get("/")[0] == 200


def test_a_missing_permission_is_refused(sandbox: System) -> None:
    """A login that may not do what the night needs is found out before the night."""
    sandbox.sql("old", "CREATE LOGIN helper WITH PASSWORD = N'Not-enough-1'")
    info = sandbox.servers.directory("old") / "server.json"
    text = info.read_text(encoding="utf-8")
    import json

    facts = json.loads(text)
    plan = sandbox.plan.read_text(encoding="utf-8")
    url = f"mssql://127.0.0.1:{facts['port']}\n    user: helper\n    password: file:pw\n    encrypt: false"
    (sandbox.plan.parent / "pw").write_text("Not-enough-1", encoding="utf-8")
    sandbox.plan.write_text(plan.replace("sandbox://OLDSQL?version=2019", url), encoding="utf-8")
    done = sandbox.execute()
    assert done.code == 30, done.out + done.err
    assert "sysadmin" in done.out + done.err


def test_an_unreachable_server(sandbox: System) -> None:
    """Exit 30 and what to look at, within the login timeout."""
    plan = sandbox.plan.read_text(encoding="utf-8")
    url = "mssql://127.0.0.1:1\n    user: sa\n    password: file:pw\n    encrypt: false"
    (sandbox.plan.parent / "pw").write_text("x", encoding="utf-8")
    sandbox.plan.write_text(plan.replace("sandbox://OLDSQL?version=2019", url), encoding="utf-8")
    done = sandbox.execute()
    assert done.code == 30
    assert "HINT" in done.err


def test_a_wrong_password(sandbox: System) -> None:
    """Exit 30; the password is in no output."""
    facts = __import__("json").loads((sandbox.servers.directory("old") / "server.json").read_text())
    plan = sandbox.plan.read_text(encoding="utf-8")
    url = f"mssql://127.0.0.1:{facts['port']}\n    user: sa\n    password: file:pw\n    encrypt: false"
    (sandbox.plan.parent / "pw").write_text("Wrong-password-1", encoding="utf-8")
    sandbox.plan.write_text(plan.replace("sandbox://OLDSQL?version=2019", url), encoding="utf-8")
    done = sandbox.execute()
    assert done.code == 30
    assert "Wrong-password-1" not in done.out + done.err
    assert "HINT" in done.err


def test_a_full_disk_on_the_way(sandbox: System) -> None:
    """The disk under the backups is full at the cut: an orderly way back."""
    before = sandbox.content("old")
    sandbox.servers.fault("old", "disk-full", "BACKUP LOG", times=20)
    done = sandbox.execute()
    assert done.code == 10, done.out + done.err
    assert sandbox.content("old") == before
    assert sandbox.serves_from() == "OLDSQL"


def test_check_and_plan_change_nothing(sandbox: System) -> None:
    """Both look, and leave no run behind."""
    before = (sandbox.states("old"), sandbox.states("new"), sandbox.jobs("old"))
    check = sandbox.runbook("check", str(sandbox.plan))
    assert check.code == 0, check.out + check.err
    assert "go for" in check.out
    shown = sandbox.runbook("plan", str(sandbox.plan))
    assert shown.code == 0
    for word in ("turn-back point", "PIVOT", "return-source", "cut-database[Archive]"):
        assert word in shown.out
    sql = sandbox.runbook("plan", str(sandbox.plan), "--sql").out
    assert "WITH NORECOVERY" in sql
    assert (sandbox.states("old"), sandbox.states("new"), sandbox.jobs("old")) == before
    assert sandbox.runbook("status").code == 2, "there is no run"
