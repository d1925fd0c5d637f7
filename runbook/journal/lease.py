"""The lease: at most one executor acts on a run.

A row in the journal says who, with a heartbeat and a fencing number. The number grows with every executor, and
the journal itself refuses a writer with an older one. A lease lapses when its heartbeat is older than its term,
or at once when its process on this machine is gone; nothing that a kill could leave behind has to be removed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runbook.errors import AlreadyRunning
from runbook.journal.store import LeaseRow, Store

TERM = 15.0
"""Seconds without a heartbeat after which another executor may take over."""


@dataclass(frozen=True)
class Process:
    """A process so that it can be recognised: ``token`` differs when the number was given to another one."""

    host: str
    pid: int
    token: str

    @classmethod
    def here(cls) -> Process:
        """This one."""
        return cls(socket.gethostname(), os.getpid(), _token(os.getpid()))


def _token(pid: int) -> str:
    """Start time of a process in clock ticks since boot (Linux), empty where that cannot be read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def is_live(lease: LeaseRow | None, now: datetime, here: Process) -> bool:
    """Somebody holds this lease now."""
    if lease is None or lease.released:
        return False
    if lease.host == here.host and lease.pid_token and lease.pid_token != _token(lease.pid):
        return False
    return now - datetime.fromisoformat(lease.heartbeat_at) < timedelta(seconds=lease.term_s)


class Lease:
    """A lease that is held. ``beat`` renews it; a False answer means that another executor took over."""

    def __init__(self, store: Store, run_id: str, fence: int, now: Callable[[], datetime]) -> None:
        self._store = store
        self._run_id = run_id
        self.fence = fence
        self._now = now

    def beat(self) -> bool:
        """Renew."""
        return self._store.beat(self._run_id, self.fence, _stamp(self._now()))

    def release(self) -> None:
        """Give it back, so that the next executor need not wait."""
        self._store.beat(self._run_id, self.fence, _stamp(self._now()), released=True)


def acquire(store: Store, run_id: str, owner: str, here: Process, now: Callable[[], datetime]) -> Lease:
    """Take the lease of a run, with the next fencing number; AlreadyRunning while somebody else holds it."""
    before = store.lease(run_id)
    if is_live(before, now(), here) and before is not None:
        raise AlreadyRunning(
            f"run {run_id} is in the hands of {before.owner} (last sign of life {before.heartbeat_at})",
            hint="Watch it with: runbook status --watch. If that process is gone, its lease lapses in "
            f"{before.term_s:.0f} seconds; then resume.",
        )
    head = store.head(run_id)
    fence = max(head.fence if head else 0, before.fence if before else 0) + 1
    row = LeaseRow(run_id, owner, here.host, here.pid, here.token, fence, _stamp(now()), TERM, 0)
    if not store.take_lease(row, before=before):
        raise AlreadyRunning(f"run {run_id} was taken up by another executor", hint="Watch it with: runbook status.")
    return Lease(store, run_id, fence, now)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
