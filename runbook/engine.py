"""Performs the moves that the policy judges right, and records them. It decides nothing.

Starting and resuming are the same call: :meth:`Engine.drive` looks at the folded journal, performs what
``next_moves`` returns, and ends when there is nothing more that this process can do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from runbook.cancel import CancelToken
from runbook.context import Services
from runbook.errors import Fenced, FencedOut
from runbook.events import Draft, Kind
from runbook.journal.log import RunLog
from runbook.looking import Progress
from runbook.performing import Performer
from runbook.policy import Do, Finish, GoOn, Hold, Leave, Move, Reset, Settle, TurnBack, Undo, is_overruled, next_moves
from runbook.ports import Clock, Timer
from runbook.runview import RunView
from runbook.states import RunState
from runbook.step import Step
from runbook.step import Undo as UndoBase
from runbook.timekeeping import note_jump
from runbook.window import SteadyNow
from runbook.workers import InlineWorkers, Workers

POLL = 0.5
"""Seconds between looks at what other processes wrote into the journal (requests of a person)."""


class Watcher(Protocol):
    """Whoever shows the run on a terminal; called on the engine's thread, must not block."""

    def tick(self, engine: Engine) -> None: ...


@dataclass(frozen=True, slots=True)
class _Task:
    """A move on a step, begun."""

    step: str
    how: Callable[[str, CancelToken], None]
    token: CancelToken


