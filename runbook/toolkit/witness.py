"""Steps whose effect nobody can tell from half of it by looking at the server.

A database that a RESTORE has filled is RESTORING, one that it has half filled is RESTORING as well; a VERIFYONLY
leaves nothing behind at all. The only proof is that *this* process saw the statement end well. Another process that
finds such a step begun must take it for not done, which costs time and never data.
"""

from __future__ import annotations

from typing import Any

from runbook.step import DatabaseStep


class WitnessedStep(DatabaseStep):
    """A step of which ``verify`` believes only what this very object did."""

    _seen: Any = None

    def saw(self, intent: Any) -> None:
        """Say at the end of ``apply`` that it ended well."""
        self._seen = intent

    def has_seen(self, intent: Any) -> bool:
        """True when this object carried that intent out to its end."""
        return self._seen is not None and self._seen == intent
