"""The marker: what an instance itself knows of who may act on it.

One row on every instance names the run, its owner, the fencing number, and the journal's row with which that executor
announced its claim. It outlives sessions, the executor and its machine, so the instance can refuse an executor that no
journal could tell in time: one that was stopped and wakes, or one that works from an older copy of the journal.

Why no two executors can both have an effect: an executor raises the marker first, and only then lists the sessions of
older ones and ends them. A session of an older executor was opened either before the raise, and then it is found and
ended before the new one does anything; or after it, and then the marker it reads on that very session, right before
its effect, names somebody else, and it is refused.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from runbook.errors import AlreadyRunning, FencedOut, Refused


@dataclass(frozen=True)
class Marker:
    """Who may act. ``position`` and ``row_hash`` are number and hash of the journal's row that announced the claim: a
    journal that does not hold that row is not the newest there is."""

    run_id: str
    owner: str
    fence: int
    position: int
    row_hash: str
    ended: bool = False
    """The run came to its ending and has given the instance back."""
    behind: int = field(default=0, compare=False)
    """Number of the newest row when the second place of the journal last stopped taking rows; 0: it never did."""


def is_set_back(found: Marker | None, mine: Marker) -> bool:
    """An older claim of the same run stands where this executor had put its own. Markers are only ever raised, so the
    instance itself went back to an earlier state: its msdb was restored, or its files were copied back."""
    return found is not None and found.run_id == mine.run_id and found.fence < mine.fence and not found.ended


class Held(Protocol):
    """A lock on an instance."""

    def is_held(self) -> bool:
        """Whether its session is still there: a restart of the server, or a cut connection, ends both."""


class Instance(Protocol):
    """What a claim asks of a server; the adapter and the fake both have it."""

    role: str

    def marker(self) -> Marker | None:
        """The marker as it is now, None where there is none."""

    def put_marker(self, mine: Marker, *, instead_of: Marker | None) -> bool:
        """Put it in place of that one in a single step; False, and nothing changed, when another one is there."""

    def lag_marker(self, mine: Marker, newest: int) -> None:
        """Note in it that the copy of the journal may lack rows up to that number, if it is still this one."""

    def end_marker(self, run_id: str, fence: int, *, remove: bool) -> None:
        """Give the instance back, if the marker names that run and no newer executor: kept as ended, or removed with
        all that it needed."""

    def clearing(self, run_id: str) -> str:
        """The statement with which a person takes a marker away that nobody will give back."""

    def end_sessions_of(self, run_id: str, older_than_fence: int) -> int:
        """End what older executors of the run still do; returns once their sessions are gone."""

    def application_lock(self, run_id: str, *, instead_of: Held | None = None) -> AbstractContextManager[Held]:
        """Hold the instance as long as this process and its session live. AlreadyRunning when another one does.
        ``instead_of``: a lock of this process whose session is of no use any more; what is left of it is ended first.
        """


class Memory(Protocol):
    """What the journal at hand knows."""

    def knows(self, marker: Marker) -> bool:
        """It holds the row that announced this claim."""

    def has_ended(self, run_id: str) -> bool:
        """It holds that run, with its ending."""


def refuse_unless_free(instance: Instance, found: Marker | None, mine: Marker, memory: Memory) -> None:
    """Raise unless ``mine`` may stand in place of what was found.

    FencedOut: the journal knows of a newer executor. Refused: it does not, so it is an older copy. AlreadyRunning:
    another run has not given the instance back.
    """
    if found is None or found == mine:
        return
    if found.run_id == mine.run_id:
        if not memory.knows(found):
            raise _older_journal(instance.role, found, mine)
        if found.fence >= mine.fence:
            raise _taken_over(instance.role, found, mine)
    elif not found.ended and not memory.has_ended(found.run_id):
        raise AlreadyRunning(
            f"{instance.role}: run {found.run_id} of {found.owner} has not given this instance back",
            hint=f"Resume or end that run where its journal is (runbook recover rebuilds a lost one). If nobody ever "
            f"will, say so on that server: {instance.clearing(found.run_id)}.",
        )


def refuse_unless_mine(role: str, found: Marker | None, mine: Marker) -> None:
    """Raise FencedOut unless the marker is the one this executor has put there."""
    if found == mine:
        return
    if found is None:
        raise FencedOut(f"{role}: the marker of run {mine.run_id} was taken away: this executor may not act there")
    if found.run_id != mine.run_id:
        raise FencedOut(f"{role}: the instance is in the hands of run {found.run_id} of {found.owner}")
    raise _taken_over(role, found, mine)


def _taken_over(role: str, found: Marker, mine: Marker) -> FencedOut:
    return FencedOut(
        f"{role}: run {mine.run_id} is in the hands of executor {found.fence} ({found.owner}), this is {mine.fence}",
        hint="Leave it to that one; runbook status shows who it is.",
    )


def _older_journal(role: str, found: Marker, mine: Marker) -> Refused:
    return Refused(
        f"{role}: this journal is older than what the instance has seen of run {mine.run_id}: executor {found.fence} "
        f"({found.owner}) at row {found.position}, which this journal (row {mine.position}) does not hold",
        hint=f"Use the newer journal, or rebuild it: runbook recover {mine.run_id} --plan FILE. Nothing was touched.",
    )
