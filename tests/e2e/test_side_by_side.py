"""The main job on real processes: the driver, the wire, the data, the application, and what goes wrong."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from pathlib import Path

from tests.e2e.system import System, wait_until

UNDOABLE = ("seed-restore", "cut-database", "restrict-database", "prove-reference")
OTHERS = (
    "check-checkdb",
    "check-features",
    "drain-sessions",
    "prove-quiet",
    "restore-tail",
    "recover-database",
    "carry-options",
    "check-version",
    "compare-proof",
    "release-database",
    "last-look",
    "first-backup",
)
MEASURED = "\nbudgets:\n" + "".join(
    [f"  {name}: {{do: 0.3s, undo: 0.3s}}\n" for name in UNDOABLE] + [f"  {name}: 0.2s\n" for name in OTHERS]
)
"""What these small databases take, so that a short window holds the night and the test need not wait for a long one."""


def test_upgraded(system: System) -> None:
    """The application answers from the new server, the data is what it was, exactly the same jobs are enabled.

    Meanwhile a second run is refused, and users and their log backups go on until the gate closes.
    """
    jobs = system.jobs("old")
    if system.servers.is_sandbox:
        system.servers.fault("new", "slow", r"RESTORE DATABASE .Contacts. FROM", seconds=4, times=1)
    process = system.begin("execute", str(system.plan), "--window", "10m", "--yes")
    wait_until(lambda: system.step("seed-backup[Contacts]") == "done", 60)
    table = "CREATE TABLE dbo.WrittenMeanwhile (Id int NOT NULL); INSERT INTO dbo.WrittenMeanwhile VALUES (7)"
    system.sql("old", table, "Contacts")
    if system.servers.is_sandbox:
        system.sql("old", f"BACKUP LOG Contacts TO DISK = N'{system.home}/theirs.trn' WITH INIT, CHECKSUM")
    before = system.content("old")
    second = system.execute()
    assert (second.code, "has not ended" in second.err) == (30, True), second.out + second.err
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0, out
    assert system.serves_from() != system.sql("old", "SELECT @@SERVERNAME")[0][0]
    assert system.get("/")[0] == 200
    assert system.content("new") == before
    assert "Contacts.dbo.WrittenMeanwhile" in before
    assert system.step("restore-logs[Contacts]") == ("done" if system.servers.is_sandbox else "skipped")
    assert system.jobs("new") == jobs
    assert not any(system.jobs("old").values()), "no job may run on both servers"
    assert {state for state, _ in system.states("new").values()} == {"ONLINE"}
    assert system.runbook("audit", "verify").code == 0
    assert system.status()["gate"] == "open"


def test_a_hung_restore_turns_back_in_time(sandbox: System) -> None:
    """The statement is ended on the server first, then the way back; the old server serves before the window closes."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    sandbox.servers.fault("new", "hang", "RESTORE LOG")
    done = sandbox.execute("60s")
    assert done.code == 10, done.out + done.err
    status = sandbox.status()
    assert datetime.fromisoformat(status["ended_at"]) < datetime.fromisoformat(status["closes_at"])
    assert sandbox.serves_from() == "OLDSQL"
    assert sandbox.get("/")[0] == 200
    assert sandbox.content("old") == before
    assert sandbox.jobs("old") == jobs
    assert {access for _, access in sandbox.states("old").values()} == {"MULTI_USER"}
    ended = _moments(sandbox.servers.statements("new"), "RESTORE LOG", "end")
    undo = _first_undo(sandbox)
    assert ended, "the hung statement ended on the server"
    assert max(ended) <= undo, "and it did before the way back began"


def _moments(log: str, text: str, event: str) -> list[str]:
    rows = [json.loads(line) for line in log.splitlines()]
    return [row["at"] for row in rows if text in row.get("sql", "") and row.get("event") == event]


def _first_undo(system: System) -> str:
    rows = system.runbook("audit", "show", "--json").json
    at = next(row["at"] for row in rows if row["kind"] == "undo-started")
    return str(at)


def test_a_row_changed_by_the_upgrade_is_named(sandbox: System) -> None:
    """Reverted, the difference named table by table."""
    before = sandbox.content("old")
    sandbox.servers.fault("new", "corrupt", r"RESTORE DATABASE \[Contacts\] WITH RECOVERY", times=1)
    done = sandbox.execute()
    assert done.code == 10, done.out + done.err
    assert "Contacts" in done.out
    assert "content differs" in sandbox.status()["reason"], "the table is named"
    assert sandbox.content("old") == before
    assert sandbox.serves_from() == "OLDSQL"


def test_a_row_that_slips_in_is_noticed(sandbox: System) -> None:
    """An administrator writes to the old server after users were shut out: the row is kept, and named."""
    sandbox.servers.fault("old", "slow", "BACKUP LOG .Billing", seconds=3)
    process = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    wait_until(lambda: sandbox.step("prove-reference[Billing]") == "done", 120)
    name = "dbo.SlippedIn"
    sandbox.sql("old", f"CREATE TABLE {name} (Id int NOT NULL); INSERT INTO {name} VALUES (1)", "Billing")
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 10, out
    assert "SlippedIn" in out
    assert sandbox.sql("old", f"SELECT COUNT(*) FROM Billing.{name}") == [(1,)], "nothing is lost"


def test_a_resume_after_the_window_turns_back_at_once(sandbox: System) -> None:
    """closes_at was fixed when the run opened."""
    before = sandbox.content("old")
    sandbox.plan.write_text(sandbox.plan.read_text(encoding="utf-8") + MEASURED, encoding="utf-8")
    _interrupt(sandbox, "cut-database[Contacts]", window="40s")
    closes_at = datetime.fromisoformat(sandbox.status()["closes_at"])
    wait_until(lambda: datetime.now(closes_at.tzinfo) > closes_at, 80)
    assert sandbox.status()["state"] == "interrupted"
    done = sandbox.runbook("resume")
    assert done.code == 10, done.out + done.err
    assert "turn-back point" in sandbox.status()["reason"]
    assert sandbox.content("old") == before
    assert sandbox.serves_from() == "OLDSQL"


def _interrupt(system: System, step: str, window: str = "10m") -> None:
    process = system.begin("execute", str(system.plan), "--window", window, "--yes")
    system.kill_when(process, lambda: system.step(step) in ("started", "done"))


def test_a_tampered_journal_is_noticed(system: System) -> None:
    """One byte changed, a row removed from the middle, a row removed from the end: each named."""
    _interrupt(system, "disable-jobs")
    journal = system.home / "journal.db"
    assert system.runbook("audit", "verify").code == 0
    for change, named in (
        ("UPDATE runbook_event SET actor = 'x' || substr(actor, 2) WHERE n = 40", "row 40"),
        ("DELETE FROM runbook_event WHERE n = 50", "row 50"),
        ("DELETE FROM runbook_event WHERE n = (SELECT MAX(n) FROM runbook_event)", "missing"),
    ):
        saved = _tamper(journal, change)
        found = system.runbook("audit", "verify")
        assert found.code == 20
        assert named in found.out, found.out
        journal.write_bytes(saved)
    assert system.runbook("audit", "verify").code == 0


def _tamper(journal: Path, change: str) -> bytes:
    cnx = sqlite3.connect(journal)
    cnx.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cnx.execute("PRAGMA journal_mode=DELETE")
    saved = journal.read_bytes()
    for verb in ("update", "delete"):
        cnx.execute(f"DROP TRIGGER runbook_event_no_{verb}")
    cnx.execute(change)
    cnx.commit()
    cnx.close()
    return saved
