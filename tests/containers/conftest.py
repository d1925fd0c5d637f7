"""An engine, and the images in it. Where either cannot be had, every test here is skipped with what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.containers import image
from tests.e2e.desk import Desk
from tests.hosts.engine import Docker, Missing, held

YEARS = ("2019", "2022")
LABEL = "label=runbook.rehearsal"


@pytest.fixture(scope="session")
def engine() -> Iterator[tuple[Docker, dict[str, str]]]:
    """An engine, and what the images in it are called, by year."""
    pytest.importorskip("testcontainers", reason="containers: testcontainers is not installed; run .ci/setup dev")
    try:
        with held() as docker:
            yield docker, {year: image.ready(docker, year) for year in YEARS}
    except Missing as problem:
        pytest.skip(f"containers: {problem}")


class Machine(Desk):
    """A desk beside an engine. ``left``: what the engine has of rehearsals of this desk."""

    def __init__(self, directory: Path, docker: Docker, images: dict[str, str]) -> None:
        super().__init__(directory, docker.variables)
        self.docker = docker
        for year, name in images.items():
            self.take(year, name)

    def take(self, year: str, name: str) -> None:
        """Which image stands for that version."""
        self.variables[f"RUNBOOK_IMAGE_{year}"] = name

    def rehearse(self, *words: str) -> tuple[str, ...]:
        """The command line, licence and all."""
        return ("rehearse", "--on", "container", "--accept-eula", *words)

    def left(self) -> list[tuple[str, str]]:
        """What there is (``ps``, ``volume``, ``network``), and its name, that carries a rehearsal of this home."""
        kinds = (("ps", "-a"), ("volume", "ls"), ("network", "ls"))
        shown = '{{.ID}} {{.Label "runbook.rehearsal"}}'
        found = []
        for kind in kinds:
            form = shown.replace(".ID", ".Name") if kind[0] == "volume" else shown
            listed = self.docker.text(*kind, "--filter", LABEL, "--format", form).splitlines()
            found += [(kind[0], line.split()[0]) for line in listed if str(self.home) in line]
        return found


@pytest.fixture
def machine(engine: tuple[Docker, dict[str, str]], tmp_path: Path) -> Iterator[Machine]:
    """A home of its own; whatever a test that goes wrong leaves is taken away."""
    made = Machine(tmp_path.resolve(), *engine)
    yield made
    if made.left():
        made.runbook("rehearse", "--clean")


@pytest.fixture
def made_of(engine: tuple[Docker, dict[str, str]], tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Makes an image that is not quite the one that stands for a server of that year; ``change`` as in a Dockerfile."""
    (docker, images), names = engine, list[str]()

    def make(change: str, year: str = "2022") -> str:
        names.append(f"runbook-made:{tmp_path.name[-20:].lower()}-{len(names)}")
        container = docker.text("create", "--network=none", images[year])
        docker.run("commit", "--change", change, container, names[-1])
        docker.run("rm", "--volumes", container)
        return names[-1]

    yield make
    if names:
        docker.run("image", "rm", "-f", *names, check=False)


def nameless(docker: Docker) -> set[str]:
    """Volumes that nobody named and nothing is said of: an image asked for them."""
    listed = docker.text("volume", "ls", "--format", '{{.Name}} {{.Label "runbook.rehearsal"}}').splitlines()
    return {line.strip() for line in listed if re.fullmatch("[0-9a-f]{64}", line.strip())}
