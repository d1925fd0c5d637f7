"""Going back after the gate has opened, on real processes: counted, confirmed, and nothing gone for good."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.e2e.system import System, wait_until

STILL = "EXEC msdb.dbo.sp_update_schedule @name = N'every 10 seconds', @enabled = 0"


def test_reverted_after_the_pivot(system: System) -> None:
    """``--yes`` is no confirmation, nor is another number; with the right one the old content is back to the byte, the
    jobs are, and what users wrote is in backups that are named."""
    system.sql("old", STILL)  # what the heart-beat job writes would be counted too, and go on
    before, jobs = system.content("old"), system.jobs("old")
    done = system.execute()
    assert done.code == 0, done.out + done.err
    written(system)
    refused = system.runbook("revert", "--yes")
    assert refused.code == 30, refused.out + refused.err
    assert_told(refused.out)
    assert "--accept-loss 3" in refused.err
    wrong = system.runbook("revert", "--accept-loss", "2")
    assert (wrong.code, "would lose 3 rows, not 2" in wrong.err) == (30, True), wrong.err
    told = json.loads(system.runbook("revert", "--json").out)["loss"]
    assert (told["total"], told["server"]) == (3, "new")
    assert system.status()["state"] == "upgraded", "nothing was recorded"
    assert system.serves_from() == "NEWSQL"
    back = system.runbook("revert", "--accept-loss", "3", "--reason", "it is slow")
    assert back.code == 10, back.out + back.err
    assert_told(back.out)
    assert_old(system, before, jobs)
    assert_kept(system, back.out)


def test_killed_on_this_way_back(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once right after the loss was accepted, once when databases are neither here nor there: a resume goes on with
    what a person decided."""
    system.sql("old", STILL)
    before, jobs = system.content("old"), system.jobs("old")
    assert system.execute().code == 0
    written(system)
    for command, where in (
        (("revert", "--accept-loss", "3"), "journal.after-append~loss-accepted"),
        (("resume",), r"journal.after-append~undo-done cut-database\[Contacts\]"),
    ):
        monkeypatch.setenv("RUNBOOK_FAILPOINTS", f"{where}=kill")
        assert system.runbook(*command).code == -signal.SIGKILL, where
        monkeypatch.delenv("RUNBOOK_FAILPOINTS")
        assert system.status()["state"] == "interrupted"
    assert system.get("/")[0] == 503
    done = system.runbook("resume", "--no-guard")
    assert done.code == 10, done.out + done.err
    assert_old(system, before, jobs)


def test_what_is_written_after_the_count_is_not_lost(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user writes between the confirmation and the closed gate: the new setup is in service again, with that row and
    its jobs, and the run says what it would be now."""
    system.sql("old", STILL)
    assert system.execute().code == 0
    written(system)
    after, jobs = system.content("new"), system.jobs("new")
    monkeypatch.setenv("RUNBOOK_FAILPOINTS", "journal.after-append~turned-back=sleep:5")
    process = system.begin("revert", "--accept-loss", "3", "--no-guard")
    monkeypatch.delenv("RUNBOOK_FAILPOINTS")
    wait_until(lambda: "turned-back" in system.runbook("audit", "show").out)
    system.sql("new", "INSERT INTO dbo.UserAgent (Name) VALUES (N'late')", "Tracking")
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 20, out
    assert "4 rows instead of 3: Tracking.dbo.UserAgent: 3 added" in out
    assert (system.serves_from(), system.get("/")[0], system.status()["gate"]) == ("NEWSQL", 200, "open")
    assert system.jobs("new") == jobs
    now = system.content("new")
    assert [name for name in now if now[name] != after[name]] == ["Tracking.dbo.UserAgent"]
    assert len(now["Tracking.dbo.UserAgent"]) == len(after["Tracking.dbo.UserAgent"]) + 1


def written(system: System) -> None:
    """Users write into two tables on the new side: one row into the one, two into the other."""
    system.sql("new", "INSERT INTO dbo.Currency VALUES ('XTS', N'Test', N'x', 1)", "Billing")
    for number in (1, 2):
        system.sql("new", f"INSERT INTO dbo.UserAgent (Name) VALUES (N'new {number}')", "Tracking")


def assert_told(out: str) -> None:
    """Both tables with their rows, and no other."""
    lines = {line.split()[0]: line.split()[1] for line in out.splitlines() if line.endswith(" added")}
    assert lines == {"Billing.dbo.Currency": "1", "Tracking.dbo.UserAgent": "2"}, out


def assert_old(system: System, before: object, jobs: dict[str, bool]) -> None:
    """In service, exactly as it was; the record holds together."""
    assert system.serves_from() == "OLDSQL"
    assert system.get("/")[0] == 200
    assert system.content("old") == before
    assert system.jobs("old") == jobs
    assert {access for _, access in system.states("old").values()} == {"MULTI_USER"}
    assert system.runbook("audit", "verify").code == 0
    status = system.status()
    assert (status["state"], status["accepted_loss"]["total"]) == ("reverted", 3)


def assert_kept(system: System, out: str) -> None:
    """The backup of what was lost is where the ending says, and holds it."""
    told: list[Any] = [line.split("is kept in ")[1] for line in out.splitlines() if "is kept in /" in line]
    billing = next(path for path in told if "Billing" in path)
    system.sql("new", f"RESTORE DATABASE Kept FROM DISK = N'{billing}' WITH CHECKSUM, "
                      + ", ".join(moves(system, billing)))  # fmt: skip
    assert system.sql("new", "SELECT COUNT(*) FROM Kept.dbo.Currency WHERE Code = 'XTS'") == [(1,)]


def moves(system: System, path: str) -> list[str]:
    """Files of its own for a restore beside."""
    found = system.sql("new", f"RESTORE FILELISTONLY FROM DISK = N'{path}'")
    return [f"MOVE N'{row[0]}' TO N'{system.home}/kept-{number}'" for number, row in enumerate(found)]
