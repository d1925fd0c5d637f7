"""Base of the steps that read a whole upgraded database to prove it."""

from __future__ import annotations

from runbook.step import Budget, DatabaseStep, Sizes
from runbook.toolkit.files import upgraded_of
from runbook.toolkit.pace import PROOF_MIB_S, seconds


class ProvingStep(DatabaseStep):
    """A step that proves the upgraded database, and has nothing to put back."""

    @property
    def servers(self) -> tuple[str, ...]:
        """Where it serves after the upgrade."""
        return (upgraded_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:
        """As long as reading it once takes."""
        return Budget(seconds(sizes, self.key, PROOF_MIB_S))
