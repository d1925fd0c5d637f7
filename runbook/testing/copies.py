"""The fake second place of a journal: on a server of the world, as long as that is up."""

from __future__ import annotations

from collections.abc import Sequence

from runbook.errors import FencedOut, JournalCorrupt, Unreachable
from runbook.journal.copying import RowsLost
from runbook.journal.reading import Row
from runbook.testing.refusals import refusal
from runbook.testing.world import World


class FakeCopies:
    """Implements ``runbook.journal.copying.Place``."""

    def __init__(self, world: World, role: str) -> None:
        self.name = self.server = role
        self._world = world
        self._generation = world.generation
        self._fence = 0

    @property
    def _kept(self) -> dict[str, dict[int, Row]]:
        self._world.check_power(self._generation)
        instance = self._world.servers[self.name]
        if instance.copies_refused:
            raise refusal(1105, "msdb")
        if instance.down:
            raise Unreachable(f"{self.name}: nobody answers", hint="Start the server.")
        return instance.copies

    def newest(self, run_id: str) -> tuple[int, str] | None:
        """See the protocol."""
        rows = self.rows(run_id)
        return (rows[-1].n, rows[-1].hash) if rows else None

    def held_by(self, fence: int) -> None:
        """See the protocol."""
        self._fence = fence

    def add(self, rows: Sequence[Row]) -> None:
        """See the protocol."""
        kept = self._kept.setdefault(rows[0].run_id, {})
        marker = self._world.servers[self.name].marker
        if self._fence and (marker is None or (marker.run_id, marker.fence) != (rows[0].run_id, self._fence)):
            raise FencedOut(f"{self.name}: the instance is in other hands, it takes no rows of this executor")
        if rows[0].n > 1 and rows[0].n - 1 not in kept:
            raise RowsLost(f"{self.name} has not the row before {rows[0].n}")
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
