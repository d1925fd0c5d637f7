"""A second place for the journal: what is needed to go back survives the loss of the first one.

Rows are durable in the journal first and are handed on from there. Before any effect, every row that changes the state
of the run has been handed on (:meth:`Copier.settle`), and all rows before it. So what a copy can lack at its end are
statements of steps that it knows to be started, and outcomes after which nothing was touched: both are found again by
looking, as after any kill. Rows that no effect follows go along with the next ones.

A second place that does not answer never holds up the night: it is noted once, the rows are kept, and it is tried again
before later effects, with growing pauses. The instances are told (``behind`` in the marker), so that whoever rebuilds
the journal from such a copy learns that rows are missing.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from runbook import failpoints
from runbook.errors import HostError, JournalCorrupt, JournalError, Refused, RunbookError, Unreachable
from runbook.events import GENESIS, RECORD_ONLY
from runbook.journal.reading import COLUMNS, Row
from runbook.journal.store import Store

BATCH = 200
"""Rows that are sent at a time, when there are many."""
PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a place that failed is tried again: doubled each time."""
SUFFIX = ".journal"


class RowsLost(RunbookError):
    """The row before the first one to be added is not at the place: it has lost rows that it once took, because what
    it is kept in was put back to an earlier state."""


class Place(Protocol):
    """Where copies are kept. What goes wrong is a RunbookError or an OSError."""

    name: str
    """As a person is told."""
    server: str
    """The plan's server it is on, empty when on none."""

    def newest(self, run_id: str) -> tuple[int, str] | None:
        """Number and hash of the last row it has of a run."""

    def add(self, rows: Sequence[Row]) -> None:
        """Keep rows of one run that follow on each other; those that are there already are left as they are.
        JournalCorrupt when another row is there under such a number, RowsLost when the one before them is not."""

    def held_by(self, fence: int) -> None:
        """Take rows from now on only while the instance is in the hands of this executor; JournalError otherwise. A
        place that knows no markers takes them as before."""

    def rows(self, run_id: str) -> list[Row]:
        """All it has of a run, in order."""

    def run_ids(self) -> list[str]:
        """The runs it knows."""

    def remove(self, run_id: str) -> None:
        """Forget a run."""

    def close(self) -> None:
        """Let go of connections."""


