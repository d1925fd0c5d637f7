"""Nothing outlives the tests: neither hosts nor engine, also when the tests are killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.hosts import engine
from tests.hosts.host import Fleet, Host

ANOTHER = """
import sys
from tests.hosts.host import fleet
with fleet() as made:
    print(made.create("left").container, flush=True)
    sys.stdin.read()
"""


def test_hosts_of_a_killed_session_are_removed_and_no_others(hosts: Fleet, database_host: Host) -> None:
    """The next session sweeps: what belongs to a dead one goes, what belongs to a living one stays."""
    with subprocess.Popen(
        [sys.executable, "-c", ANOTHER],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTEST_XDIST_WORKER": "gw9"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        left = other.stdout.readline().strip()
        engine.sweep(database_host.docker)
        assert left in containers(database_host), "it lives, and its hosts with it"
        other.kill()
    engine.sweep(database_host.docker)
    assert left not in containers(database_host)
    assert database_host.container in containers(database_host)


def containers(host: Host) -> list[str]:
    """The ids of all containers of the engine."""
    return host.docker.text("ps", "-aq", "--no-trunc").split()
