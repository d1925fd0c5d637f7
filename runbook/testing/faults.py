"""What can be made to go wrong, in the words of ``runbook sandbox fault``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of fault."""

    FAIL = "fail"
    """The statement is refused (50998), nothing happens."""
    HANG = "hang"
    """It begins and does not end until it is cancelled."""
    SLOW = "slow"
    """It takes ``seconds`` longer."""
    LIE = "lie"
    """Success is answered, nothing happens."""
    LOST = "lost"
    """It happens, the answer is lost: ServerError in doubt."""
    DROP = "drop"
    """The connection breaks while it runs, it does not happen: ServerError in doubt."""
    CORRUPT = "corrupt"
    """It happens, then one row of the database concerned is changed."""
    DISK_FULL = "disk-full"
    """BACKUP: 3202, RESTORE: 3257, anything else: 1105."""
    KILL = "kill"
    """The server process dies at that statement; it is down until ``World.start_server``."""


ONLY_EFFECTS = frozenset({Kind.LIE, Kind.CORRUPT, Kind.DISK_FULL})
"""Kinds that do not strike a statement that only looks."""


@dataclass
class Fault:
    """One fault: ``where`` is a role of a server, or ``gate``, ``pointer``, ``web``, ``commands``, ``app``."""

    where: str
    kind: Kind
    match: str = ""
    """Regular expression searched in the statement, whatever the case; empty matches all."""
    times: int = 1
    """How often it strikes; negative: always."""
    seconds: float = 0.0
    number: int = 50998
    """What a ``fail`` is refused with, by SQL Server's number."""
    hits: list[str] = field(default_factory=list)

    def strikes(self, where: str, text: str, *, effect: bool) -> bool:
        """True when it concerns this statement; counts it."""
        if where != self.where or len(self.hits) == self.times or (self.kind in ONLY_EFFECTS and not effect):
            return False
        if not re.search(self.match, text, re.IGNORECASE):
            return False
        self.hits.append(text)
        return True