class Copier:
    """Hands the rows of one run on to a second place; every method but ``begin`` and ``finish`` is for any thread."""

    def __init__(self, place: Place, run_id: str, monotonic: Callable[[], float]) -> None:
        self.place = place
        self._run_id = run_id
        self.on_behind: Callable[[int, bool], None] = lambda _newest, _silent: None
        """Called once when the place begins to lag behind, with the number of the newest row, and whether it did not
        answer at all."""
        self._monotonic = monotonic
        self._waiting: deque[Row] = deque()
        self._needed = 0
        """Number of the newest row that changes the state of the run."""
        self._guard = threading.Lock()
        self._sending = threading.Lock()
        self._pause = 0.0
        """0 while the place answers."""
        self._again_at = 0.0
        self._over = self._is_shut_out = False
        self._store: Store | None = None
        self._handed_over = 0
        """Number of the newest row that waits or was sent."""
        self.is_silent = False
        self.behind_at = 0
        """Number of the newest row when the place began to lag behind."""

    def begin(self, store: Store, *, is_new: bool) -> str:
        """Find out what the place lacks; what is to be noted, or an empty text. Refused when it has seen rows that this
        journal does not hold, and for a new run also when it cannot be used."""
        self._store = store
        try:
            newest = self.place.newest(self._run_id)
        except (RunbookError, OSError) as error:
            if is_new:
                raise _unusable(self.place, error) from error
            self.add(store.rows(self._run_id))
            return self._failed(error)
        after, digest = newest or (0, GENESIS)
        rows = store.rows(self._run_id, max(0, after - 1))
        if newest and (not rows or rows[0].hash != digest):
            raise _older(self.place, after, self._run_id)
        self.add(rows[1:] if newest else rows)
        return ""

    def add(self, rows: Sequence[Row]) -> None:
        """Rows that are durable in the journal, in its order."""
        with self._guard:
            new = [row for row in rows if row.n > self._handed_over]
            needed = [row.n for row in new if row.kind not in RECORD_ONLY]
            self._waiting.extend(new)
            self._handed_over = new[-1].n if new else self._handed_over
            self._needed = needed[-1] if needed else self._needed

    def look_again(self) -> None:
        """The place may have gone back to an earlier state, and so may whose rows it takes: find out what it lacks now.
        When it gives no answer, the next rows that are sent find out."""
        with self._sending:
            self._is_shut_out = False
            with suppress(RunbookError, OSError):
                self._queue_what_it_lacks()
            self.hurry()

    @property
    def is_behind(self) -> bool:
        """The place did not answer when it was last asked to."""
        return self._pause > 0

    def settle(self, *, wholly: bool = False) -> str:
        """Return when every row handed over so far that changes the state of the run is at the place (``wholly``: every
        row), or when the place does not take them now. What is to be noted of it, or an empty text."""
        with self._guard:
            wanted = self._waiting[-1].n if wholly and self._waiting else self._needed
        with self._sending:
            if self._over or self._is_shut_out or self._pauses() or not self._lacks(wanted):
                return ""
            try:
                self._send()
            except (RunbookError, OSError) as error:
                return self._failed(error)
            return self._caught_up()

    def hurry(self) -> None:
        """Try again at the next occasion, however short ago it failed."""
        self._again_at = 0.0

    def finish(self, *, remove: bool) -> str:
        """Send what is left, or have the place forget the run; hand nothing on from here on."""
        finding = "" if remove else self.settle(wholly=True)
        with self._sending:
            self._over = True
            try:
                if remove:
                    self.place.remove(self._run_id)
            except (RunbookError, OSError) as error:
                finding = f"the copy of the journal at {self.place.name} could not be removed: {_said(error)}"
            self.place.close()
        return finding

    def _pauses(self) -> bool:
        return self.is_behind and self._monotonic() < self._again_at

    def _lacks(self, number: int) -> bool:
        with self._guard:
            return bool(self._waiting) and self._waiting[0].n <= number

    def _send(self) -> None:
        again = False
        while True:
            with self._guard:
                batch = [self._waiting[at] for at in range(min(BATCH, len(self._waiting)))]
            if not batch:
                return
            failpoints.reach("copy.before-write")
            try:
                self.place.add(batch)
            except RowsLost:
                if again:
                    raise
                self._queue_what_it_lacks()
                again = True
                continue
            again = False
            failpoints.reach("copy.after-write")
            with self._guard:
                for _ in batch:
                    self._waiting.popleft()

    def _queue_what_it_lacks(self) -> None:
        """From the first row that is not there any more; JournalCorrupt when it has one that this journal has not."""
        if self._store is None:
            return
        after, digest = self.place.newest(self._run_id) or (0, GENESIS)
        rows = self._store.rows(self._run_id, max(0, after - 1))
        if after and (not rows or rows[0].hash != digest):
            raise JournalCorrupt(
                f"row {after} at {self.place.name} is another one: somebody else writes this run there"
            )
        with self._guard:
            self._waiting = deque(rows[1:] if after else rows)
            self._handed_over = max(self._handed_over, rows[-1].n if rows else 0)
            self._needed = max((row.n for row in self._waiting if row.kind not in RECORD_ONLY), default=self._needed)

    def _failed(self, error: Exception) -> str:
        first = not self.is_behind
        self._pause = min(2 * self._pause or PAUSE, LONGEST_PAUSE)
        self._again_at = self._monotonic() + self._pause
        if isinstance(error, JournalError):  # somebody else writes there: it is of no use any more
            self._is_shut_out = True
        if not first:
            return ""
        with self._guard:
            self.behind_at = self._waiting[-1].n
        self.is_silent = isinstance(error, Unreachable) or bool(getattr(error, "in_doubt", False))
        self.on_behind(self.behind_at, self.is_silent)
        return (
            f"the second place of the journal ({self.place.name}) does not take rows: {_said(error)}; until it does, "
            f"the way back is known to this journal alone"
        )

    def _caught_up(self) -> str:
        if not self.is_behind:
            return ""
        self._pause = 0.0
        return f"the second place of the journal ({self.place.name}) has all rows again"


