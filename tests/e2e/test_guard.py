"""The executor is killed and nobody touches a key: the guard brings the system back, old or new, in time."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.e2e.system import System, is_stopped, wait_until

FORWARD = {
    "offline": "effect.after~maintenance.html",
    "snapshot": r"effect.before~BACKUP LOG \[Billing\]",
    "upgrade": r"effect.after~RESTORE DATABASE \[Surveys\] WITH RECOVERY",
    "validate": "journal.after-append~step-passed compare-proof",
}
CORRUPT = r"RESTORE DATABASE \[Contacts\] WITH RECOVERY"


def _killed(system: System, failpoint: str) -> None:
    """Execute with a guard; the executor is killed there."""
    system.guarded = True
    system.variables["RUNBOOK_FAILPOINTS"] = f"{failpoint}=kill"
    killed = system.execute()
    assert killed.code == -signal.SIGKILL, killed.out + killed.err
    del system.variables["RUNBOOK_FAILPOINTS"]


def _assert_ended(system: System, state: str, before: object, jobs: object) -> None:
    """It ended without anybody's help, in time, whole, and the record says who did what."""
    wait_until(system.has_ended, 120)
    found = system.status()
    assert found["state"] == state, found["reason"]
    assert found["ended_at"] <= found["closes_at"]
    role, name = ("new", "NEWSQL") if state == "upgraded" else ("old", "OLDSQL")
    assert (system.serves_from(), system.get("/")[0]) == (name, 200)
    assert (system.content(role), system.jobs(role)) == (before, jobs)
    assert system.runbook("audit", "verify").code == 0


def _rows(system: System, *kinds: str) -> list[tuple[str, int]]:
    """Kind and fencing number of the rows of these kinds."""
    return [
        (row["kind"], row["fence"]) for row in system.runbook("audit", "show", "--json").json if row["kind"] in kinds
    ]


@pytest.mark.parametrize("phase", FORWARD)
def test_killed_going_forward(sandbox: System, phase: str) -> None:
    """The guard goes on to the new setup, as executor 2; the record says who did what."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    _killed(sandbox, FORWARD[phase])
    _assert_ended(sandbox, "upgraded", before, jobs)
    told = _rows(sandbox, "executor-started", "run-finished")
    assert told == [("executor-started", 1), ("executor-started", 2), ("run-finished", 2)]
    found = sandbox.status()
    assert [one["fence"] for one in found["executors"]] == [1, 2]
    first, second = (one["owner"] for one in found["executors"])
    assert f"executor 1 ({first}) was lost; a guard took over as executor 2 ({second})" in found["findings"]
    assert f"driven by: {first} as executor 1, then {second} as executor 2" in sandbox.runbook("status").out


def test_killed_on_the_way_back(sandbox: System) -> None:
    """The guard goes on with the way back; killed as well, the guard of the guard does."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.servers.fault("new", "corrupt", CORRUPT, times=1)
    sandbox.variables["RUNBOOK_GUARD_FAILPOINTS"] = r"journal.after-append~undo-done cut-database\[Billing\]=kill"
    _killed(sandbox, r"journal.after-append~undo-started cut-database\[Contacts\]")
    _assert_ended(sandbox, "reverted", before, jobs)
    assert [kind for kind, _ in _rows(sandbox, "executor-started", "turned-back")].count("executor-started") >= 2


def test_the_plan_may_want_to_go_back_when_the_executor_is_lost(sandbox: System) -> None:
    """``on_loss: revert``."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.plan = sandbox.another_plan("careful.yaml", ("limits:", "on_loss: revert\nlimits:"))
    _killed(sandbox, FORWARD["upgrade"])
    _assert_ended(sandbox, "reverted", before, jobs)
    assert "the plan wants to go back" in sandbox.status()["reason"]


def test_killed_in_the_pivot(sandbox: System) -> None:
    """The gate is open and nobody recorded it: the guard looks, and leaves the rest to a person."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    _killed(sandbox, r"effect.after~take the maintenance page at .* away")
    wait_until(lambda: any("after the gate opened" in one for one in sandbox.status()["findings"]), 60)
    found = sandbox.status()
    assert (found["state"], found["gate"], sandbox.step("open-gate")) == ("interrupted", "open", "done")
    assert sandbox.step("enable-jobs") == "pending"
    assert (sandbox.serves_from(), sandbox.get("/")[0]) == ("NEWSQL", 200)
    assert sandbox.runbook("resume").code == 0
    _assert_ended(sandbox, "upgraded", before, jobs)


def test_a_stopped_executor_that_wakes_after_the_takeover_does_nothing_more(sandbox: System) -> None:
    """SIGSTOP in front of a statement, on another machine, where the guard cannot kill it; SIGCONT when all is over.

    One worker: a file as journal is one machine's own, and another thread stopped in a write of it would keep it.
    """
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.plan = sandbox.another_plan("one.yaml", ("limits: {workers: 8}", "limits: {workers: 1}"))
    sandbox.variables |= {
        "RUNBOOK_HOST": "elsewhere",
        "RUNBOOK_FAILPOINTS": r"effect.before~RESTORE LOG \[Billing\]=stop",
    }
    stopped = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    wait_until(lambda: os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None, 60)
    sandbox.variables.clear()
    guard = sandbox.begin("guard")
    _assert_ended(sandbox, "upgraded", before, jobs)
    assert guard.wait(30) == 0
    sent = sandbox.sent_by(1)
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(60) == 40
    assert sandbox.sent_by(1) == sent
    assert sandbox.content("new") == before
    took = [row for row in sandbox.runbook("audit", "show", "--json").json if row["kind"] == "executor-started"]
    assert [row["fence"] for row in took] == [1, 2]


