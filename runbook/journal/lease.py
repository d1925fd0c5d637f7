"""The lease: at most one executor acts on a run.

A row in the journal says who, with a heartbeat and a fencing number. The number grows with every executor, and
the journal itself refuses a writer with an older one. A lease lapses when its heartbeat stays the same for its term,
or at once when its process on this machine is gone; nothing that a kill could leave behind has to be removed.

Whether it stays the same is *watched* before a lease is taken from somebody whose end is not certain, with the
monotonic clock of whoever watches: a wall clock that was set, or two machines that disagree about the time, take
nothing from anybody and lock nobody out.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from threading import Event

from runbook.errors import AlreadyRunning, FencedOut
from runbook.journal.reading import unknown
from runbook.journal.store import LeaseRow, Store
from runbook.journal.term import beat_every, term
from runbook.ports import Clock

AHEAD = 2.0
"""Seconds by which a heartbeat may lie in the future before the clocks are taken to disagree."""
HOST = "RUNBOOK_HOST"
"""Environment variable: the name of this machine in the record, where machines that share a journal share a name."""


@dataclass(frozen=True)
class Process:
    """A process so that it can be recognised: ``token`` differs when the number was given to another one."""

    host: str
    pid: int
    token: str

    @classmethod
    def here(cls) -> Process:
        """This one."""
        return cls(os.environ.get(HOST) or socket.gethostname(), os.getpid(), _token(os.getpid()))


def _token(pid: int) -> str:
    """Start time of a process in clock ticks since boot (Linux), empty where that cannot be read or where it has ended
    and only its parent has not noticed."""
    try:
        about = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return "" if about[0] in "ZX" else about[19]


def is_running(pid: int, token: str) -> bool:
    """A process of this machine is there, and is the one that was meant; False where that cannot be read."""
    return bool(token) and _token(pid) == token


class Life(StrEnum):
    """What a lease says of whoever took it."""

    NONE = "none"
    """Nobody: never taken, or given back."""
    DEAD = "dead"
    """Its process was on this machine and is gone."""
    LIVE = "live"
    SILENT = "silent"
    """The heartbeat is older than the term, by this machine's clock."""
    UNSURE = "unsure"
    """The heartbeat lies in the future: the clocks disagree, and only watching tells."""


def life_of(lease: LeaseRow | None, now: datetime, here: Process) -> Life:
    """By a single look; see :func:`watched` for what it takes to be sure."""
    if lease is None or lease.released:
        return Life.NONE
    if _is_dead(lease, here):
        return Life.DEAD
    age = (now - datetime.fromisoformat(lease.heartbeat_at)).total_seconds()
    if age < -AHEAD:
        return Life.UNSURE
    return Life.LIVE if age < lease.term_s else Life.SILENT


def _is_dead(lease: LeaseRow, here: Process) -> bool:
    return bool(lease.host == here.host and lease.pid_token and lease.pid_token != _token(lease.pid))


def is_live(lease: LeaseRow | None, now: datetime, here: Process) -> bool:
    """Somebody holds this lease now, as far as one look can tell."""
    return life_of(lease, now, here) in (Life.LIVE, Life.UNSURE)


class Vigil:
    """Watches a lease with the monotonic clock of this process."""

    def __init__(self, here: Process, monotonic: Callable[[], float]) -> None:
        self._here = here
        self._monotonic = monotonic
        self._seen: LeaseRow | None = None
        self._since = monotonic()

    def is_gone(self, lease: LeaseRow | None) -> bool:
        """Nobody holds it, its process is dead, or it stayed the same for its term while this was asked again and
        again."""
        if lease is None or lease.released or _is_dead(lease, self._here):
            return True
        if lease != self._seen:
            self._seen, self._since = lease, self._monotonic()
        return self._monotonic() - self._since >= lease.term_s


