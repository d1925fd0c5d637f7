"""Who the servers and databases of a run are: pinned once, read again before every destructive call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runbook.ports import ServerIdentity

YEARS: Mapping[int, int] = {13: 2016, 14: 2017, 15: 2019, 16: 2022, 17: 2025}
"""Major version -> the year it is sold under: the versions this program knows."""


@dataclass(frozen=True)
class DatabasePin:
    """One database of the source: its name as the server spells it, and what no other database shares with it."""

    name: str
    family_guid: str | None
    created_at: str


@dataclass(frozen=True)
class PinnedIdentities:
    """Kept by ``pin-identity``: servers by the plan's names for them, databases of the source."""

    servers: Mapping[str, ServerIdentity]
    databases: tuple[DatabasePin, ...] = ()


def version_text(identity: ServerIdentity) -> str:
    """``SQL Server 2019 (15.0.4430.1)``."""
    year = YEARS.get(identity.major)
    return f"SQL Server {year} ({identity.version})" if year else f"SQL Server {identity.version}"


def build_of(version: str) -> tuple[int, ...]:
    """A product version as numbers that compare."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
