"""One bench for the fake, one for the adapter on the sandbox."""

from __future__ import annotations

import pytest

from tests.contract.sqlserver.bench import FakeBench, RealBench, SandboxServers


@pytest.fixture(scope="session")
def sandbox_servers(tmp_path_factory):
    """Two sandbox servers, started once; the tier is skipped by name where they do not start."""
    servers = SandboxServers(tmp_path_factory.mktemp("sandbox"))
    try:
        for target in servers.targets.values():
            target.locate()
    except Exception as e:  # noqa: BLE001
        pytest.skip(f"the sandbox does not start: {e}")
    yield servers
    servers.stop()


@pytest.fixture
def real(sandbox_servers):
    """The adapter alone, for what the fake has no words for."""
    bench = RealBench(sandbox_servers)
    yield bench
    bench.close()


@pytest.fixture(params=["fake", "sandbox"])
def bench(request):
    """The fake, then the adapter."""
    if request.param == "fake":
        yield FakeBench()
    else:
        yield request.getfixturevalue("real")