@pytest.mark.parametrize("place", ["journal.after-append~step-started close-gate", "file.before-replace~maintenance"])
def test_a_stopped_executor_does_not_close_the_gate_when_it_wakes(sandbox: System, place: str) -> None:
    """Stopped with the maintenance page in hand, on another machine; a person goes back meanwhile. When it wakes up,
    the system stays in service: neither the row it needs nor the page it had ready are to be had."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.plan = sandbox.another_plan("one.yaml", ("limits: {workers: 8}", "limits: {workers: 1}"))
    sandbox.variables |= {"RUNBOOK_HOST": "elsewhere", "RUNBOOK_FAILPOINTS": f"{place}=stop", "RUNBOOK_LEASE": "3"}
    stopped = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    wait_until(lambda: is_stopped(stopped.pid), 60)
    sandbox.variables.clear()
    wait_until(lambda: sandbox.status()["state"] == "interrupted", 60)
    assert sandbox.runbook("revert", "--yes").code == 10
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(60) == 40
    _assert_ended(sandbox, "reverted", before, jobs)


def test_an_executor_that_hangs_on_this_machine_is_killed(sandbox: System) -> None:
    """Stopped where nothing can wake it: the guard ends it when its lease lapses, and goes on."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.guarded = True
    sandbox.variables["RUNBOOK_FAILPOINTS"] = r"effect.before~BACKUP LOG \[Billing\]=stop"
    hung = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    assert hung.wait(120) == -signal.SIGKILL
    _assert_ended(sandbox, "upgraded", before, jobs)
    assert any("hung and was killed" in note for note in sandbox.status()["findings"])


def test_an_executor_that_hangs_while_it_writes_the_journal_is_killed(sandbox: System) -> None:
    """Nobody else can write then, and the guard comes to its journal first: it ends the one that holds it."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.guarded = True
    sandbox.variables |= {"RUNBOOK_FAILPOINTS": "journal.before-commit=stop@90", "RUNBOOK_LEASE": "3"}
    hung = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    assert hung.wait(120) == -signal.SIGKILL
    _assert_ended(sandbox, "upgraded", before, jobs)
    assert any("hung and was killed" in note for note in sandbox.status()["findings"])


def test_without_a_guard_resume_ends_the_one_that_hangs_while_it_writes(sandbox: System) -> None:
    """Once its lease has lapsed; nobody has to find out which process it is."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.variables |= {"RUNBOOK_FAILPOINTS": "journal.before-commit=stop@90", "RUNBOOK_LEASE": "3"}
    hung = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    wait_until(lambda: os.waitid(os.P_PID, hung.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None, 60)
    sandbox.variables["RUNBOOK_FAILPOINTS"] = ""
    wait_until(lambda: sandbox.status()["state"] == "interrupted", 30)
    done = sandbox.runbook("resume")
    assert done.code == 0, done.out + done.err
    assert hung.wait(10) == -signal.SIGKILL
    _assert_ended(sandbox, "upgraded", before, jobs)


def test_stopped_on_purpose_it_is_left_alone_until_the_turn_back_point(sandbox: System) -> None:
    """SIGTERM: exit 40, and the guard waits for whoever did that; nobody comes, and the old setup is back in time."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.guarded = True
    process = sandbox.begin("execute", str(sandbox.plan), "--window", "60s", "--yes")
    wait_until(lambda: sandbox.step("close-gate") == "done")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 40
    found = sandbox.status()
    assert found["state"] == "interrupted"
    assert [(one["process"], one["alive"], one["unfit"]) for one in found["guards"]] == [
        (sandbox.guards()[0], True, "")
    ]
    _assert_ended(sandbox, "reverted", before, jobs)
    assert "turn-back point" in sandbox.status()["reason"]


def test_a_guard_whose_login_is_refused_says_so_when_it_begins(sandbox: System) -> None:
    """18456: exit 30, named with the server, and in ``status`` for whoever relies on that guard."""
    secret = sandbox.plan.parent / "pw"
    secret.write_text("Right-enough-1", encoding="utf-8")
    sandbox.sql("old", "CREATE LOGIN helper WITH PASSWORD = N'Right-enough-1'")
    sandbox.sql("old", "ALTER SERVER ROLE sysadmin ADD MEMBER helper")
    facts = json.loads((sandbox.servers.directory("old") / "server.json").read_text(encoding="utf-8"))
    login = f"mssql://127.0.0.1:{facts['port']}\n    user: helper\n    password: file:pw\n    encrypt: false"
    sandbox.plan = sandbox.another_plan("helper.yaml", ("sandbox://OLDSQL?version=2019", login))
    sandbox.variables["RUNBOOK_FAILPOINTS"] = f"{FORWARD['offline']}=kill"
    assert sandbox.execute().code == -signal.SIGKILL
    sandbox.variables.clear()
    secret.write_text("Wrong-enough-1", encoding="utf-8")
    refused = sandbox.runbook("guard")
    assert refused.code == 30, refused.out + refused.err
    assert "refuses the login helper" in refused.err
    assert any("could not take over: old" in one and "helper" in one for one in sandbox.status()["findings"])
    assert "could not take over: old" in sandbox.runbook("status").out


def test_killed_after_the_last_row(sandbox: System) -> None:
    """The run is over and its marker would stay: the guard gives the instances back, and ends."""
    sandbox.servers.fault("new", "corrupt", CORRUPT, times=1)
    _killed(sandbox, "journal.after-append~run-finished")
    assert sandbox.status()["state"] == "reverted"
    wait_until(lambda: not sandbox.guards(), 60)
    for role in ("old", "new"):
        assert sandbox.sql(role, "SELECT name FROM msdb.sys.tables WHERE name LIKE N'runbook%'", "msdb") == []
