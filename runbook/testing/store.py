"""A journal store in memory that can pull the plug at each of its durable writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from runbook.errors import FencedOut
from runbook.journal.reading import Row
from runbook.journal.store import Head, LeaseRow


class MemoryStore:
    """Implements ``runbook.journal.store.Store``. ``hook`` is called before and after every write that must be durable;
    ``alive`` before anything else is written: it raises in a process that is dead already."""

    def __init__(self, hook: Callable[[str], None] | None = None, alive: Callable[[], None] | None = None) -> None:
        self.hook = hook or (lambda _where: None)
        self.alive = alive or (lambda: None)
        self.pressed = self.unreserved = ""
        self._lock = threading.RLock()
        self._rows: dict[str, list[Row]] = {}
        self._heads: dict[str, Head] = {}
        self._leases: dict[str, LeaseRow] = {}

    def append(self, rows: Sequence[Row], *, expected: int, fence: int | None) -> bool:
        """See the protocol."""
        with self._lock:
            return self._append(rows, expected, fence)

    def _append(self, rows: Sequence[Row], expected: int, fence: int | None) -> bool:
        run_id = rows[0].run_id
        head = self._heads.get(run_id, Head(0, "", 0))
        if fence is not None and head.fence != fence:
            raise FencedOut(f"run {run_id} is in the hands of executor {head.fence}, this is {fence}")
        if head.n != expected:
            return False
        what = " ".join(f"{row.kind}({row.step})" for row in rows)
        self.hook(f"before writing {what}")
        self._rows.setdefault(run_id, []).extend(rows)
        self._heads[run_id] = Head(rows[-1].n, rows[-1].hash, head.fence)
        self.hook(f"after writing {what}")
        return True

    def rows(self, run_id: str, after: int = 0, *, without: Sequence[str] = ()) -> list[Row]:
        """See the protocol."""
        return [row for row in self._rows.get(run_id, [])[after:] if row.kind not in without]

    def head(self, run_id: str) -> Head | None:
        """See the protocol."""
        return self._heads.get(run_id)

    def run_ids(self) -> list[str]:
        """See the protocol."""
        return sorted(self._heads)

    def lease(self, run_id: str) -> LeaseRow | None:
        """See the protocol."""
        return self._leases.get(run_id)

    def take_lease(self, lease: LeaseRow, *, before: LeaseRow | None) -> bool:
        """See the protocol."""
        self.alive()
        with self._lock:
            head = self._heads.get(lease.run_id)
            if head is None or head.fence >= lease.fence or self._leases.get(lease.run_id) != before:
                return False
            self._leases[lease.run_id] = lease
            self._heads[lease.run_id] = head._replace(fence=lease.fence)
            return True

    def beat(self, run_id: str, fence: int, at: str, *, released: bool = False) -> bool:
        """See the protocol."""
        self.alive()
        with self._lock:
            lease = self._leases.get(run_id)
            if lease is None or lease.fence != fence:
                return False
            self._leases[run_id] = lease._replace(heartbeat_at=at, released=int(released))
            return True

    def close(self) -> None:
        """Nothing to let go of."""
