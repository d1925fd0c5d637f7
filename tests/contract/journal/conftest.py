"""A journal for each test, in each place it can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.journal.books import Book
from tests.contract.journal.places import EVERYWHERE, InMemory, Place, PostgresqlDatabase, SqliteFile
from tests.postgresql import postgresql

__all__ = ["postgresql"]


@pytest.fixture(params=EVERYWHERE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty one."""
    made: Place
    if request.param == "memory":
        made = InMemory()
    elif request.param == "sqlite":
        made = SqliteFile(tmp_path / "journal.db")
    else:
        made = PostgresqlDatabase(request.getfixturevalue("postgresql").database())
    yield made
    made.close()


@pytest.fixture
def book(place: Place) -> Book:
    """One with a run under way."""
    return Book(place)
