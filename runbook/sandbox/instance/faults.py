"""Injected faults: ``faults.json`` in the server's directory, written from outside at any time.

The file is a list of ``{"id", "kind", "match", "seconds", "times", "until"}``. ``match`` is a regular expression
searched in the text of each statement, ignoring case. ``times`` counts down with every hit (null: for ever), also
across restarts; ``until`` is the Unix time at which the fault ends (null: never). Server and command line change the
file under the same lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

KINDS = ("slow", "hang", "fail", "drop", "kill", "disk-full", "lie", "corrupt")
NAME = "faults.json"


@dataclass
class Fault:
    """One fault. ``seconds`` is the delay of ``slow``; ``times`` None means without limit."""

    id: str
    kind: str
    match: str = ""
    seconds: float = 5.0
    times: int | None = None
    until: float | None = None

    def __str__(self) -> str:
        words = [self.kind, f"when {self.match!r} is met" if self.match else "with every statement"]
        if self.kind == "slow":
            words.append(f"by {self.seconds:g} s")
        if self.times is not None:
            words.append(f"{self.times} times")
        if self.until is not None:
            words.append(f"for {max(0.0, self.until - time.time()):.0f} s")
        return " ".join(words)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    handle = os.open(directory / ".faults.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(directory: Path) -> list[Fault]:
    try:
        raw = json.loads((directory / NAME).read_text(encoding="utf-8") or "[]")
    except FileNotFoundError:
        return []
    return [fault for fault in (_fault(entry) for entry in raw) if fault is not None]


def _fault(entry: Any) -> Fault | None:
    """A fault of an entry of the file; an entry that cannot be understood is ignored by the server."""
    if not isinstance(entry, dict) or entry.get("kind") not in KINDS:
        return None
    known = {key: value for key, value in entry.items() if key in Fault.__dataclass_fields__}
    known.setdefault("id", uuid.uuid4().hex[:8])
    try:
        re.compile(known.get("match") or "")
        return Fault(**known)
    except (re.error, TypeError):
        return None


def _write(directory: Path, faults: list[Fault]) -> None:
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".faults")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump([asdict(f) for f in faults], file, indent=1)
    Path(temporary).replace(directory / NAME)


def load(directory: Path) -> list[Fault]:
    """The faults that are set, oldest first."""
    with _locked(directory):
        return _read(directory)


def add(
    directory: Path, kind: str, match: str = "", *, seconds: float | None = None, times: int | None = None
) -> Fault:
    """Set a fault. For ``slow``, ``seconds`` is the delay; for other kinds the time after which the fault ends."""
    if kind not in KINDS:
        raise ValueError(f"unknown fault {kind!r}, one of {', '.join(KINDS)}")
    re.compile(match)
    fault = Fault(uuid.uuid4().hex[:8], kind, match, times=times)
    if seconds is not None and kind == "slow":
        fault.seconds = seconds
    elif seconds is not None:
        fault.until = time.time() + seconds
    with _locked(directory):
        _write(directory, [*_read(directory), fault])
    return fault


def clear(directory: Path, fault_id: str | None = None) -> int:
    """Remove one fault or all; returns how many went. What hangs already hangs until it is cancelled or killed."""
    with _locked(directory):
        faults = _read(directory)
        kept = [] if fault_id is None else [f for f in faults if f.id != fault_id]
        _write(directory, kept)
    return len(faults) - len(kept)


class Faults:
    """The server's view of the file; reads it anew only when it changed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = str(directory / NAME)
        self._seen: tuple[int, int, int] | None = None
        self._faults: list[Fault] = []

    def _current(self) -> list[Fault]:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - asked for with every statement
        except FileNotFoundError:
            self._seen, self._faults = None, []
            return []
        mark = (status.st_mtime_ns, status.st_size, status.st_ino)
        if mark != self._seen:
            try:
                self._faults = load(self._directory)
            except (OSError, ValueError):
                return self._faults
            self._seen = mark
        return self._faults

    def hits(self, text: str) -> list[Fault]:
        """The faults that strike this statement, each counted down durably before it acts."""
        if not any(_strikes(f, text) for f in self._current()):
            return []
        with _locked(self._directory):
            faults = _read(self._directory)
            struck = [f for f in faults if _strikes(f, text)]
            for fault in struck:
                if fault.times is not None:
                    fault.times -= 1
            if any(f.times is not None for f in struck):
                with contextlib.suppress(OSError):  # on a full disk a fault strikes once more
                    _write(self._directory, [f for f in faults if f.times is None or f.times > 0])
        return struck


def _strikes(fault: Fault, text: str) -> bool:
    if fault.times is not None and fault.times <= 0:
        return False
    if fault.until is not None and time.time() > fault.until:
        return False
    return re.search(fault.match, text, re.IGNORECASE | re.DOTALL) is not None
