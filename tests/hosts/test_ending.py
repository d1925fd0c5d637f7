"""Nothing outlives the tests: neither hosts nor engine, also when the tests are killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts import engine
from tests.hosts.host import Fleet, Host

RULE = "FORWARD -i rbh+ -o rbh+ -j ACCEPT"
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


@pytest.mark.parametrize(
    ("rules", "calls"),
    [
        ("-P FORWARD ACCEPT", ["-S FORWARD"]),
        ("-P FORWARD DROP", ["-S FORWARD", f"-I {RULE}", f"-D {RULE}"]),
        ("-P FORWARD ACCEPT\n-A FORWARD -j REJECT", ["-S FORWARD", f"-I {RULE}", f"-D {RULE}"]),
    ],
)
def test_the_machine_keeps_its_own_rules(
    rules: str, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a machine that filters what it forwards gets a rule, for the bridges of hosts, while they are there."""
    said = tmp_path / "said"
    program = tmp_path / "iptables"
    program.write_text(f'#!/bin/sh\nshift\necho "$*" >> {said}\necho "{rules}"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with engine.hosts_hear_each_other():
        before = said.read_text(encoding="utf-8").splitlines()
    assert [before, said.read_text(encoding="utf-8").splitlines()] == [calls[:2], calls]


def containers(host: Host) -> list[str]:
    """The ids of all containers of the engine."""
    return host.docker.text("ps", "-aq", "--no-trunc").split()