def watched(store: Store, run_id: str, here: Process, clock: Clock, now: Callable[[], datetime]) -> LeaseRow | None:
    """The lease of a run once it is certain that nobody holds it; AlreadyRunning when somebody does.

    One whose heartbeat looks too old is watched for two beats, one that lies in the future for its whole term.
    """
    first = store.lease(run_id)
    seen = life_of(first, now(), here)
    if seen is Life.LIVE and first is not None:
        raise _held(run_id, first)
    if first is not None and seen in (Life.SILENT, Life.UNSURE):
        clock.wait(Event(), 2 * beat_every() if seen is Life.SILENT else first.term_s)
        found = store.lease(run_id)
        if found is not None and found != first and not found.released and not _is_dead(found, here):
            raise _held(run_id, found)
        return found
    return first


def end_process(lease: LeaseRow | None, here: Process) -> bool:
    """Kill a process on this machine that lost its lease and still is there: it hangs, and what it runs here (a gate's
    command) would go on beside the new executor. True when it was there. Never another process with its number."""
    mine = lease is not None and not lease.released and lease.host == here.host and lease.pid != here.pid
    if lease is None or not mine or not lease.pid_token or _is_dead(lease, here):
        return False
    with suppress(OSError):  # gone in this moment, or of another user: the fencing number stops it
        os.kill(lease.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        return True
    return False


class Lease:
    """A lease that is held. ``beat`` renews it; a False answer means that another executor took over."""

    def __init__(self, store: Store, run_id: str, fence: int, now: Callable[[], datetime]) -> None:
        self._store = store
        self._run_id = run_id
        self.fence = fence
        self._now = now
        self._renewed_at = now()

    def beat(self) -> bool:
        """Renew."""
        at = self._now()
        held = self._store.beat(self._run_id, self.fence, _stamp(at))
        if held:
            self._renewed_at = at
        return held

    def confirm(self) -> None:
        """FencedOut when another executor may have taken over since the last renewal.

        A process that was stopped, or a machine that slept, does not know that time went by. Asked right before an
        effect that no server can refuse to an older executor (a file, a command).
        """
        if (self._now() - self._renewed_at).total_seconds() >= term() / 2 and not self.beat():
            raise FencedOut(
                f"run {self._run_id} was taken over while this executor ({self.fence}) stood still",
                hint="Leave it to that one; runbook status shows who it is.",
            )

    def release(self) -> None:
        """Give it back, so that the next executor need not wait."""
        self._store.beat(self._run_id, self.fence, _stamp(self._now()), released=True)


def acquire(
    store: Store,
    run_id: str,
    owner: str,
    here: Process,
    now: Callable[[], datetime],
    *,
    lapsed: LeaseRow | None = None,
) -> Lease:
    """Take the lease of a run, with the next fencing number; AlreadyRunning while somebody else holds it, UsageError
    for a run that this journal does not have. ``lapsed``: a lease that was watched and is taken whatever its heartbeat
    says, if it is still that one."""
    before = store.lease(run_id)
    if before is not None and before != lapsed:
        seen = life_of(before, now(), here)
        moved = lapsed is not None and seen is Life.SILENT  # it gave a sign of life since, whatever this clock says
        if moved or seen in (Life.LIVE, Life.UNSURE):
            raise _held(run_id, before)
    head = store.head(run_id)
    if head is None:
        raise unknown(run_id)
    fence = max(head.fence, before.fence if before else 0) + 1
    row = LeaseRow(run_id, owner, here.host, here.pid, here.token, fence, _stamp(now()), term(), 0)
    if not store.take_lease(row, before=before):
        raise AlreadyRunning(f"run {run_id} was taken up by another executor", hint="Watch it with: runbook status.")
    return Lease(store, run_id, fence, now)


def _held(run_id: str, lease: LeaseRow) -> AlreadyRunning:
    return AlreadyRunning(
        f"run {run_id} is in the hands of {lease.owner} (last sign of life {lease.heartbeat_at})",
        hint="Watch it with: runbook status --watch. If that process is gone, its lease lapses in "
        f"{lease.term_s:.0f} seconds; then resume.",
    )


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