class Engine:
    """One executor of one run."""

    def __init__(
        self,
        log: RunLog,
        steps: Mapping[str, Step],
        undos: Mapping[str, type[UndoBase]],
        services: Services,
        clock: Clock,
        now: SteadyNow,
        workers: Workers,
        watcher: Watcher | None = None,
    ) -> None:
        self.log = log
        self.view = log.view
        self.now = now
        self.busy: dict[str, CancelToken] = {}
        self.progress: dict[str, Progress] = {}
        self._clock = clock
        self._workers = workers
        self._watcher = watcher
        self._performer = Performer(log, steps, undos, services, now, self.progress)
        self.until: Callable[[RunView], bool] | None = None
        """Asked before anything is begun: whether to stop here, as if told to by :meth:`stop`."""
        self._wake = threading.Event()
        self._crash: BaseException | None = None
        self._stopping = ""
        self._look_at = clock.monotonic() + POLL

    # --- what other threads may call -------------------------------------------------------------------------

    def stop(self, reason: str, *, at_once: bool = False) -> None:
        """Begin nothing more; with ``at_once`` also interrupt what runs. The run stays resumable."""
        self._stopping = reason
        if at_once:
            self._cancel(reason)
        self._wake.set()

    def fenced(self) -> None:
        """Another executor took over: stop without touching anything more."""
        self._crash = Fenced("the lease belongs to another executor")
        self._cancel("another executor took over")
        self._wake.set()

    # --- the loop ----------------------------------------------------------------------------------------------

    def drive(self) -> RunState:
        """Go on until an ending, a hold, or a stop; returns the run's state (RUNNING or REVERTING when stopped)."""
        try:
            while not self._over():
                self._raise_crash()
                if not self._advance():
                    self._wait()
        except BaseException:
            self._cancel("the executor stops")  # nobody is left to end at the turn-back point what hangs
            raise
        finally:
            self._workers.close()
        self._raise_crash()
        self.log.flush()
        return self.view.state

    def _over(self) -> bool:
        with self.log.lock:
            if self.busy:
                return False
            return bool(self.view.ending or self._is_stopping() or (self.view.held and not self.view.waits))

    def _is_stopping(self) -> bool:
        return bool(self._stopping or (self.until and self.until(self.view)))

    def _advance(self) -> bool:
        """Perform what may be done now; False when there is nothing more until a step ends."""
        with self.log.lock:
            if self._is_stopping():
                return False
            note_jump(self.log, self.now)  # what is judged by it follows in the record
            self._turn_back_while_there_is_room()
            moves = next_moves(self.view, self.busy, self.now())
            for move in moves:
                self._perform(move)
        return not all(isinstance(move, Do | Leave) for move in moves)

    def _perform(self, move: Move) -> None:
        match move:
            case Do() | Settle() | Undo():
                self._begin(self._task(move))
            case Reset(step):
                self.log.append(Draft(Kind.STEP_RESET, step))
            case TurnBack(reason):
                self.log.append(Draft(Kind.TURNED_BACK, None, {"reason": reason}))
                self._cancel(reason)
            case Leave(reason):
                self._cancel(reason)
            case GoOn(reason):
                self.log.append(Draft(Kind.WENT_ON, None, {"reason": reason}))
            case Hold(reason, hint, live):
                held = Draft(Kind.HELD, None, {"reason": reason, "hint": hint, "live": live})
                self.log.append(held, unless=is_overruled)
            case Finish(ending, reason):
                finished = Draft(Kind.RUN_FINISHED, None, {"ending": ending.value, "reason": reason})
                self.log.append(finished, unless=is_overruled)

    def _task(self, move: Do | Settle | Undo) -> _Task:
        """The step is busy from now on."""
        task = _Task(move.step, self._how(move), CancelToken(self._clock))
        self.busy[task.step] = task.token
        return task

    def _how(self, move: Do | Settle | Undo) -> Callable[[str, CancelToken], None]:
        match move:
            case Do():
                return self._performer.do
            case Settle():
                return self._performer.settle
            case Undo():
                return self._performer.undo_again if move.again else self._performer.undo

    def _begin(self, task: _Task) -> None:
        if not self._workers.inline:
            self._workers.submit(task.step, lambda: self._work(task), self._idle)
            return
        alarm = self._alarm(task.step, task.token)

        def done(_: BaseException | None) -> None:
            if alarm:
                alarm.cancel()
            self._ended(task, None)

        self._workers.submit(task.step, lambda: task.how(task.step, task.token), done)

    def _work(self, task: _Task) -> None:
        """On a worker's thread: perform a move, then one that it made ready; a chain needs no other thread."""
        following: _Task | None = task
        while following:
            task, error = following, None
            try:
                task.how(task.step, task.token)
            except BaseException as caught:  # noqa: BLE001  (handed to the engine's own thread, which raises it)
                error = caught
            with self.log.lock:
                self._ended(task, error)
                following = self._following()

    def _idle(self, error: BaseException | None) -> None:
        self._crash = self._crash or error
        self._wake.set()

    def _ended(self, task: _Task, error: BaseException | None) -> None:
        with self.log.lock:
            self._crash = self._crash or error
            self.busy.pop(task.step, None)
            self.progress.pop(task.step, None)

    def _following(self) -> _Task | None:
        """Begin what may begin, when that is steps and nothing else; one of them is for the thread that asks."""
        if self._is_stopping() or self._crash:
            return None
        moves = next_moves(self.view, self.busy, self.now())
        steps = [move for move in moves if isinstance(move, Do)]
        if not steps or len(steps) < len(moves):
            return None  # an ending, a hold, the way back: for the engine's own thread
        for move in steps[1:]:
            self._begin(self._task(move))
        return self._task(steps[0])

    def _alarm(self, step: str, token: CancelToken) -> Timer | None:
        """Without threads the loop cannot watch the turn-back point itself while a step runs."""
        if not self._workers.inline or self.view.turned_back or self.view.pivot_at:
            return None
        left = (self.view.turn_back_at_after(step) - self.now()).total_seconds()
        return self._clock.call_after(left, lambda: token.cancel("turn-back point"))

    def _cancel(self, reason: str) -> None:
        for token in list(self.busy.values()):
            token.cancel(reason)

    def _raise_crash(self) -> None:
        if self._crash is None:
            return
        self._cancel("the executor stops")
        error = self._crash
        raise Fenced(str(error)) if isinstance(error, FencedOut) else error

    # --- waiting: for a step to end, a request, or the turn-back point -------------------------------------------

    def _wait(self) -> None:
        if isinstance(self._workers, InlineWorkers) and self._workers.run_one():
            return
        woken = self._clock.wait(self._wake, self._patience())
        self._wake.clear()
        if not woken or self._clock.monotonic() >= self._look_at:
            self._look_around()
        if self._watcher:
            self._watcher.tick(self)

    def _look_around(self) -> None:
        """Read what others wrote. Not at every step that ends: an append notices by itself that it is behind."""
        if not self._workers.inline:
            self.log.flush()
        self.log.refresh()
        self._look_at = self._clock.monotonic() + POLL

    def _turn_back_while_there_is_room(self) -> None:
        """The journal lives on its last reserve: what is left is for the record of the way back."""
        why = self.log.store.pressed
        if why and not (self.view.revert_requested or self.view.turned_back or self.view.pivot_at or self.view.ending):
            wish = {"what": "revert", "reason": why, "by": "runbook"}
            self.log.append(Draft(Kind.REQUESTED, None, wish), unless=lambda run: run.pivot_at or run.ending)

    def _patience(self) -> float:
        left = (self.view.turn_back_at - self.now()) / timedelta(seconds=1)
        if self.view.turned_back or self.view.pivot_at or left <= 0:
            return POLL
        return min(POLL, left)
