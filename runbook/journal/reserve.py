"""Room kept beside a journal file for the moment in which the disk is full.

A run that cannot write its journal may do nothing more, also nothing of the way back. So a few MiB are really
allocated while there is plenty, and given up when a write fails for lack of room: that is enough for the records of a
whole way back. It helps one process once; the next journal that is opened with room on the disk makes a new one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

SIZE = 4 * 1024 * 1024
"""Bytes. A way back of a thousand steps writes less than half of it."""
MIB = 1024 * 1024
SPARE = 4
"""The reserve is made only when this many times its size is free: it must not be what fills a small disk."""
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""Results of SQLite behind which a disk without room may be; a quota or a late allocation is an I/O error only."""


class Reserve:
    """The file beside a journal; ``held`` in bytes."""

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(f"{journal.name}.reserve")

    @property
    def held(self) -> int:
        """Bytes that are really allocated, 0 without the file."""
        try:
            found = self.path.lstat()
        except OSError:
            return 0
        return getattr(found, "st_blocks", -(-found.st_size // 512)) * 512

    @property
    def missing(self) -> str:
        """Why there is no room kept, empty when there is."""
        if self.held >= SIZE:
            return ""
        try:
            free = shutil.disk_usage(self.path.parent).free
        except OSError as error:
            return f"no room is kept for the record of the way back at {self.path}: {error.strerror}"
        why = f"the disk has {free // MIB} MiB free, it takes {SPARE * SIZE // MIB}"
        if free >= SPARE * SIZE:
            why = "the file cannot be made"
        return f"no room is kept for the record of the way back at {self.path}: {why}"

    def make(self) -> bool:
        """Allocate it, unless it is there or the disk has too little room. A journal works without; False when not even
        as much is free as the record of a way back may take."""
        with suppress(OSError):
            free = shutil.disk_usage(self.path.parent).free
            if self.held < SIZE and free >= SPARE * SIZE:
                self._allocate()
            return self.held + free >= SIZE
        return True

    def _allocate(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.path, flags, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, SIZE)
            else:
                os.write(descriptor, bytes(SIZE))
            os.fsync(descriptor)
        except OSError:
            self.path.unlink()
            raise
        finally:
            os.close(descriptor)

    def give_up_for(self, error: BaseException | None) -> bool:
        """Free the room, if that may be what the error of SQLite is about; True when a second try is worth it, also
        when somebody else has freed it already."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _FULL:
            return False
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        return True
