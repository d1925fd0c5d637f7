"""Mistakes that a promise must not survive: where, the exact text, what it becomes, and who has to notice.

Old texts are looked up in the product, once each; where the product was rewritten, the mistake has to be as well.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """One."""

    name: str
    file: str
    old: str
    new: str
    noticed_by: tuple[str, ...]
    """Arguments of pytest: a narrow selection that must go red."""
    noticed_by_word: str
    """What the failing test says: it is red for this reason."""


GRAPHS = ("tests/chaos/test_chaos.py", "-k", "test_graphs and fixed")

MISTAKES = (
    Mistake(
        "record after effect",
        "runbook/performing.py",
        """        with self._log.lock:
            first = self._log.view.pivot_at is None
            begun""",
        """        trouble = self._try(lambda: step.apply(self._touching(step.id, token), decision.intent))
        with self._log.lock:
            first = self._log.view.pivot_at is None
            begun""",
        GRAPHS,
        "was touched, its way back on record is None",
    ),
    Mistake(
        "started taken for done",
        "runbook/performing.py",
        """            outcome = self._looks.answered(
                identity, lambda own: step.verify(self._reading(identity, own), intent), looking, token
            )
""",
        """            outcome = Outcome.REACHED
""",
        GRAPHS,
        "ended upgraded, but",
    ),
    Mistake(
        "undo taken from the live target",
        "runbook/performing.py",
        """            undo = undo_from_json(record, self._undos)
""",
        """            undo = undo_from_json(record, self._undos)
            step = self._steps[identity]
            found = step.decide(step.observe(self._reading(identity, token)))
            undo = found.undo if isinstance(found, Apply) and found.undo else undo
""",
        GRAPHS,
        "its way back on record is",
    ),
    Mistake(
        "fencing number not checked",
        "runbook/journal/log.py",
        "expected=self._last[0], fence=self.fence)",
        "expected=self._last[0], fence=None)",
        GRAPHS,
        "was written under number",
    ),
)
