"""The guard: a second process that keeps the promise when the first one is dead.

It watches the lease of a run. :func:`judge` says what follows from what it sees, and is pure; :class:`Guard` looks,
asks, and hands the run to an executor of its own when it must. It never acts once the gate has opened on the new setup.

the run has ended                              -> nothing more to watch, once its instances are given back
an executor is at work                         -> wait
the executor was stopped in order              -> wait; at the turn-back point, go back
the executor is gone, before the pivot         -> take over: go on, or back, as the plan wants it
the executor is gone, in the pivot             -> take over to look whether the gate opened; if so, no further
the executor is gone, after the pivot          -> say so; nothing reverts by itself, and a person finishes
the way back is stuck                          -> say so; a person is needed
the plan wants an alarm only                   -> say so
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Protocol

from runbook import failpoints
from runbook.errors import AlreadyRunning, Fenced, JournalCorrupt, JournalError, RunbookError
from runbook.events import Draft, Kind
from runbook.journal.lease import Process, Vigil
from runbook.journal.log import RunLog
from runbook.journal.store import LeaseRow
from runbook.journal.term import beat_every
from runbook.plan.models import OnLoss
from runbook.ports import Clock
from runbook.runview import RunView
from runbook.timekeeping import note_behind, note_jump
from runbook.window import CLOCK_STEP, SteadyNow

LOOK = 1.0
"""Seconds between two looks."""
PAUSES = (5.0, 10.0, 30.0)
"""Seconds until the next try after one, two, and more take-overs that failed."""


@dataclass(frozen=True, slots=True)
class Wait:
    """All is well, or not the guard's business yet."""


@dataclass(frozen=True, slots=True)
class Over:
    """There is nothing left to watch."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Become the executor. ``revert``: go back, for this reason; empty: go on where it stood. ``look_only``: find out
    whether the gate has opened, and go no further when it has."""

    why: str
    revert: str = ""
    look_only: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """A person is needed."""

    text: str


Judgement = Wait | Over | TakeOver | Alarm


def judge(run: RunView, gone: bool, on_loss: OnLoss, now: datetime) -> Judgement:
    """What a guard does; ``gone``: nobody holds the lease, or nobody renewed it for its term."""
    if run.ending:
        return Over()
    if not gone or not run.executor:
        return Wait()
    due = now >= run.turn_back_at
    needed = _needs_a_person(run, on_loss, due)
    if needed:
        return Alarm(needed)
    if _waits_for_a_person(run):
        return TakeOver("the turn-back point is reached") if due else Wait()
    return _take_over(run, on_loss)


def _needs_a_person(run: RunView, on_loss: OnLoss, due: bool) -> str:
    if run.pivot_at is not None and not _pivot_in_doubt(run):
        return "no executor is at work after the gate opened on the new setup; finish with: runbook resume"
    if run.turned_back and run.held:
        return f"the way back is held: {run.held}"
    if on_loss == "alarm":
        late = "; the turn-back point has passed" if due else ""
        return f"no executor is at work, and the plan wants an alarm only{late}; runbook resume, or runbook revert"
    return ""


def _take_over(run: RunView, on_loss: OnLoss) -> TakeOver:
    lost = "the executor was lost"
    if _pivot_in_doubt(run):
        return TakeOver(f"{lost} while the gate opened", look_only=True)
    back = on_loss == "revert" and not run.turned_back
    return TakeOver(lost, revert=f"{lost}, and the plan wants to go back then" if back else "")


def _pivot_in_doubt(run: RunView) -> bool:
    return any(run.graph[identity].pivot for identity in run.started)


def _waits_for_a_person(run: RunView) -> bool:
    """Somebody stopped it on purpose: until the turn-back point that is theirs to decide."""
    return not run.turned_back and bool(run.stopped or run.held or run.hold_requested)


class Driver(Protocol):
    """How a guard becomes an executor."""

    def __call__(self, move: TakeOver, lapsed: LeaseRow | None, until: Callable[[RunView], bool] | None) -> object: ...


