"""``runbook rehearse --on container`` where there is no engine, or it may not be used: one line, a hint, nothing left.

What an engine that is there can lack is shown in tests/containers.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.desk import Desk

pytest.importorskip("testcontainers", reason="containers: testcontainers is not installed; run .ci/setup dev")
REHEARSE = ("rehearse", "--on", "container")
POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")
"""Files are as closed to root as to anybody."""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})


def refused(desk: Desk, *words: str, before: Sequence[str] = ()) -> tuple[str, str]:
    """It ends with 30, and nothing was made; returns the error and the hint."""
    done = subprocess.run(
        [*before, *desk.words(*REHEARSE, *words)], env=desk.environment, cwd=desk.directory, capture_output=True,
        text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (30, ""), done.stderr
    assert not desk.home.exists()
    error, hint = done.stderr.strip().splitlines()
    return error, hint


def test_no_engine(desk: Desk) -> None:
    """Nothing listens where it is looked for."""
    error, hint = refused(desk, "--accept-eula")
    assert error == f"error: no container engine answers at {desk.variables['DOCKER_HOST']}: No such file or directory"
    assert "Install Docker" in hint


def test_an_engine_on_another_machine(desk: Desk) -> None:
    """Its throwaway servers would listen where this program cannot reach them: told at once, nobody is asked."""
    desk.variables["DOCKER_HOST"] = "tcp://192.0.2.1:2375"
    error, hint = refused(desk, "--accept-eula")
    assert error == ("error: the container engine that DOCKER_HOST names is on another machine: tcp://192.0.2.1:2375")
    assert "rehearse there" in hint


def test_an_engine_that_does_not_listen(desk: Desk, tmp_path: Path) -> None:
    """Its socket is left from before."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "none.sock"))
    error, _ = refused(desk, "--accept-eula")
    assert error.endswith("Connection refused")


def test_an_engine_that_may_not_be_used(desk: Desk, tmp_path: Path) -> None:
    """Its socket is there, and closed to this account."""
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("containers: setpriv is not installed, and nothing is closed to root without")
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(tmp_path / "none.sock"))
        closed.listen()
        (tmp_path / "none.sock").chmod(0)
        error, hint = refused(desk, "--accept-eula", before=POWERLESS if os.getuid() == 0 else ())
    assert error == f"error: this account may not use the container engine at {desk.variables['DOCKER_HOST']}"
    assert "the group docker" in hint


def test_too_little_memory(desk: Desk) -> None:
    """SQL Server would not start: said before anybody is asked."""
    desk.change("rehearsal: {", "rehearsal: {containers: {old: {memory_gib: 1}}, ")
    error, hint = refused(desk, "--accept-eula")
    assert "the container for old would have 1 GiB of memory, and SQL Server does not start with less than 2" in error
    assert "rehearsal.containers.old.memory_gib" in hint


def test_the_licence_is_a_persons_to_accept(desk: Desk) -> None:
    """Not the plan's, and not the environment's."""
    error, hint = refused(desk)
    assert "licence" in error
    assert "--accept-eula" in hint
