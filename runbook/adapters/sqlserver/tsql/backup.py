"""BACKUP and RESTORE. A backup goes into a file of its own; a restore never replaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runbook.adapters.sqlserver.tsql.quoting import literal, name, number

PROGRESS = "STATS = 5"


def full(database: str, path: str, *, title: str, copy_only: bool) -> str:
    """Full backup; COPY_ONLY leaves the differential base of whoever else takes backups alone."""
    kind = ["COPY_ONLY"] if copy_only else []
    return _backup("DATABASE", database, path, title, kind)


def differential(database: str, path: str, *, title: str) -> str:
    """Everything that changed since the last full backup that was not COPY_ONLY."""
    return _backup("DATABASE", database, path, title, ["DIFFERENTIAL"])


def log(database: str, path: str, *, title: str) -> str:
    """The log since the last log backup."""
    return _backup("LOG", database, path, title, [])


def tail(database: str, path: str, *, title: str) -> str:
    """The last log; the database is RESTORING from then on and takes no write any more."""
    return _backup("LOG", database, path, title, ["NORECOVERY"])


def _backup(what: str, database: str, path: str, title: str, options: Sequence[str]) -> str:
    chosen = ", ".join([*options, "CHECKSUM", "INIT", f"NAME = {literal(title)}", PROGRESS])
    return f"BACKUP {what} {name(database)} TO DISK = {literal(path)}\nWITH {chosen}"


def header(path: str) -> str:
    """One row for each backup set in a file; columns differ between versions and are read by name."""
    return f"RESTORE HEADERONLY FROM DISK = {literal(path)}"


def verify(path: str, position: int = 1) -> str:
    """Read a backup set and compare its checksums."""
    return f"RESTORE VERIFYONLY FROM DISK = {literal(path)} WITH FILE = {number(position)}, CHECKSUM"


def restore_full(database: str, path: str, moves: Mapping[str, str], position: int = 1) -> str:
    """Restore a full backup, every file to a stated place, and wait for more."""
    moved = [f"MOVE {literal(logical)} TO {literal(place)}" for logical, place in moves.items()]
    return _restore("DATABASE", database, path, position, moved)


def restore_differential(database: str, path: str, position: int = 1) -> str:
    """Apply a differential backup and wait for more."""
    return _restore("DATABASE", database, path, position, [])


def restore_log(database: str, path: str, position: int = 1) -> str:
    """Apply a log backup and wait for more."""
    return _restore("LOG", database, path, position, [])


def _restore(what: str, database: str, path: str, position: int, moved: Sequence[str]) -> str:
    chosen = [f"FILE = {number(position)}", *moved, "NORECOVERY", "CHECKSUM", PROGRESS]
    return f"RESTORE {what} {name(database)} FROM DISK = {literal(path)}\nWITH " + ",\n     ".join(chosen)


def recover(database: str) -> str:
    """Open a database that waits for more backups."""
    return f"RESTORE DATABASE {name(database)} WITH RECOVERY"
