"""Fixtures for a team's own assertions on the system after an upgrade, and after the way back (docs/rehearse.md).

pytest loads this by itself where this program is installed; nothing else is imported until a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from runbook.plan.models import Plan
    from runbook.rehearsal.system import Nights, System


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--runbook-plan``, ``--runbook-on`` and ``--runbook-accept-eula``, and settings of the same names."""
    group = parser.getgroup("runbook", "throwaway servers after a rehearsed upgrade (runbook)")
    group.addoption(
        "--runbook-plan", metavar="PATH", help="The plan; default: runbook_plan in the ini file, else runbook.yaml."
    )
    group.addoption(
        "--runbook-on", choices=["sandbox", "container"], help="Where throwaway servers come from; default: sandbox."
    )
    group.addoption(
        "--runbook-accept-eula", action="store_true", help="With container: you accept SQL Server's licence."
    )
    parser.addini(
        "runbook_plan", "The plan that the fixtures rehearse, relative to the ini file.", default="runbook.yaml"
    )
    parser.addini("runbook_on", "Where throwaway servers come from: sandbox or container.", default="sandbox")


@contextmanager
def _failing() -> Iterator[None]:
    """What this program refuses fails the test with the lines a person would read on a terminal."""
    from runbook.errors import RunbookError, render

    try:
        yield
    except RunbookError as error:
        pytest.fail("\n".join(render(error)), pytrace=False)


@pytest.fixture(scope="session")
def runbook_plan(pytestconfig: pytest.Config) -> Plan:
    """The plan, read and checked; the test fails with the plan's error when it cannot be used."""
    from runbook.plan.load import load_plan

    with _failing():
        return load_plan(_path(pytestconfig))


@pytest.fixture(scope="session")
def _runbook_nights(runbook_plan: Plan, pytestconfig: pytest.Config) -> Iterator[Nights]:
    from runbook.rehearsal.system import nights

    on = pytestconfig.getoption("--runbook-on") or pytestconfig.getini("runbook_on")
    licence = bool(pytestconfig.getoption("--runbook-accept-eula"))
    with _failing(), nights(runbook_plan.path, on, accepts_licence=licence) as found:
        yield found


@pytest.fixture(scope="session")
def sqlserver_new(_runbook_nights: Nights) -> Iterator[System]:
    """The server in service after the night forward, a throwaway one. Fails when the night ended otherwise."""
    with _failing(), _runbook_nights.upgraded() as system:
        yield system


@pytest.fixture(scope="session")
def sqlserver_old(_runbook_nights: Nights, request: pytest.FixtureRequest) -> Iterator[System]:
    """The old server after the way back at the last moment. Fails when the night ended otherwise."""
    with _failing():
        _runbook_nights.refuse_both()
    request.getfixturevalue("sqlserver_new")  # it is played first, and stands on
    with _failing(), _runbook_nights.reverted() as system:
        yield system


def _path(config: pytest.Config) -> Path:
    given = config.getoption("--runbook-plan")
    if given:
        return Path(config.invocation_params.dir, given)
    return Path(config.inipath.parent if config.inipath else config.rootpath, config.getini("runbook_plan"))
