"""``runbook audit``: show, verify and export the record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from runbook.commands.status import find_run, open_reader
from runbook.home import Home
from runbook.journal.reading import Row
from runbook.journal.verifying import Verdict, verify_run
from runbook.journal.whole import read_whole


def verify(home: Home, run: str | None = None, expect: str = "") -> list[Verdict]:
    """Judge one run, or all when none is named; JournalCorrupt when the file cannot be read at all.

    ``expect`` is the last hash of one run: of the one named, else of the newest.
    """
    reader = open_reader(home)
    try:
        wanted = [find_run(reader, run)] if run or expect else reader.run_ids()
        return [verify_run(run_id, read_whole(reader, run_id), expect) for run_id in wanted]
    finally:
        reader.close()


def show(home: Home, run: str | None = None, *, statements: bool = True) -> list[dict[str, Any]]:
    """The rows of a run, as JSON-able dictionaries."""
    reader = open_reader(home)
    try:
        without = () if statements else ("statement", "statement-ended", "step-looking")
        return [_to_json(row) for row in reader.rows(find_run(reader, run), without=without)]
    finally:
        reader.close()


def export(home: Home, run: str | None = None) -> Iterator[str]:
    """The rows of a run as JSON lines, with their hashes: what to hand to whoever asks what happened."""
    for row in show(home, run):
        yield json.dumps(row, ensure_ascii=False, sort_keys=True)


def _to_json(row: Row) -> dict[str, Any]:
    return {
        "run": row.run_id,
        "n": row.n,
        "at": row.at,
        "kind": row.kind,
        "step": row.step or None,
        "actor": row.actor,
        "fence": row.fence,
        "data": json.loads(row.body),
        "previous": row.previous,
        "hash": row.hash,
    }
