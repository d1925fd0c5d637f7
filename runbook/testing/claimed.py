"""The fake SQL Server's marker and lock: who may act on an instance of the world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from runbook.errors import AlreadyRunning
from runbook.marker import Held, Marker, refuse_unless_mine
from runbook.testing.instance import Instance
from runbook.testing.reading import FakeReader


class Claimed(FakeReader):
    """Implements ``runbook.marker.Instance``: what the engine asks of an adapter beyond the port."""

    _hold: Callable[[], Marker] | None = None

    def claimed_by(self, hold: Callable[[], Marker]) -> None:
        """As the adapter: change nothing from now on unless that marker stands on the instance."""
        self._hold = hold

    def _check_marker(self) -> None:
        if self._hold is not None:
            mine = self._hold()
            refuse_unless_mine(self.role, self.instance.marker, mine)

    def marker(self) -> Marker | None:
        self.look("marker", "SELECT runbook_marker")
        return self.instance.marker

    def put_marker(self, mine: Marker, *, instead_of: Marker | None) -> bool:
        self.look("put_marker", "UPDATE runbook_marker")
        if self.instance.marker != instead_of:
            return False
        self.instance.marker = mine
        return True

    def lag_marker(self, mine: Marker, newest: int) -> None:
        self.look("lag_marker", "UPDATE runbook_marker SET behind")
        found = self.instance.marker
        if found == mine:
            self.instance.marker = replace(mine, behind=newest)

    def end_marker(self, run_id: str, fence: int, *, remove: bool) -> None:
        self.look("end_marker", "DELETE runbook_marker" if remove else "UPDATE runbook_marker SET ended")
        found = self.instance.marker
        if found and found.run_id == run_id and found.fence <= fence:
            self.instance.marker = None if remove else replace(found, ended=True)

    def clearing(self, run_id: str) -> str:
        return f"DELETE FROM runbook_marker WHERE run_id = '{run_id}'"

    def end_sessions_of(self, run_id: str, older_than_fence: int) -> int:
        """End what older executors of this run left behind; see ``World.lingering``."""
        self.look("end_sessions_of", f"KILL sessions of {run_id} before {older_than_fence}")
        return self.instance.end_lingering()

    @contextmanager
    def application_lock(self, run_id: str, *, instead_of: Held | None = None) -> Iterator[FakeLock]:
        """The lock that keeps a second executor away from this instance."""
        self.look("application_lock", "sp_getapplock runbook")
        if instead_of is not None and self.instance.lock is instead_of:
            self.instance.end_lock()
        if self.instance.lock_holder is not None:
            raise AlreadyRunning(
                f"another run works on {self.instance.server_name}: {self.instance.lock_holder}",
                hint="Wait for it, or resume it.",
            )
        held = FakeLock(self.instance)
        self.instance.lock_holder, self.instance.lock = run_id, held
        try:
            yield held
        finally:
            if self.generation == self.world.generation and self.instance.lock is held:
                self.instance.end_lock()


class FakeLock:
    """A lock that goes with the server."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def is_held(self) -> bool:
        """Its session is there."""
        return self._instance.lock is self and not self._instance.down
