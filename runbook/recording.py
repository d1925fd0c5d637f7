"""Recorders: into the journal of a run, or nowhere for what is looked at outside of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from runbook import failpoints
from runbook.events import Draft, Kind
from runbook.journal.log import RunLog


class Recorded:
    """The record of one statement while it runs."""

    text = "ok"

    def outcome(self, text: str) -> None:
        """What came of it."""
        self.text = text


class Journalled:
    """The Recorder of one step: an effect is durable before it is sent, a read is written with the next event.

    Durable here and, as far as that answers, at the second place of the journal.
    """

    def __init__(self, log: RunLog, step: str, now: Callable[[], datetime]) -> None:
        self._log = log
        self._step = step
        self._now = now

    @contextmanager
    def statement(self, server: str, text: str, *, effect: bool, session: str = "") -> Iterator[Recorded]:
        """Record one statement or command around its execution."""
        begun = self._now()
        record = Recorded()
        what = {"server": server, "text": text, "session": session, "effect": effect}
        if effect:
            self._log.append(Draft(Kind.STATEMENT, self._step, what))
            self._log.settle_copy()
            failpoints.reach("effect.before", text)
            self._log.confirm()
        try:
            yield record
            if effect:
                failpoints.reach("effect.after", text)
        except BaseException as error:
            record.outcome(f"{type(error).__name__}: {error}")
            raise
        finally:
            seconds = round((self._now() - begun).total_seconds(), 3)
            kind = Kind.STATEMENT_ENDED if effect else Kind.STATEMENT
            self._log.buffer(Draft(kind, self._step, {**what, "outcome": record.text, "seconds": seconds}))


class Unrecorded:
    """For looking around before there is a run."""

    @contextmanager
    def statement(self, server: str, text: str, *, effect: bool, session: str = "") -> Iterator[Recorded]:  # noqa: ARG002
        """Record nothing."""
        yield Recorded()
