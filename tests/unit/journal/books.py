"""A run on a journal file."""

from __future__ import annotations

from pathlib import Path

from tests.contract.journal import books
from tests.contract.journal.places import SqliteFile

RUN = books.RUN


class Book(books.Book):
    """The default place: ``file``."""

    def __init__(self, file: Path) -> None:
        super().__init__(SqliteFile(file))
        self.file = file

    def close(self) -> None:
        """Every store that was opened on it."""
        self.place.close()
