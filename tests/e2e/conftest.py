"""One fixture for the servers: the sandbox by default; containers, or any two servers, when the environment says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.mailer import prepare
from examples.mailer.seed import connector, seed
from tests.e2e import throwaway
from tests.e2e.servers import NamedServers, SandboxServers, rows
from tests.e2e.system import System
from tests.hosts.engine import Missing
from tests.ports import free_port

SCALE = 0.01


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is end to end."""
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session", autouse=True)
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """With RUNBOOK_TEST_ON=container the tests' two servers are containers; where there can be none, all is skipped."""
    if not throwaway.wanted_here():
        yield
        return
    try:
        with throwaway.servers(tmp_path_factory.mktemp("containers")) as named, pytest.MonkeyPatch.context() as patch:
            for key, value in named.items():
                patch.setenv(key, value)
            yield
    except Missing as problem:
        pytest.skip(f"SQL Server in containers: {problem}")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sandbox servers with the example's data, made once and copied for each test."""
    home = tmp_path_factory.mktemp("template")
    servers = SandboxServers(home)
    try:
        servers.start("old")
        servers.start("new")
        seed(connector(None, servers.json("old")), SCALE)
        keep_still(servers)
    finally:
        servers.stop()
    return home


def keep_still(servers: SandboxServers | NamedServers) -> None:
    """Only the heart-beat job goes on by itself: what tests compare must not be written to meanwhile."""
    with servers.server("old").connect() as cnx:
        names = rows(cnx, "SELECT name FROM msdb.dbo.sysschedules WHERE name <> N'every 10 seconds'")
        for (name,) in names:
            cnx.execute("EXEC msdb.dbo.sp_update_schedule @name = ?, @enabled = 0", name)


@pytest.fixture
def make_system(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., System]]:
    """Makes the example system for a test, and ends it afterwards."""
    made: list[System] = []

    def make(plan: str = "runbook.yaml") -> System:
        made.append(build_system(tmp_path / "home", plan, request))
        return made[-1]

    yield make
    for system in made:
        system.close()


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[System]:
    """One system for all tests of a module that are there to show that nothing is touched."""
    system = build_system(tmp_path_factory.mktemp("untouched") / "home", "runbook.yaml", request)
    yield system
    system.close()


def build_system(home: Path, plan: str, request: pytest.FixtureRequest) -> System:
    """The example system in a directory of its own, its servers filled and its application running."""
    home.mkdir()
    servers: SandboxServers | NamedServers
    if NamedServers.configured():
        servers = NamedServers(home)
        servers.wipe()
        seed(servers.server("old").connect, SCALE)
        keep_still(servers)
    else:
        servers = SandboxServers(home)
        servers.copy_from(request.getfixturevalue("template"))
    port = free_port()
    app_directory = prepare.lay_out(home / "mailer", app_port=port)
    path = home / "mailer" / plan
    path.write_text(servers.plan(path.read_text(encoding="utf-8")), encoding="utf-8")
    prepare.render_config(app_directory, servers.json("old"), servers.json("new"), port)
    return System(home, servers, path, port, prepare.start_app(app_directory, port))


@pytest.fixture
def system(make_system: Callable[..., System]) -> System:
    """The example system with its side-by-side plan."""
    return make_system()


@pytest.fixture
def sandbox(system: System) -> System:
    """The same where faults can be set; other servers are skipped by name."""
    if not system.servers.is_sandbox:
        pytest.skip("faults can be set on the sandbox only, these servers are named by RUNBOOK_TEST_OLD")
    return system
