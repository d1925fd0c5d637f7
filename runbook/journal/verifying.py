"""Is the record whole and unchanged? Every row against its hash, the order, the end, and the legality of each state.

What this notices: a changed, removed, inserted or swapped row, also at the end (the head says how many there
are), and a head or a run without its other half. What nobody can notice from the journal alone is a journal
that was rewritten whole, hashes included; for that, the last hash is printed when a run ends, and
``audit verify --expect HASH`` compares it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runbook.errors import RunbookError
from runbook.journal.log import fold
from runbook.journal.reading import Row
from runbook.journal.whole import Whole, first_problem


@dataclass(frozen=True)
class Verdict:
    """Of one run. ``problem`` is empty when everything holds."""

    run_id: str
    rows: int
    hash: str
    problem: str

    @property
    def ok(self) -> bool:
        """It holds."""
        return not self.problem


def verify_run(run_id: str, whole: Whole, expect: str = "") -> Verdict:
    """Judge what was read of one run."""
    rows = whole.rows
    last = rows[-1] if rows else None
    problem = first_problem(whole) or _illegal(rows)
    if not problem and last and expect and expect != last.hash:
        problem = f"the last hash is {last.hash}, expected was {expect}"
    return Verdict(run_id, len(rows), last.hash if last else "", problem)


def _illegal(rows: Sequence[Row]) -> str:
    try:
        fold(rows)
    except (RunbookError, KeyError, ValueError, TypeError) as error:
        return f"the rows do not tell a possible story: {error}"
    return ""
