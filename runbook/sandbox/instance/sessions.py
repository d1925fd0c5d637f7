"""The sessions of an instance: their numbers, what each of them runs, and KILL."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.instance import clock

FIRST_SPID = 51

_COMMANDS = (
    (r"DBCC\s+CHECK(DB|TABLE|ALLOC)", "DBCC TABLE CHECK"),
    (r"(BACKUP|RESTORE)\s+(DATABASE|LOG|HEADERONLY|FILELISTONLY|LABELONLY|VERIFYONLY)", None),
    (r"(CREATE|ALTER|DROP)\s+\w+", None),
    (r"KILL", "KILL"),
    (r"EXEC(UTE)?\b", "EXECUTE"),
    (r"WITH\b", "SELECT"),
    (r"\w+", None),
)


@lru_cache(maxsize=512)
def command_of(text: str) -> str:
    """The ``command`` column of sys.dm_exec_requests for a statement."""
    bare = re.sub(r"^(\s|--[^\n]*(\n|$)|/\*.*?\*/)+", "", text, flags=re.DOTALL)
    for pattern, name in _COMMANDS:
        found = re.match(pattern, bare, re.IGNORECASE)
        if found:
            return name or " ".join(found[0].upper().split())
    return "SELECT"


@dataclass
class Request:
    """What a session runs now. ``concerns`` is the database an administrative statement works on; ``disk_full`` asks
    it to behave as if the disk were full; ``percent`` is 0 to 100."""

    text: str
    command: str
    started: datetime = field(default_factory=clock.now)
    clock: float = field(default_factory=time.monotonic)
    percent: float = 0.0
    wait_type: str | None = None
    disk_full: bool = False
    lie: bool = False
    concerns: Any = None

    def estimate_ms(self) -> int:
        """Milliseconds that probably remain, from the share that is done; 0 when nothing is known."""
        spent = (time.monotonic() - self.clock) * 1000
        return int(spent * (100 - self.percent) / self.percent) if self.percent else 0


@dataclass
class Entry:
    """One session as the registry keeps it."""

    session: LanguageSession
    login: str
    sid: str
    library: str = ""
    database: str = ""
    is_user: bool = True
    login_time: datetime = field(default_factory=clock.now)
    last_start: datetime = field(default_factory=clock.now)
    last_end: datetime | None = None
    request: Request | None = None
    last_text: str = ""
    killed: bool = False
    corrupt: list[str] = field(default_factory=list)

    @property
    def spid(self) -> int:
        """The session's number."""
        return self.session.spid


class Registry:
    """All sessions by number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[int, Entry] = {}
        self._reserved: set[int] = set()

    def reserve(self) -> int:
        """The lowest free session number."""
        with self._lock:
            spid = FIRST_SPID
            while spid in self._entries or spid in self._reserved:
                spid += 1
            self._reserved.add(spid)
            return spid

    def add(self, entry: Entry) -> None:
        """A session has logged in."""
        with self._lock:
            self._reserved.discard(entry.spid)
            self._entries[entry.spid] = entry

    def release(self, spid: int) -> None:
        """Give a reserved number back (the login failed)."""
        with self._lock:
            self._reserved.discard(spid)

    def remove(self, spid: int) -> Entry | None:
        """The session is gone."""
        with self._lock:
            return self._entries.pop(spid, None)

    def get(self, spid: int) -> Entry | None:
        """The session of that number."""
        with self._lock:
            return self._entries.get(spid)

    def all(self) -> list[Entry]:
        """All sessions, by number."""
        with self._lock:
            return sorted(self._entries.values(), key=lambda e: e.spid)

    def some(self, spids: set[int]) -> list[Entry]:
        """Those of these sessions that are still there."""
        with self._lock:
            return [self._entries[s] for s in spids if s in self._entries]


def kill(entries: Sequence[Entry]) -> None:
    """End these sessions. A session's own ``kill`` may have to wait for its rollback, so each gets a thread."""
    for entry in entries:
        if entry.killed:
            continue
        entry.killed = True
        if entry.request is not None:
            entry.request.command = "KILLED/ROLLBACK"
        threading.Thread(target=entry.session.kill, name="kill", daemon=True).start()
