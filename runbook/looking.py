"""Looking at what became of a step: how long a look may take, and who is waited for before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from runbook import policy
from runbook.cancel import CancelToken
from runbook.context import Services
from runbook.errors import Away, Cancelled, ServerAway
from runbook.journal.log import RunLog
from runbook.ports import Timer
from runbook.states import GATE

Seen = TypeVar("Seen")
LONGEST_AWAY, AWAY_PAUSE = 300.0, 1.0
"""Seconds a host or server is waited for before a look: at most as long as a reboot takes; between two tries."""
Looking = Callable[[], AbstractContextManager[CancelToken]]
"""The token of one look."""


@dataclass(frozen=True)
class Progress:
    """How far a step is: ``done`` of ``total``, in whatever unit it counts."""

    done: float
    total: float
    what: str


class Looks:
    """How those of one executor go; every method is for every thread."""

    def __init__(
        self, log: RunLog, services: Services, now: Callable[[], datetime], progress: dict[str, Progress]
    ) -> None:
        self._log = log
        self._services = services
        self._now = now
        self._progress = progress

    def answered(
        self,
        identity: str,
        look: Callable[[CancelToken], Seen],
        looking: Looking,
        token: CancelToken,
        *,
        back: bool = False,
    ) -> Seen:
        """What a look shows once whoever it asks can be reached: a host or server that boots or is cut off is waited
        for, unless somebody tells the executor to stop. How long a look may take is asked of each look anew. ``back``:
        the step is put back."""
        began, waited = token.clock.monotonic(), 0.0
        while True:
            try:
                with looking() as own:
                    found = look(own)
            except Away as away:
                waited = token.clock.monotonic() - began
                over = waited >= LONGEST_AWAY or not (back or self._has_time())
                if over or not self._is_needed(away, identity if back else ""):
                    raise
                self.report(identity)(waited, LONGEST_AWAY, f"s waited: {away.message}")
                try:
                    token.sleep(AWAY_PAUSE)
                except Cancelled:
                    raise away from None
            else:
                if waited:
                    self._progress.pop(identity, None)
                return found

    @contextmanager
    def bounded(self, identity: str, token: CancelToken) -> Iterator[CancelToken]:
        """A token of its own: looking is part of the way back and is not cut short by what stopped the step. One that
        hangs is ended, for it must not hold up the way back for ever."""
        limit = policy.patience_to_look(self._log.view, identity)
        own = CancelToken(token.clock)
        alarm = token.clock.call_after(limit, lambda: own.cancel(f"the look took longer than {limit:.0f} s"))
        try:
            yield own
        finally:
            alarm.cancel()

    @contextmanager
    def in_time(self, identity: str, token: CancelToken) -> Iterator[CancelToken]:
        """The same at what ran forward: when the run goes back, the look ends while everything can still be put back in
        time. What it would have shown stays unknown, and is put back as well."""
        alarms: list[Timer] = []
        with self.bounded(identity, token) as own:

            def hurry() -> None:
                left = policy.time_to_look(self._log.view, self._now())
                if left is not None:
                    alarms.append(token.clock.call_after(left, lambda: own.cancel("no time is left for the look")))

            try:
                with token.when_set(hurry):
                    if self._log.view.turned_back:
                        hurry()
                    yield own
            finally:
                for alarm in alarms:
                    alarm.cancel()

    @contextmanager
    def for_itself(self, identity: str, token: CancelToken) -> Iterator[CancelToken]:
        """The token of the step: nothing went wrong, so that looking is the end of what it does."""
        del identity
        yield token

    def report(self, identity: str) -> Callable[[float, float, str], None]:
        def report(done: float, total: float, what: str) -> None:
            self._progress[identity] = Progress(done, total, what)

        return report

    def _has_time(self) -> bool:
        """To wait for who is away before a look at what ran forward."""
        left = policy.time_to_look(self._log.view, self._now()) if self._log.view.turned_back else None
        return left is None or left > policy.QUICK_LOOK

    def _is_needed(self, away: Away, back: str) -> bool:
        """To go back, or on. While users wait before the pivot nobody waits for the target, as the old setup can be had
        without it; except to put back what the gate does not wait for."""
        if not isinstance(away, ServerAway) or away.server != self._services.plan.target:
            return True
        view = self._log.view
        if view.pivot_at is not None or view.gate != "closed":
            return True
        return bool(back) and GATE not in view.graph.before(back)
