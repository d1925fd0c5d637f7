"""The two files a server writes for people: ``errorlog`` and ``statements.log``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from runbook.sandbox.instance import clock

LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d) (\S+)\s+(.*)$")
SECRET = re.compile(r"(PASSWORD\s*=\s*)(N?'(?:[^']|'')*'|0x[0-9A-Fa-f]*)", re.IGNORECASE)


_encode = json.JSONEncoder(ensure_ascii=False).encode
_quoted = lru_cache(maxsize=256)(_encode)


def without_secrets(sql: str) -> str:
    """The statement with its passwords blanked, as SQL Server's own traces do it."""
    return SECRET.sub(r"\1'******'", sql) if "password" in sql.lower() else sql


class ErrorLog:
    """SQL Server's error log: one line an event, readable through xp_readerrorlog."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def rotate(self) -> None:
        """Start a new log and keep the last six as errorlog.1 ... errorlog.6."""
        with self._lock:
            for number in range(6, 0, -1):
                older = self.path.with_name(f"errorlog.{number - 1}") if number > 1 else self.path
                if older.exists():
                    older.replace(self.path.with_name(f"errorlog.{number}"))

    def write(self, text: str, process: str = "Server") -> None:
        """Append a line; on a full disk it is lost."""
        moment = clock.now()
        head = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 10_000:02d} {process:<11} "
        with self._lock, contextlib.suppress(OSError), self.path.open("a", encoding="utf-8") as file:
            file.write(head + text.replace("\n", " ") + "\n")

    def entries(self, number: int = 0) -> list[tuple[datetime, str, str]]:
        """(when, process, text) of log ``number`` (0 is the current one), oldest first."""
        path = self.path if number == 0 else self.path.with_name(f"errorlog.{number}")
        if not path.exists():
            return []
        found = (LINE.match(line) for line in path.read_text(encoding="utf-8").splitlines())
        return [(datetime.fromisoformat(m[1] + "0"), m[2], m[3]) for m in found if m]


class StatementLog:
    """JSON lines: what every session ran, and how it ended. A full disk loses lines, not statements."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, session: dict[str, Any], sql: str, event: dict[str, Any]) -> None:
        """Append an entry; it is in the file when the call returns, so a killed server leaves it behind."""
        head = _encode({"at": clock.stamp(), **session})
        line = f'{head[:-1]}, "sql": {_quoted(sql)}, {_encode(event)[1:]}\n'
        with self._lock, contextlib.suppress(OSError):
            os.write(self._handle, line.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Close the file; what is written later is lost."""
        with self._lock, contextlib.suppress(OSError):
            os.close(self._handle)
            self._handle = -1
