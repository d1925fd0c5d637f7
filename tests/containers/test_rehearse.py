"""``runbook rehearse --on container``, on an image that stands for SQL Server's own; and that nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.containers import image
from tests.hosts.engine import Docker, Missing, held

ROOT = Path(__file__).parents[2]
PLAN = ROOT / "examples" / "mailer" / "runbook.yaml"
LABEL = "label=runbook.rehearsal"


@dataclass
class Machine:
    """An engine with both images, and the program beside it."""

    docker: Docker
    images: dict[str, str]
    home: Path

    def start(self, *words: str) -> subprocess.Popen[str]:
        """``runbook rehearse`` of the example."""
        variables = {**self.docker.variables, "RUNBOOK_HOME": str(self.home), "PYTHONPATH": str(ROOT)}
        variables |= {f"RUNBOOK_IMAGE_{year}": name for year, name in self.images.items()}
        return subprocess.Popen(
            [sys.executable, "-m", "runbook", "rehearse", str(PLAN), "--on", "container", *words],
            env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def left(self) -> list[str]:
        """What the engine has of any rehearsal."""
        kinds = (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q"))
        return [one for kind in kinds for one in self.docker.text(*kind, "--filter", LABEL).split()]


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[Docker, dict[str, str]]]:
    """An engine, and the images in it."""
    try:
        with held() as docker:
            yield docker, {year: image.ready(docker, year) for year in ("2019", "2022")}
    except Missing as problem:
        pytest.skip(str(problem))


@pytest.fixture
def machine(engine: tuple[Docker, dict[str, str]], tmp_path: Path) -> Machine:
    """A home of its own."""
    return Machine(*engine, tmp_path / "home")


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """AssertionError when it does not come to hold."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


def test_both_ways(machine: Machine) -> None:
    """Forward and back, proven; the certificate says on what, and nothing is left."""
    process = machine.start("--accept-eula", "--faults", "none", "--json")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    report = json.loads(out)
    assert {one["scenario"]: one["ending"] for one in report["scenarios"]} == {
        "forward": "new setup",
        "back": "old setup",
    }
    assert report["on"] == "container"
    assert machine.left() == []


def test_killed_in_the_middle(machine: Machine) -> None:
    """``kill -9``: whoever watches it takes everything away."""
    process = machine.start("--accept-eula", "--faults", "none")
    try:
        wait_until(lambda: bool(machine.docker.text("ps", "-q", "--filter", LABEL)))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        wait_until(lambda: not machine.left())
        wait_until(lambda: not any((machine.home / "rehearsals").iterdir()))
    finally:
        process.kill()


def test_the_licence_is_a_persons_to_accept(machine: Machine) -> None:
    """Nothing is started without."""
    process = machine.start()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "--accept-eula" in err) == (30, True), err
    assert machine.left() == []


def test_an_image_that_is_not_there_is_named(machine: Machine) -> None:
    """And what to do; nothing is left."""
    machine.images["2022"] = "127.0.0.1:1/nowhere"  # nobody is asked for it outside of this machine
    process = machine.start("--accept-eula")
    _, err = process.communicate(timeout=120)
    assert (process.returncode, "the image 127.0.0.1:1/nowhere for new is not here and cannot be pulled" in err) == (
        30,
        True,
    ), err
    assert machine.left() == []
