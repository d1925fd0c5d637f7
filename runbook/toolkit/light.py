"""Bases of steps that take a handful of round trips, whatever the size of the databases."""

from __future__ import annotations

from runbook.step import Budget, DatabaseStep, Sizes, Step
from runbook.toolkit.pace import LEAST

EVERY_CHECK = (
    "pin-identity",
    "check-path",
    "check-permissions",
    "check-features",
    "check-space",
    "check-backups",
    "check-jobs",
    "check-checkdb",
    "check-clock",
    "check-front",
    "check-checks",
    "check-hosts",
    "check-packages",
    "check-setup",
    "check-container",
    "check-programs",
    "check-services",
    "check-held",
    "check-standby",
)
"""Steps that only look: all of them come before the first one that moves or leaves anything."""


class LightStep(Step):
    """A step that takes next to no time."""

    def budget(self, sizes: Sizes) -> Budget:
        """The least there is, for the way back too where it has one."""
        del sizes
        return Budget(LEAST, LEAST if self.undoes_with else 0.0)


class LightDatabaseStep(DatabaseStep):
    """The same for each database."""

    def budget(self, sizes: Sizes) -> Budget:
        """The least there is, for the way back too where it has one."""
        del sizes
        return Budget(LEAST, LEAST if self.undoes_with else 0.0)
