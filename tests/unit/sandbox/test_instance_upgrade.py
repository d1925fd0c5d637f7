"""Script upgrade: what a newer engine does at its first start, and how it fails."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from runbook.sandbox import manage
from runbook.sandbox.contract import LoginRequest, SqlError
from tests.unit.sandbox.test_instance_fakes import connect, eventually, server

STEP = "UPGRADE SCRIPT msdb110_upgrade.sql"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The directory of a server of 2019 that was stopped."""
    server(tmp_path / "s", version="2019").stop()
    return tmp_path / "s"


def test_logins_are_refused_while_the_scripts_run(old: Path) -> None:
    """18401 for everybody, sa included, until the scripts have run; once they have, never again."""
    manage.fault(old, "hang", STEP, times=1)
    new = server(old, version="2022")
    new.upgrade.begin()
    stop, ran = threading.Event(), []
    scripts = threading.Thread(target=lambda: ran.append(new.upgrade.run(stop)))
    scripts.start()
    eventually(lambda: "upgrading script 'msdb110_upgrade.sql'" in (old / "errorlog").read_text())
    with pytest.raises(SqlError, match="18401") as refused:
        new.login(LoginRequest("sa", "whatever"), lambda: None)
    assert (refused.value.severity, "script upgrade mode" in refused.value.message) == (14, True)
    stop.set()
    scripts.join()
    assert ran == [False], "it was stopped in the middle and must end"
    new.stop()

    again = server(old, version="2022")
    again.upgrade.begin()
    assert again.upgrade.running, "the scripts that did not end run again"
    assert again.upgrade.run(threading.Event())
    connect(again)
    again.stop()
    last = server(old, version="2022")
    last.upgrade.begin()
    assert not last.upgrade.running
    last.stop()


def test_a_script_that_fails_ends_the_server_each_time(old: Path) -> None:
    """912 and 3417 in the error log, a process that ends; without the fault the next start goes through."""
    manage.fault(old, "fail", STEP)
    for _ in range(2):
        with pytest.raises(manage.SandboxError, match="script upgrade failed"):
            manage.start(old, "OLDSQL", "2022")
        log = (old / "errorlog").read_text()
        assert "Error: 912, Severity: 21" in log
        assert "upgrade step 'msdb110_upgrade.sql' encountered error" in log
        assert "Error: 3417, Severity: 21" in log
    manage.clear_faults(old)
    assert manage.start(old, "OLDSQL", "2022").version == "2022"
    manage.stop(old)


def test_a_new_server_and_one_of_the_same_version_run_no_scripts(tmp_path: Path) -> None:
    """Only a newer engine over older system databases has something to upgrade."""
    for _ in range(2):
        instance = server(tmp_path / "s", version="2022")
        instance.upgrade.begin()
        assert not instance.upgrade.running
        instance.stop()


def test_error_log_and_catalog_may_lie_elsewhere(tmp_path: Path) -> None:
    """On Linux the log is in log/ and everything to be copied in data/: a copy of data/ alone is the whole server."""
    for folder in ("home/data", "home/log"):
        (tmp_path / folder).mkdir(parents=True)
    home = tmp_path / "home"
    places = {"errorlog": home / "log" / "errorlog", "catalog": home / "data" / "mastersys.db"}
    instance = server(home, **places)
    connect(instance).run("CREATE DATABASE Contacts")
    instance.stop()
    assert "SQL Server 2019" in places["errorlog"].read_text()
    assert not (home / "errorlog").exists()
    assert not (home / "instance.db").exists()
    again = server(home, **places)
    assert again.find("Contacts") is not None
    again.stop()
