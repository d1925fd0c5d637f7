"""Keeps the public text true while the gate is closed: it follows the journal, and is put right when overwritten.

A look every few seconds beside the engine. Only what this run closed, and only between its own steps: whoever is about
to open or close the gate has the right of way (:mod:`runbook.turn`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Protocol

from runbook.cancel import CancelToken
from runbook.context import Services
from runbook.errors import Cancelled, Fenced, FencedOut, JournalError, RunbookError
from runbook.events import Draft, Kind
from runbook.front import Rule
from runbook.journal.log import RunLog
from runbook.ports import Clock, Recorded, Recorder
from runbook.publictext import message, public_rules, public_text
from runbook.recording import Journalled, Unrecorded
from runbook.runview import RunView
from runbook.states import GATE as STEP
from runbook.states import StepState

EVERY = 3.0
"""Seconds between two looks: what was overwritten stands for less than ten."""


class Periodic(Protocol):
    """Does something every so many seconds while a block runs."""

    def __call__(self, work: Callable[[], None], seconds: float) -> AbstractContextManager[None]: ...


@contextmanager
def on_a_thread(work: Callable[[], None], seconds: float) -> Iterator[None]:
    """On a thread of its own, which is waited for at the end."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(seconds):
            work()

    thread = threading.Thread(target=repeat, name="gate", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Looking:
    """A recorder that keeps effects only: thousands of looks in a night are worth nothing."""

    def __init__(self, effects: Recorder) -> None:
        self._effects = effects
        self._looks = Unrecorded()

    def statement(self, server: str, text: str, *, effect: bool, session: str = "") -> AbstractContextManager[Recorded]:
        """See :class:`runbook.ports.Recorder`."""
        to: Recorder = self._effects if effect else self._looks
        return to.statement(server, text, effect=effect, session=session)


class GateWatch:
    """One look after the other; every method is for every thread."""

    def __init__(self, log: RunLog, services: Services, clock: Clock, now: Callable[[], datetime]) -> None:
        self._log = log
        self._services = services
        self._clock = clock
        self._now = now
        self._put: tuple[str, tuple[Rule, ...]] | None = None
        """What stood there when this was sure of it."""
        self._said: set[str] = set()
        self._over = False

    def look(self) -> None:
        """Put right what is not as it should be; what cannot be done is told once."""
        if self._over:
            return
        token = CancelToken(self._clock)
        try:
            with self._services.turn.taken(token):
                with self._log.lock:
                    ours = is_ours_to_keep(self._log.view)
                if ours:
                    self._keep(token)
                else:
                    self._put = None
        except Cancelled:
            return  # a step wants the gate
        except (Fenced, FencedOut, JournalError):
            self._over = True  # another executor is at work, or nothing can be recorded: the engine hears of it itself
        except (RunbookError, OSError) as error:
            told = error.message if isinstance(error, RunbookError) else str(error)
            self._tell_once(f"what the public sees cannot be looked after: {told}")

    def _keep(self, token: CancelToken) -> None:
        gate = self._services.gate(token, Looking(Journalled(self._log, STEP, self._now)))
        with self._log.lock:
            view, now = self._log.view, self._now()
            wanted = public_text(view, now, self._services.plan), public_rules(view, now, self._services.plan)
        places = gate.differs(*wanted)
        for told in gate.missing():
            self._tell_once(told)
        if places:
            gate.close(*wanted)
            if self._put == wanted:
                self._tell(f"another text than this run's stood before the public ({_named(places)}); it was put right")
            elif self._put is None:  # the run's own of a moment ago, or somebody else's: it was not seen being put
                self._tell(f"what the public was told was not what it should be ({_named(places)}); it was put right")
            else:
                self._tell(f"the public is told: {message(view, now)}", finding=False)
        self._put = wanted

    def _tell_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._tell(text)

    def _tell(self, text: str, *, finding: bool = True) -> None:
        self._log.buffer(Draft(Kind.NOTE, STEP, {"text": text, **({"finding": True} if finding else {})}))


def is_ours_to_keep(run: RunView) -> bool:
    """This run closed the gate, and nobody is at it in this moment, or has begun to open it."""
    return not run.ending and run.gate == "closed" and run.steps[STEP].state is StepState.DONE


def _named(places: Sequence[str]) -> str:
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return ", ".join(places[:3]) + more