def _unusable(place: Place, error: Exception) -> Refused:
    return Refused(
        f"the second place of the journal ({place.name}) cannot be used: {_said(error)}",
        hint="Mend it, name another one as journal_copy in the plan, or do without: journal_copy: none.",
    )


def _older(place: Place, number: int, run_id: str) -> Refused:
    return Refused(
        f"this journal is older than its copy at {place.name}, which has seen row {number} of run {run_id}",
        hint=f"Use the newer journal, or rebuild it: runbook recover {run_id} --plan FILE. Nothing was touched.",
    )


def _said(error: Exception) -> str:
    return error.message if isinstance(error, RunbookError) else str(error)


class Directory:
    """A directory, a share perhaps: one file a run, a row a line, only ever added to."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.server = ""
        self._path = path

    def newest(self, run_id: str) -> tuple[int, str] | None:
        """See :class:`Place`. The end of a line that was cut off is taken away, so that the next one begins anew."""
        self._demand()
        file = self._file(run_id)
        if not file.exists():
            return None
        with file.open("r+b") as opened:
            whole = opened.read()
            end = whole.rfind(b"\n") + 1
            if end < len(whole):
                opened.truncate(end)
                os.fsync(opened.fileno())
        rows = self.rows(run_id)
        return (rows[-1].n, rows[-1].hash) if rows else None

    def add(self, rows: Sequence[Row]) -> None:
        """See :class:`Place`; on the disk when it returns. Another row under the same number is noticed when the file
        is read: when the run is taken up again, or recovered."""
        self._demand()
        file = self._file(rows[0].run_id)
        is_new = not file.exists()
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        before = os.fstat(descriptor).st_size
        try:
            _write_whole(descriptor, as_lines(rows).encode())
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)  # half a line in the middle would make the file unreadable
            raise
        finally:
            os.close(descriptor)
        if is_new:
            _sync(self._path)

    def held_by(self, fence: int) -> None:
        """A directory knows no markers."""

    def rows(self, run_id: str) -> list[Row]:
        """See :class:`Place`. JournalCorrupt for a line that is no row, or two rows of one number that differ."""
        file = self._file(run_id)
        if not file.is_file():
            return []
        lines = file.read_bytes().split(b"\n")[:-1]  # what follows the last line break was cut off
        return from_lines(lines, run_id, str(file))

    def run_ids(self) -> list[str]:
        """See :class:`Place`."""
        self._demand()
        return sorted(file.name.removesuffix(SUFFIX) for file in self._path.glob(f"*{SUFFIX}"))

    def remove(self, run_id: str) -> None:
        """See :class:`Place`."""
        self._file(run_id).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is kept open."""

    def _file(self, run_id: str) -> Path:
        return self._path / f"{run_id}{SUFFIX}"

    def _demand(self) -> None:
        if not self._path.is_dir():
            raise HostError(
                f"the directory {self._path} is not there",
                hint="Create or mount it, or correct journal_copy in the plan.",
            )


def as_lines(rows: Sequence[Row]) -> str:
    """A JSON object a line, with the journal's own columns."""
    return "".join(f"{_encode(dict(zip(COLUMNS, row, strict=True)))}\n" for row in rows)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def from_lines(lines: Sequence[str | bytes], run_id: str, where: str) -> list[Row]:
    """The rows of a run from such lines, each once; JournalCorrupt for a line that is no row of it, or a second one
    of its number that differs."""
    found: dict[int, Row] = {}
    for number, line in enumerate(lines, start=1):
        row = _row(line)
        if row is None or row.run_id != run_id or found.setdefault(row.n, row) != row:
            raise JournalCorrupt(
                f"the copy {where} is damaged at line {number}", hint="Name another copy with --from, or restore it."
            )
    return [found[n] for n in sorted(found)]


def _row(line: str | bytes) -> Row | None:
    try:
        found = json.loads(line)
        row = Row(*(found[column] for column in COLUMNS))
    except (ValueError, KeyError, TypeError):
        return None
    whole = isinstance(row.n, int) and isinstance(row.fence, int)
    return row if whole and all(isinstance(row[at], str) for at in (0, 2, 3, 4, 5, 7, 8, 9)) else None


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync(directory: Path) -> None:
    if os.name == "nt":
        return  # a directory cannot be opened there; its entries are in the file system's own journal
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
