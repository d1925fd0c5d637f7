"""The journal as the teller reads it while the night goes on."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook.errors import RunbookError
from runbook.journal.lease import Life, Process, life_of
from runbook.journal.log import fold
from runbook.journal.reading import Row, SqliteReader
from runbook.journal.store import LeaseRow
from runbook.runview import RunView


class Record:
    """All runs of a journal, read again and again; ``look`` returns what is new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: dict[str, list[Row]] = {}
        self._leases: dict[str, LeaseRow] = {}

    def look(self) -> list[Row]:
        """New rows, of every run."""
        fresh: list[Row] = []
        with suppress(RunbookError):  # it is just being made, or written
            reader = SqliteReader(self._path)
            try:
                for run_id in reader.run_ids():
                    known = self.rows.setdefault(run_id, [])
                    found = reader.rows(run_id, known[-1].n if known else 0)
                    known.extend(found)
                    fresh.extend(found)
                    lease = reader.lease(run_id)
                    if lease is not None:
                        self._leases[run_id] = LeaseRow(*lease)
            finally:
                reader.close()
        return fresh

    def views(self) -> list[RunView]:
        """Each run that has any row."""
        return [fold(rows) for rows in self.rows.values() if rows]

    def is_held_by_somebody(self, run_id: str) -> bool:
        """Its lease is live, as far as this machine can tell."""
        life = life_of(self._leases.get(run_id), datetime.now(UTC), Process.here())
        return life in (Life.LIVE, Life.UNSURE)

    def all(self, run_id: str, *kinds: str) -> list[Row]:
        """Rows of these kinds."""
        return [row for row in self.rows.get(run_id, []) if row.kind in kinds]


def body(row: Row) -> dict[str, Any]:
    """What a row says."""
    found: dict[str, Any] = json.loads(row.body)
    return found
