"""The hosts of a session. Where no engine can be had, every test here is skipped with what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.hosts.engine import Missing
from tests.hosts.host import Fleet, Host, fleet


@pytest.fixture(scope="session")
def hosts() -> Iterator[Fleet]:
    """Makes hosts; all of them are removed at the end of the session."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(fleet())
        except Missing as problem:
            pytest.skip(f"real hosts: {problem}")
        yield made


@pytest.fixture(scope="module")
def database_host(hosts: Fleet) -> Iterator[Host]:
    """A host that is up, with both repositories at hand and nothing installed yet."""
    host = hosts.start("db", ports=(1433, 80))
    yield host
    hosts.remove(host)
