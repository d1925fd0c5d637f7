"""Room on volumes: what a run will write where, the way back included."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from runbook.ports import DatabaseFile, DatabaseInfo, RecoveryModel, ServerIdentity
from runbook.toolkit.findings import Finding
from runbook.toolkit.pace import TAIL_SHARE

CHANGED_SHARE = 0.25
"""The part of a database that upgrade scripts are thought to change: that much its snapshot must be able to grow."""


@dataclass(frozen=True)
class Need:
    """Bytes that will be written into a directory of a server."""

    server: str
    directory: str
    what: str
    bytes: int


@dataclass(frozen=True)
class Place:
    """A directory and the volume it lies on; ``mount`` None when the server cannot tell."""

    server: str
    directory: str
    mount: str | None = None
    available: int = 0


def exchange_needs(info: DatabaseInfo, places: Sequence[tuple[str, str]]) -> Iterator[Need]:
    """Seed and tail; ``places`` are (server, directory), the same place as each server sees it."""
    for server, directory in places:
        yield Need(server, directory, "backups", int(info.used_bytes * (1 + TAIL_SHARE)))


def restored_needs(
    files: Sequence[DatabaseFile], server: str, identity: ServerIdentity, directory: str | None
) -> Iterator[Need]:
    """The files a restore makes on the new server, as large as on the old one."""
    for file in files:
        log = file.kind == "LOG"
        place = directory or (identity.log_path if log else identity.data_path)
        yield Need(server, place, "log files" if log else "data files", file.size_bytes)


def scripts_needs(info: DatabaseInfo, files: Sequence[DatabaseFile], server: str, directory: str) -> Iterator[Need]:
    """The backup before; on the way back one of what the scripts made, and one that begins a new log chain."""
    backups = 2 if info.recovery_model is RecoveryModel.SIMPLE else 3
    yield Need(server, directory, "backups, those of the way back included", info.used_bytes * backups)
    rows = [file for file in files if file.kind == "ROWS"]
    total = sum(file.size_bytes for file in rows) or 1
    for file in rows:
        grows = int(info.used_bytes * CHANGED_SHARE * file.size_bytes / total)
        yield Need(server, directory_of(file.path), "the snapshot", grows)


def directory_of(path: str) -> str:
    """The directory of a path of either platform."""
    return re.sub(r"[/\\][^/\\]*$", "", path) or "/"


def shortages(needs: Iterable[Need], places: Sequence[Place], headroom: float) -> Iterator[Finding]:
    """Volumes on which everything that will be written there does not fit ``headroom`` times."""
    where = {(place.server, place.directory): place for place in places}
    wanted: dict[tuple[str, str], dict[str, int]] = {}
    for need in needs:
        place = where.get((need.server, need.directory))
        if place is not None and place.mount is not None:
            kinds = wanted.setdefault((place.server, place.mount), {})
            kinds[need.what] = kinds.get(need.what, 0) + need.bytes
    free = {(place.server, place.mount): place.available for place in places if place.mount is not None}
    for (server, mount), kinds in wanted.items():
        total = int(sum(kinds.values()) * headroom)
        if total > free[server, mount]:
            yield Finding(
                f"{server}: {mount} has {amount(free[server, mount])} free and needs {amount(total)}"
                f" ({', '.join(f'{what} {amount(size)}' for what, size in kinds.items())})",
                f"Make room on {mount} of {server}, or choose other directories in the plan.",
            )


def unmeasured(places: Iterable[Place]) -> Iterator[str]:
    """Directories whose volume the server cannot measure."""
    for place in places:
        if place.mount is None:
            yield f"{place.server} cannot tell how much room there is at {place.directory}: look yourself"


def amount(size: int) -> str:
    """``512 MiB``, ``1.4 GiB``."""
    number = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} TiB"