class Guard:
    """Watches one run. ``drive`` takes the lease and goes on as :meth:`runbook.executor.Executor.drive` does; ``say``
    tells whoever reads the guard's own output."""

    def __init__(
        self,
        log: RunLog,
        clock: Clock,
        now: SteadyNow,
        on_loss: OnLoss,
        drive: Driver,
        say: Callable[[str], None],
        tidy: Callable[[LeaseRow], str] = lambda _lapsed: "",
    ) -> None:
        self._log = log
        self._clock = clock
        self._now = now
        self._on_loss = on_loss
        self._drive = drive
        self._say = say
        self._tidy = tidy
        self._vigil = Vigil(Process.here(), clock.monotonic)
        self._due = clock.monotonic()
        """When the next look was meant to be."""
        self._beat: LeaseRow | None = None
        """The lease as it was at the last look, if that was just now."""
        self._compared = False
        self._said = self._alarmed = ""
        self._failed = 0
        self._stopped = Event()
        self.acting = False
        """It is the executor now."""

    def stop(self) -> None:
        """End the watch; what it does as an executor is stopped there."""
        self._stopped.set()

    def watch(self) -> RunView:
        """Until the run has ended, or :meth:`stop`. JournalCorrupt when the record cannot be trusted any more."""
        while not self._stopped.is_set():
            pause = self._look()
            if pause is None:
                break
            self._due = self._clock.monotonic() + pause
            self._clock.wait(self._stopped, pause)
        with suppress(JournalError):
            self._log.refresh()
        return self._log.view

    def _look(self) -> float | None:
        """One look and what follows; seconds until the next, None when it is over."""
        try:
            self._log.refresh()
            lease = self._log.store.lease(self._log.view.run_id)
        except JournalCorrupt:
            raise
        except JournalError as error:
            self._tell(f"the journal cannot be read: {error.message}")
            self._begin_anew()
            return LOOK
        self._begin_anew_after_a_gap()
        self._watch_the_clocks(lease)
        match judge(self._log.view, self._vigil.is_gone(lease), self._on_loss, self._now()):
            case Over():
                return self._end(lease)
            case Wait():
                self._said = self._alarmed = ""
            case Alarm(text):
                self._alarm(text)
            case TakeOver() as move:
                return self._take_over(move, lease)
        return LOOK

    def _end(self, lease: LeaseRow | None) -> float | None:
        """The executor that ended the run gives its instances back, and the lease last; if it died before, this guard
        does: it is no way forward or back."""
        if lease is None or lease.released:
            return None
        if not self._vigil.is_gone(lease):
            return LOOK
        self._tell(self._tidy(lease) or "the run has ended")
        return None

    def _begin_anew_after_a_gap(self) -> None:
        """Time in which this process stood still, or the journal did not answer, is no silence of the executor: it may
        have waited for the same."""
        if self._clock.monotonic() - self._due > beat_every():
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._vigil = Vigil(Process.here(), self._clock.monotonic)
        self._beat = None

    def _watch_the_clocks(self, lease: LeaseRow | None) -> None:
        """Say when this clock jumped, or is not the one of the executor: its heartbeat was made between the last look
        and this one. Judged by is whichever clock is ahead, here as in an executor."""
        newest, beat = self._log.last_at, None
        if lease and self._beat and (lease.fence, lease.owner) == (self._beat.fence, self._beat.owner):
            beat = datetime.fromisoformat(lease.heartbeat_at) if lease != self._beat else None
        whose = f"the clock of the guard on {Process.here().host}"
        texts = [
            note_jump(self._log, self._now, whose),
            note_behind(self._log, self._now.not_before(max(newest, beat) if beat else newest), whose),
        ]
        if beat and lease and not self._compared and (self._now() - beat).total_seconds() > beat_every() + CLOCK_STEP:
            self._compared = True
            texts.append(self._ahead(whose, lease, (self._now() - beat).total_seconds()))
        self._beat = lease
        for text in filter(None, texts):
            self._say(text)
        if any(texts):
            with suppress(JournalError):  # it stays in the buffer
                self._log.flush()

    def _ahead(self, whose: str, lease: LeaseRow, seconds: float) -> str:
        text = (
            f"{whose} is {seconds:.0f} s ahead of the executor's on {lease.host}: which is right cannot be told, "
            "so this guard would go back that much earlier"
        )
        self._log.buffer(Draft(Kind.NOTE, None, {"text": text, "finding": True}))
        return text

    def _take_over(self, move: TakeOver, lease: LeaseRow | None) -> float:
        self._tell(f"{move.why}: taking over")
        failpoints.reach("guard.before-take-over")
        self.acting = True
        try:
            self._drive(move, lease, self._until(move))
        except (AlreadyRunning, Fenced) as error:  # another guard, or a person, was faster
            self._tell(f"left to another executor: {error}")
        except RunbookError as error:
            return self._could_not(error)
        finally:
            self.acting = False
        self._failed = 0
        return LOOK

    def _could_not(self, error: RunbookError) -> float:
        pause = PAUSES[min(self._failed, len(PAUSES) - 1)]
        self._failed += 1
        self._alarm(f"the guard could not take over: {error.message}")
        return pause

    def _until(self, move: TakeOver) -> Callable[[RunView], bool] | None:
        if not move.look_only:
            return None
        opened = self._log.view.pivot_at
        return lambda run: run.pivot_at is not None and run.pivot_at == opened and not _pivot_in_doubt(run)

    def _alarm(self, text: str) -> None:
        """Into the record, once; people see it in ``status``."""
        if text == self._alarmed:
            return
        self._tell(f"ALARM: {text}")
        try:
            self._log.append(Draft(Kind.NOTE, None, {"text": f"guard: {text}", "finding": True}))
        except JournalError as error:
            self._say(f"the alarm could not be recorded: {error.message}")
            return
        self._alarmed = text

    def _tell(self, text: str) -> None:
        if text != self._said:
            self._say(text)
            self._said = text
