"""One run's journal: append, fold, read.

:class:`RunLog` is the only writer of events in a process. It checks that a state change is legal, chains the
row to the one before it, makes it durable, and only then folds it into the view. When another process wrote in
between (a person's request), it reads that first and tries again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from runbook.errors import JournalCorrupt, JournalError, Refused
from runbook.events import GENESIS, RECORD_ONLY, Draft, Event, Kind, chain, encode
from runbook.journal.copying import Copier
from runbook.journal.reading import Row, unknown
from runbook.journal.store import Store
from runbook.journal.whole import first_break, first_problem, read_whole
from runbook.runview import RunView

Now = Callable[[], datetime]


_KINDS = {kind.value: kind for kind in Kind}
_decode = json.JSONDecoder().decode


def to_event(row: Row) -> Event:
    """A stored row as an event; ValueError for one that is none."""
    run_id, n, at, kind, step, actor, fence, body, previous, digest = row
    known = _KINDS.get(kind) or Kind(kind)
    data = {} if body == "{}" else _decode(body)
    return Event(run_id, n, datetime.fromisoformat(at), known, step or None, actor, fence, data, previous, digest)


def fold(rows: Sequence[Row]) -> RunView:
    """The state of a run from its rows (record-only kinds may be left out)."""
    if not rows:
        raise JournalError("there is no such run", hint="runbook runs lists them.")
    view = RunView.opened(to_event(rows[0]))
    for row in rows[1:]:
        view.apply(to_event(row))
    return view


def view_of(store: Store, run_id: str) -> RunView:
    """The state of a run, read from its journal."""
    return fold(store.rows(run_id, without=[kind for kind in RECORD_ONLY if kind is not Kind.NOTE]))


class RunLog:
    """The journal of one run, for writing. Thread-safe; ``lock`` is held while an event is made durable."""

    def __init__(self, store: Store, view: RunView, last_hash: str, *, actor: str, now: Now, fence: int | None) -> None:
        self.store = store
        self.view = view
        self.lock = threading.RLock()
        self.fence = fence
        self._actor = actor
        self._now = now
        self._last = (view.n, last_hash)
        self.last_at = view.opened_at
        """Instant of the newest row."""
        self._buffer: list[tuple[Draft, datetime]] = []
        self.confirm: Callable[[], None] = lambda: None
        """Raises FencedOut when this process may have lost the run without noticing; asked right before an effect."""
        self.copier: Copier | None = None
        """Hands durable rows on to a second place."""
        self.listeners: list[Callable[[Event], None]] = []
        """Called with every event once it is durable, on the writing thread; must not block."""

    @property
    def last(self) -> tuple[int, str]:
        """Number and hash of the newest row."""
        return self._last

    @classmethod
    def open_run(cls, store: Store, run_id: str, opening: Draft, *, actor: str, now: Now) -> RunLog:
        """Write ``run-opened``; Refused when the id is taken."""
        row = _row(run_id, 1, now(), opening, actor, 0, GENESIS)
        if not store.append([row], expected=0, fence=None):
            raise Refused(f"run {run_id} exists already", hint="Try again; ids are made from the time.")
        return cls(store, RunView.opened(to_event(row)), row.hash, actor=actor, now=now, fence=None)

    @classmethod
    def load(cls, store: Store, run_id: str, *, actor: str, now: Now, fence: int | None = None) -> RunLog:
        """Read a run back; JournalCorrupt when the chain does not hold, UsageError when there is no such run."""
        whole = read_whole(store, run_id)
        if whole == (None, [], None):
            raise unknown(run_id)
        rows, problem = whole.rows, first_problem(whole)
        if rows and problem:
            raise _changed(run_id, problem)
        log = cls(store, fold(rows), rows[-1].hash, actor=actor, now=now, fence=fence)
        log.last_at = datetime.fromisoformat(rows[-1].at)
        return log

    def append(self, *drafts: Draft, unless: Callable[[RunView], object] | None = None) -> bool:
        """Make events durable, with what is buffered before them, and fold them in.

        ``unless`` is asked with everything in view that others wrote until this very row: when it says so, nothing is
        written, and False is returned.
        """
        with self.lock:
            return self._write(drafts, check=True, unless=unless)

    def buffer(self, draft: Draft) -> None:
        """Keep a record-only event; it is written with the next append, or by :meth:`flush`."""
        with self.lock:
            self._buffer.append((draft, self._now()))

    def flush(self) -> None:
        """Write what is buffered."""
        with self.lock:
            if self._buffer:
                self._write((), check=False)
        if self.copier and not self.copier.is_behind:
            self.settle_copy()

    def settle_copy(self, *, wholly: bool = False) -> None:
        """Before an effect: have what it needs at the second place as well, as far as that answers. Not under the
        lock: others write meanwhile."""
        finding = self.copier.settle(wholly=wholly) if self.copier else ""
        if finding:
            self.buffer(Draft(Kind.NOTE, None, {"text": finding, "finding": True}))

    def refresh(self) -> bool:
        """Read what other processes wrote; True when there was something."""
        with self.lock:
            return self._catch_up()

    def _write(
        self, drafts: Sequence[Draft], *, check: bool, unless: Callable[[RunView], object] | None = None
    ) -> bool:
        while True:
            now = self._now()
            if unless and unless(self.view):
                return False
            if check:
                for draft in drafts:
                    self.view.check(draft.kind, draft.step)
            stamped = [*self._buffer, *((draft, now) for draft in drafts)]
            rows = self._chained(stamped)
            if self.store.append(rows, expected=self._last[0], fence=self.fence):
                break
            if not self._catch_up():
                raise JournalError("the journal refused a row", hint="Look with: runbook audit verify.")
        self._hand_on(rows)
        self._buffer.clear()
        self._fold([_event(row, draft, at) for row, (draft, at) in zip(rows, stamped, strict=True)])
        return True

    def _chained(self, stamped: Sequence[tuple[Draft, datetime]]) -> list[Row]:
        n, previous = self._last
        rows = []
        for draft, at in stamped:
            n += 1
            row = _row(self.view.run_id, n, at, draft, self._actor, self.fence or 0, previous)
            previous = row.hash
            rows.append(row)
        return rows

    def _catch_up(self) -> bool:
        rows = self.store.rows(self.view.run_id, self._last[0])
        problem = first_break(rows, *self._last)
        if problem:
            raise _changed(self.view.run_id, problem)
        self._hand_on(rows)
        self._fold([to_event(row) for row in rows])
        return bool(rows)

    def _hand_on(self, rows: Sequence[Row]) -> None:
        if self.copier:
            self.copier.add(rows)

    def _fold(self, events: Sequence[Event]) -> None:
        for event in events:
            self.view.apply(event)
            self._last, self.last_at = (event.n, event.hash), event.at
            for listener in self.listeners:
                listener(event)


def _changed(run_id: str, problem: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"the journal of run {run_id} was changed: {problem}",
        hint="Look with: runbook audit verify. Nothing is done on a journal that does not hold.",
    )


def _event(row: Row, draft: Draft, at: datetime) -> Event:
    """What :func:`to_event` gives for a row that was just made of this draft; reading it again would cost as much as
    writing it."""
    step = draft.step or None
    return Event(row.run_id, row.n, at, draft.kind, step, row.actor, row.fence, draft.data, row.previous, row.hash)


def _row(run_id: str, n: int, at: datetime, draft: Draft, actor: str, fence: int, previous: str) -> Row:
    stamp = (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(timespec="microseconds")
    body = encode(draft.data)
    step = draft.step or ""
    digest = chain(previous, run_id, n, stamp, draft.kind, step, actor, fence, body)
    return Row(run_id, n, stamp, draft.kind.value, step, actor, fence, body, previous, digest)
