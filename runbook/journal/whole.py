"""Does a run's journal hold from its first row to its last, also while another process writes to it?

The head says how many rows there are and what the last one's hash is. It is read before the rows and after them: a
row that another process added in between is then no contradiction, and one that was taken away still is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from runbook.events import GENESIS, chain
from runbook.journal.reading import Row

HeadRow = tuple[int, str, int]
"""Number and hash of the newest row, and the fencing number that may write."""


class Source(Protocol):
    """Where rows and heads are read: a store, or a file opened for reading only."""

    def rows(self, run_id: str) -> list[Row]: ...
    def head(self, run_id: str) -> HeadRow | None: ...


class Whole(NamedTuple):
    """All rows of a run, and its head as it was before and after they were read."""

    before: HeadRow | None
    rows: Sequence[Row]
    after: HeadRow | None


def read_whole(source: Source, run_id: str) -> Whole:
    """Everything the journal has of a run, in the order in which it can be judged."""
    before = source.head(run_id)
    rows = source.rows(run_id)
    return Whole(before, rows, source.head(run_id))


def first_problem(whole: Whole) -> str:
    """What is wrong with the rows or their head, naming the row; empty when everything holds."""
    before, rows, after = whole
    broken = first_break(rows)
    if broken:
        return broken
    if after is None:
        return "the head of the run was removed"
    number, digest = (0, GENESIS) if before is None else before[:2]
    if len(rows) < number:
        return f"row {len(rows) + 1} is missing: the journal ends at {len(rows)} of {number} rows"
    if len(rows) > after[0]:
        return f"row {after[0] + 1} was added after the end"
    if number and rows[number - 1].hash != digest:
        return f"row {number} is not the one that was written last"
    return ""


def first_break(rows: Sequence[Row], after: int = 0, previous: str = GENESIS) -> str:
    """What is wrong with the first row that does not follow the one before it, or an empty text; ``after`` and
    ``previous`` are number and hash of the row before the first."""
    for number, row in enumerate(rows, start=after + 1):
        if row.n != number:
            return f"row {number} is missing (the next one is {row.n})"
        expected = chain(previous, row.run_id, row.n, row.at, row.kind, row.step, row.actor, row.fence, row.body)
        if row.previous != previous or row.hash != expected:
            return f"row {row.n} ({row.kind}{' ' + row.step if row.step else ''}) does not match its hash"
        previous = row.hash
    return ""
