"""Two SQL Servers in containers, for a whole session of end-to-end tests: ``RUNBOOK_TEST_ON=container``.

They are made as a rehearsal makes its own, from the same images: Microsoft's by version, others where
``RUNBOOK_IMAGE_2019`` and ``RUNBOOK_IMAGE_2022`` name them, or (``RUNBOOK_TEST_IMAGES=sandbox``) those that
tests/containers builds to stand for them. ``ACCEPT_EULA=Y`` accepts SQL Server's licence for containers. Whatever ends
the session, they are taken away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from runbook.adapters.clock import SystemClock
from runbook.errors import RunbookError
from runbook.home import Home
from runbook.rehearsal.oncontainer import EXCHANGE, OnContainer, Shape
from runbook.rehearsal.place import Place
from runbook.rehearsal.providing import Made, Wanted
from runbook.rehearsal.reaper import reaping
from tests.containers import image
from tests.hosts.engine import Docker, Missing, held

NAMES = {"old": ("OLDSQL", 2019), "new": ("NEWSQL", 2022)}


def wanted_here() -> bool:
    """The environment asks for them."""
    return os.environ.get("RUNBOOK_TEST_ON") == "container"


@contextmanager
def servers(directory: Path) -> Iterator[dict[str, str]]:
    """What ``NamedServers`` reads, while they run. Missing where there is no engine or no image, or no licence."""
    if os.environ.get("ACCEPT_EULA") != "Y":
        raise Missing("SQL Server's licence for containers is not accepted; read it, then say ACCEPT_EULA=Y")
    with ExitStack() as stack:
        docker = stack.enter_context(held())
        os.environ |= {key: docker.variables[key] for key in ("DOCKER_HOST",) if key in docker.variables}
        provider = OnContainer(accepts_licence=True, shapes=_shapes(docker))
        wanted = {role: Wanted(role, name, version) for role, (name, version) in NAMES.items()}
        home = Home(directory, f"sqlite:///{directory / 'journal.db'}")
        try:
            for one in wanted.values():
                provider.refuse_unfit(one)
            place = Place.new(home, SystemClock().new_id(), provider.name)
            stack.enter_context(reaping(place))
            stack.callback(place.clean, provider)
            made = provider.start(place.template / "home", wanted)
        except RunbookError as error:
            raise Missing(f"{error.message}; {error.hint}") from error
        yield {key: value for role, one in made.items() for key, value in _named(role, one)} | {
            "RUNBOOK_TEST_EXCHANGE": EXCHANGE
        }


def _shapes(docker: Docker) -> dict[str, Shape]:
    """The environment's images before Microsoft's."""
    sandbox = os.environ.get("RUNBOOK_TEST_IMAGES") == "sandbox"
    found = {}
    for role, (_, version) in NAMES.items():
        named = os.environ.get(f"RUNBOOK_IMAGE_{version}", "")
        found[role] = Shape(image.ready(docker, str(version)) if sandbox else named)
    return found


def _named(role: str, made: Made) -> Iterator[tuple[str, str]]:
    prefix = f"RUNBOOK_TEST_{role.upper()}"
    yield prefix, made.target.url
    yield f"{prefix}_PASSWORD", str(made.facts["password"])
