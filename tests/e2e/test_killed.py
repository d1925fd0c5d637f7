"""``kill -9`` of the executor at moments of the night, then ``runbook resume``; and of the way back; and twice."""

from __future__ import annotations

from tests.e2e.system import System

REACHED = ("started", "done", "passed")


def _assert_old_or_new(system: System, code: int, before: object, jobs: dict[str, bool]) -> None:
    assert code in (0, 10)
    role, name = ("new", "NEWSQL") if code == 0 else ("old", "OLDSQL")
    assert system.serves_from() == name
    assert system.get("/")[0] == 200
    assert system.content(role) == before
    assert system.jobs(role) == jobs
    assert system.runbook("audit", "verify").code == 0


def test_killed_at_the_pivot(sandbox: System) -> None:
    """Resumed, it ends new or old, whole."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    process = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    sandbox.kill_when(process, lambda: sandbox.step("open-gate") in REACHED)
    assert sandbox.status()["state"] in ("interrupted", "upgraded")
    done = sandbox.runbook("resume")
    code = 0 if sandbox.status()["state"] == "upgraded" else done.code
    _assert_old_or_new(sandbox, code, before, jobs)


def test_killed_between_old_and_new(sandbox: System) -> None:
    """With databases on neither side: a changed plan is refused, the servers cannot be reset, and a resume goes on."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    process = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    sandbox.kill_when(process, lambda: sandbox.step("cut-database[Archive]") in REACHED)
    text = sandbox.plan.read_text(encoding="utf-8")
    sandbox.plan.write_text(text.replace("grace: 3s", "grace: 4s"), encoding="utf-8")
    refused = sandbox.runbook("resume")
    assert (refused.code, "grace" in refused.err, "HINT" in refused.err) == (30, True, True), refused.err
    sandbox.plan.write_text(text, encoding="utf-8")
    reset = sandbox.runbook("sandbox", "reset", str(sandbox.plan), "--yes")
    assert (reset.code, "has not ended" in reset.err) == (30, True), "the servers are not taken from under a run"
    _assert_old_or_new(sandbox, sandbox.runbook("resume").code, before, jobs)


def test_killed_on_the_way_back_and_again(sandbox: System) -> None:
    """Killed while it goes back, killed again while it resumes that: the old setup is back all the same."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.servers.fault("new", "corrupt", r"RESTORE DATABASE \[Contacts\] WITH RECOVERY", times=1)
    sandbox.servers.fault("old", "slow", r"RESTORE DATABASE \[[A-Z]\w+\] WITH RECOVERY", seconds=1)
    process = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    sandbox.kill_when(process, lambda: sandbox.step("cut-database[Contacts]") in ("undoing", "undone"))
    assert sandbox.status()["state"] == "interrupted"
    again = sandbox.begin("resume")
    sandbox.kill_when(again, lambda: sandbox.step("cut-database[Billing]") in ("undoing", "undone"))
    done = sandbox.runbook("resume")
    assert done.code == 10 or sandbox.status()["state"] == "reverted", done.out + done.err
    _assert_old_or_new(sandbox, 10, before, jobs)


def test_the_server_is_killed(sandbox: System) -> None:
    """The new server dies in the middle of a restore and is started again: new or old, whole."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.servers.fault("new", "kill", r"RESTORE LOG \[Billing\]", times=1)
    done = sandbox.execute()
    _assert_old_or_new(sandbox, done.code, before, jobs)
