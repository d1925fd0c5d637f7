"""A journal for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.journal.books import Book


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A journal file with a run under way."""
    made = Book(tmp_path / "journal.db")
    yield made
    made.close()
