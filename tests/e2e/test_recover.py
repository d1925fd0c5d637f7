"""The executor is killed and its journal is gone: rebuilt from its second place, the night ends old or new."""

from __future__ import annotations

import json
import sqlite3

import pytest

from tests.e2e.system import System

REACHED = ("started", "done", "passed")


def _lose_journal(system: System) -> None:
    for file in system.home.glob("journal.db*"):
        file.unlink()


def _killed_between(system: System) -> str:
    process = system.begin("execute", str(system.plan), "--window", "10m", "--yes")
    system.kill_when(process, lambda: system.step("cut-database[Archive]") in REACHED)
    return str(system.status()["run"])


def _resume(system: System, before: object, jobs: dict[str, bool]) -> None:
    """It ends old or new, whole, with a record that holds."""
    code = system.runbook("resume", "--plan", str(system.plan)).code
    assert code in (0, 10)
    role, name = ("new", "NEWSQL") if code == 0 else ("old", "OLDSQL")
    assert system.serves_from() == name
    assert system.get("/")[0] == 200
    assert system.content(role) == before
    assert system.jobs(role) == jobs
    assert system.runbook("audit", "verify").code == 0


@pytest.mark.parametrize("where", ["server", "directory"])
def test_killed_and_the_journal_deleted(sandbox: System, where: str) -> None:
    """Killed between old and new, all of the journal deleted: recover, resume, and every row is where it belongs."""
    if where == "directory":
        (sandbox.plan.parent / "share").mkdir()
        sandbox.plan = sandbox.another_plan("shared.yaml", ("\nwindow:", "\njournal_copy: share\nwindow:"))
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    run_id = _killed_between(sandbox)
    _lose_journal(sandbox)
    nothing = sandbox.runbook("resume", "--plan", str(sandbox.plan))
    assert nothing.code == 2, nothing.err
    asked = sandbox.runbook("recover", "--plan", str(sandbox.plan))
    assert (asked.code, "--yes" in asked.err) == (2, True), asked.err
    done = sandbox.runbook("recover", "--plan", str(sandbox.plan), "--yes")
    assert done.code == 0, done.out + done.err
    assert f"runbook resume {run_id}" in done.out
    assert sandbox.status()["state"] == "interrupted"
    _resume(sandbox, before, jobs)


def test_an_older_journal_is_refused_and_completed(sandbox: System) -> None:
    """A backup of the journal from earlier in the night is put back: a resume is refused by what the server has seen,
    naming the remedy; recover completes it, and the night goes on."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    run_id = _killed_between(sandbox)
    file = sandbox.home / "journal.db"
    newest = sqlite3.connect(file)
    rows = newest.execute("SELECT * FROM runbook_event WHERE n <= 40 ORDER BY n").fetchall()
    schema = [sql for (sql,) in newest.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")]
    newest.close()
    _lose_journal(sandbox)
    older = sqlite3.connect(file)
    for statement in schema:
        older.execute(statement)
    older.executemany(f"INSERT INTO runbook_event VALUES ({', '.join('?' * len(rows[0]))})", rows)
    older.execute("INSERT INTO runbook_head VALUES (?, ?, ?, ?)", (run_id, 40, rows[-1][-1], 1))
    older.commit()
    older.close()
    refused = sandbox.runbook("resume")
    assert refused.code == 30, refused.out + refused.err
    assert "this journal is older than" in refused.err
    assert f"runbook recover {run_id}" in refused.err
    done = sandbox.runbook("recover", run_id, "--plan", str(sandbox.plan), "--yes", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert (found["run"], found["lost"]) == (run_id, {})
    assert 40 <= found["rows_before"] < found["rows"]
    _resume(sandbox, before, jobs)


def test_bad_input_is_named(untouched: System) -> None:
    """No copy, no such directory, two copies that disagree, no rights: each with a hint, and nothing is written."""
    plan = str(untouched.plan)
    nothing = untouched.runbook("recover", "--plan", plan, "--yes")
    assert (nothing.code, "no copy of any run" in nothing.err, "HINT" in nothing.err) == (30, True, True), nothing.err
    nowhere = untouched.runbook("recover", "--plan", plan, "--yes", "--from", str(untouched.home / "nowhere"))
    assert (nowhere.code, "is not there" in nowhere.err, "HINT" in nowhere.err) == (30, True, True), nowhere.err
    damaged = untouched.home / "damaged"
    damaged.mkdir()
    (damaged / "20260101-000000-abcd.journal").write_text(json.dumps({"run_id": "x"}) + "\n", encoding="utf-8")
    broken = untouched.runbook("recover", "--plan", plan, "--yes", "--from", str(damaged))
    assert (broken.code, "is damaged at line 1" in broken.err) == (20, True), broken.err
    untouched.sql("old", "CREATE LOGIN [reader] WITH PASSWORD = N'Sm0ke!Signal', CHECK_POLICY = OFF")
    untouched.variables["READER"] = "Sm0ke!Signal"
    address = untouched.servers.server("old")
    limited = untouched.another_plan(
        "limited.yaml",
        (
            "sandbox://OLDSQL?version=2019",
            f"mssql://{address.host}:{address.port}\n    user: reader\n    password: env:READER\n    encrypt: false",
        ),
    )
    denied = untouched.runbook("recover", "--plan", str(limited), "--yes")
    assert (denied.code, "no member of sysadmin" in denied.err, "HINT" in denied.err) == (30, True, True), denied.err
    untouched.sql("old", "DROP LOGIN [reader]")
