"""A team's own assertions on the upgraded and the reverted system, through the fixtures of the pytest plugin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.desk import ROOT, Desk

TESTS = """
    from contextlib import closing

    import pytest


    def asked(system, sql, database="master"):
        with closing(system.connect(database)) as connection:
            return connection.execute(sql).fetchval()


    def test_plan(runbook_plan):
        assert runbook_plan.name == "small"


    def test_reverted(sqlserver_old):
        assert sqlserver_old.server == "old"
        assert "2019" in asked(sqlserver_old, "SELECT @@VERSION")
        assert asked(sqlserver_old, "SELECT COUNT(*) FROM dbo.Item", "Alpha") == 2
        assert asked(sqlserver_old, "SELECT state_desc FROM sys.databases WHERE name = 'Alpha'") == "ONLINE"
        assert sqlserver_old.password not in repr(sqlserver_old)


    def test_upgraded(sqlserver_new):
        assert sqlserver_new.server == "new"
        assert "2022" in asked(sqlserver_new, "SELECT @@VERSION")
        assert asked(sqlserver_new, "SELECT COUNT(*) FROM dbo.Item", "Alpha") == 2


    def test_what_does_not_hold(sqlserver_new):
        assert asked(sqlserver_new, "SELECT COUNT(*) FROM dbo.Item", "Alpha") == 3
"""


@pytest.fixture
def team(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A plan, and tests of a team that know nothing of this program but its fixtures."""
    desk = Desk(pytester.path)
    for name, value in {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p runbook.pytest_plugin"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RUNBOOK_HOME", str(desk.home))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makeini(f"[pytest]\nrunbook_plan = {desk.plan.relative_to(pytester.path)}\n")
    return desk


def test_both_endings(team: Desk, pytester: pytest.Pytester) -> None:
    """Each fixture is the server in service after its night; an assertion that does not hold fails as any other;
    nothing runs on afterwards, and the plan's own servers were never there."""
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=400)
    result.assert_outcomes(passed=3, failed=1)
    assert team.running() == []
    assert list((team.home / "rehearsals").iterdir()) == []
    assert not (team.home / "sandbox").exists()


def test_a_night_that_ends_elsewhere(team: Desk, pytester: pytest.Pytester) -> None:
    """Nothing is asserted about it: the fixture fails, with the step and the reason."""
    team.change("equals: 2", "equals: 3")
    pytester.makepyfile("def test_it(sqlserver_new): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=200)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*error: the night forward ended: old setup at run-queries: *", "HINT: runbook rehearse*"]
    )
    assert team.running() == []


def test_there_is_room_for_one_night_only(team: Desk, pytester: pytest.Pytester) -> None:
    """The other one would take the memory of the first: said before anything is played for it, in one line with a
    hint; what needs one night goes on."""
    pytester.makeconftest("from runbook.rehearsal import onsandbox; onsandbox.MEMORY = 2**60")
    pytester.makepyfile("def test_reverted(sqlserver_old): pass\ndef test_upgraded(sqlserver_new): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=200)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*error: sqlserver_old stands beside sqlserver_new, and the memory holds the servers of one night only",
            "HINT: *more memory*sqlserver_new alone*",
        ]
    )
    assert team.running() == []


def test_a_plan_that_is_not_there(team: Desk, pytester: pytest.Pytester) -> None:
    """The option names another one than the ini file; what is wrong is said as on a terminal."""
    pytester.makepyfile("def test_it(runbook_plan): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--runbook-plan", "nowhere.yaml", timeout=60)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*error: *nowhere.yaml*"])
    assert team.plan.exists()


def test_it_costs_nothing_until_it_is_used() -> None:
    """pytest loads it in every project where this program is installed."""
    look = (
        "import sys; before = set(sys.modules); import runbook.pytest_plugin; print(sorted(set(sys.modules) - before))"
    )
    said = subprocess.run(
        [sys.executable, "-c", f"import pytest; {look}"], capture_output=True, text=True, check=True, cwd=Path(ROOT)
    ).stdout
    assert said.strip() == "['runbook', 'runbook.pytest_plugin']"
