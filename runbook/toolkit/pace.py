"""How long things take, where nothing was measured yet: throughputs a modest server reaches."""

from __future__ import annotations

from runbook.step import Sizes

BACKUP_MIB_S = 100.0
"""BACKUP with checksum to one file, not compressed: what one spindle or one network link of 1 Gbit/s writes."""
RESTORE_MIB_S = 60.0
"""RESTORE writes data files and zeroes the log file; slower than the backup that it reads."""
PROOF_MIB_S = 50.0
"""One hash over every column of every row, four tables at a time: bound by the processor, not by the disk."""
CHECKDB_MIB_S = 40.0
"""DBCC CHECKDB with data purity on a cold cache."""
TAIL_SHARE = 0.02
"""The part of a database that changes between seed and cut, when the seed is hours old."""
LEAST = 0.5
"""Seconds of a light step: a handful of round trips."""


def seconds(sizes: Sizes, database: str | None, mib_per_second: float, share: float = 1.0) -> float:
    """Time to work through a database (None: all together) at that pace, at least ``LEAST``."""
    return LEAST + sizes.gib(database) * 1024.0 * share / mib_per_second
