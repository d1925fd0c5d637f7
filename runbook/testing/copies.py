"""The fake second place of a journal: on a server of the world, as long as that is up."""

from __future__ import annotations

from collections.abc import Sequence

from runbook.errors import JournalCorrupt, Unreachable
from runbook.journal.reading import Row
from runbook.testing.world import World


class FakeCopies:
    """Implements ``runbook.journal.copying.Place``."""

    def __init__(self, world: World, role: str) -> None:
        self.name = role
        self._world = world
        self._generation = world.generation

    @property
    def _kept(self) -> dict[str, dict[int, Row]]:
        self._world.check_power(self._generation)
        instance = self._world.servers[self.name]
        if instance.down or instance.copies_refused:
            raise Unreachable(f"{self.name}: nobody answers", hint="Start the server.")
        return instance.copies

    def newest(self, run_id: str) -> tuple[int, str] | None:
        """See the protocol."""
        rows = self.rows(run_id)
        return (rows[-1].n, rows[-1].hash) if rows else None

    def add(self, rows: Sequence[Row]) -> None:
        """See the protocol."""
        kept = self._kept.setdefault(rows[0].run_id, {})
        for row in rows:
            if kept.setdefault(row.n, row) != row:
                raise JournalCorrupt(f"row {row.n} at {self.name} is another one")

    def rows(self, run_id: str) -> list[Row]:
        """See the protocol."""
        return [row for _, row in sorted(self._kept.get(run_id, {}).items())]

    def run_ids(self) -> list[str]:
        """See the protocol."""
        return sorted(self._kept)

    def remove(self, run_id: str) -> None:
        """See the protocol."""
        self._kept.pop(run_id, None)

    def close(self) -> None:
        """Nothing is kept open."""
