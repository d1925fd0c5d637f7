"""Who watches a run: guards of this machine by their processes, guards elsewhere by what they noted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook.events import Kind
from runbook.home import Home
from runbook.journal.reading import Row

KEY = "guard"
"""In a note: which guard says something of itself."""


@dataclass(frozen=True)
class Seen:
    """One guard. ``alive`` is None for one on another machine, which cannot be asked: its last note says that it
    watches. ``unfit``: why it could not take over, empty when it could."""

    host: str
    process: int
    since: datetime
    alive: bool | None
    unfit: str = ""

    def to_json(self) -> dict[str, Any]:
        """The documented schema (docs/json.md)."""
        since = self.since.isoformat(timespec="seconds")
        return {"host": self.host, "process": self.process, "since": since, "alive": self.alive, "unfit": self.unfit}


def said(host: str, process: int, token: str, *, watches: bool, unfit: str = "") -> dict[str, Any]:
    """For a note: what :func:`watching` reads."""
    return {KEY: {"host": host, "process": process, "token": token, "watches": watches, "unfit": unfit}}


def watching(home: Home, run_id: str, rows: Iterable[Row], acting: tuple[str, int] | None) -> tuple[Seen, ...]:
    """Guards that watch, this machine's first. ``acting``: host and process of the executor at work, which may have
    been a guard before."""
    from runbook.adapters.detached import Place  # noqa: PLC0415
    from runbook.journal.lease import Process, is_running  # noqa: PLC0415

    here = Process.here().host
    noted = _noted(rows)
    holder = Place(home.directory / "guard" / f"{run_id}.lock").holder()
    found: list[Seen] = []
    if holder:
        note = noted.pop((here, holder[0]), {})
        found.append(Seen(here, *holder, alive=True, unfit=note.get("unfit", "")))
    for (host, process), note in noted.items():
        if not note["watches"] or (host, process) == acting:
            continue
        if host != here:
            found.append(Seen(host, process, note["at"], None, note["unfit"]))
        elif is_running(process, note["token"]):  # with another RUNBOOK_HOME
            found.append(Seen(host, process, note["at"], True, note["unfit"]))
    return tuple(found)


def _noted(rows: Iterable[Row]) -> dict[tuple[str, int], dict[str, Any]]:
    """The last note of each, with its instant."""
    found = {}
    for row in rows:
        if row.kind == Kind.NOTE and f'"{KEY}":' in row.body:
            note = json.loads(row.body)[KEY]
            found[note["host"], note["process"]] = {**note, "at": datetime.fromisoformat(row.at)}
    return found
