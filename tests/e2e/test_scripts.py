"""The strategy ``scripts`` on real processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.system import System


@pytest.fixture
def scripts(make_system: Callable[..., System]) -> System:
    """The example system with its schema upgrade."""
    return make_system("schema-upgrade.yaml")


def test_upgraded(scripts: System) -> None:
    """The new schema is there, the application is in service, the same jobs are enabled."""
    jobs = scripts.jobs("old")
    done = scripts.execute()
    assert done.code == 0, done.out + done.err
    assert scripts.sql("old", "SELECT MAX(Version) FROM Contacts.dbo.SchemaVersion") == [(2,)]
    assert scripts.get("/")[0] == 200
    assert scripts.jobs("old") == jobs


def test_a_script_that_fails_is_named_and_taken_back(scripts: System) -> None:
    """File and line in the reason; the databases are what they were, and their log chain begins anew."""
    before, jobs = scripts.content("old"), scripts.jobs("old")
    script = scripts.plan.parent / "sql" / "003_consent_guard.sql"
    script.write_text(script.read_text(encoding="utf-8") + "\nGO\nSELECT 1/0 AS Broken;\nGO\n", encoding="utf-8")
    done = scripts.execute()
    assert done.code == 10, done.out + done.err
    assert "003_consent_guard.sql" in scripts.status()["reason"]
    assert scripts.content("old") == before
    assert scripts.jobs("old") == jobs
    assert scripts.get("/")[0] == 200
    newest = scripts.sql("old", "SELECT TOP (1) type FROM msdb.dbo.backupset WHERE database_name = N'Contacts' "
                                "AND is_copy_only = 0 ORDER BY backup_set_id DESC")  # fmt: skip
    assert newest == [("D",)], "a new full backup begins the log chain"


def test_killed_while_scripts_run(scripts: System) -> None:
    """Resumed, it ends new or old, whole."""
    if not scripts.servers.is_sandbox:
        pytest.skip("faults can be set on the sandbox only, these servers are named by RUNBOOK_TEST_OLD")
    before = scripts.content("old")
    scripts.servers.fault("old", "slow", "CREATE TRIGGER", seconds=3, times=1)
    process = scripts.begin("execute", str(scripts.plan), "--window", "10m", "--yes")
    scripts.kill_when(process, lambda: scripts.step("run-scripts[Contacts]") == "started")
    done = scripts.runbook("resume")
    assert done.code in (0, 10), done.out + done.err
    if done.code == 10:
        assert scripts.content("old") == before
    else:
        assert scripts.sql("old", "SELECT MAX(Version) FROM Contacts.dbo.SchemaVersion") == [(2,)]
    assert scripts.get("/")[0] == 200
