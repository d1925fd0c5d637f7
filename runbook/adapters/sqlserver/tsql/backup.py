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
    # NOINIT: a file that came into being since it was looked for is added to, never written over
    chosen = ", ".join([*options, "CHECKSUM", "NOINIT", f"NAME = {literal(title)}", PROGRESS])
    return f"BACKUP {what} {name(database)} TO DISK = {literal(path)}\nWITH {chosen}"


def header(path: str) -> str:
    """One row for each backup set in a file; columns differ between versions and are read by name."""
    return f"RESTORE HEADERONLY FROM DISK = {literal(path)}"


def logs_since(database: str, lsn: str) -> str:
    """The history of log backups that end after an LSN; one row for each file of a backup."""
    return (
        "SELECT s.backup_set_id, s.position, f.device_type, f.physical_device_name,\n"
        "       CONVERT(nvarchar(40), s.first_lsn) AS first_lsn, CONVERT(nvarchar(40), s.last_lsn) AS last_lsn,\n"
        "       CONVERT(nvarchar(30), s.backup_finish_date, 126) AS finished_at\n"
        "FROM msdb.dbo.backupset AS s\n"
        "JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = s.media_set_id AND f.mirror = 0\n"
        "JOIN sys.database_recovery_status AS r\n"
        f"  ON r.family_guid = s.family_guid AND r.database_id = DB_ID({literal(database)})\n"
        f"WHERE s.type = 'L' AND s.is_copy_only = 0 AND s.database_name = {literal(database)}\n"
        f"  AND s.last_lsn > CAST({literal(lsn)} AS numeric(25, 0))\n"
        "ORDER BY s.first_lsn, s.backup_set_id, f.family_sequence_number"
    )


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


def restored_until(database: str) -> str:
    """Where the backup ends that was restored last into a database, since that was made."""
    return (
        "SELECT TOP (1) CONVERT(nvarchar(40), b.last_lsn) AS last_lsn\n"
        "FROM msdb.dbo.restorehistory AS h\n"
        "JOIN msdb.dbo.backupset AS b ON b.backup_set_id = h.backup_set_id\n"
        "JOIN sys.databases AS d ON d.name = h.destination_database_name\n"
        f"WHERE d.name = {literal(database)} AND h.restore_date >= d.create_date\n"
        "ORDER BY h.restore_history_id DESC"
    )


def restore_log(database: str, path: str, position: int = 1) -> str:
    """Apply a log backup and wait for more."""
    return _restore("LOG", database, path, position, [])


def _restore(what: str, database: str, path: str, position: int, moved: Sequence[str]) -> str:
    chosen = [f"FILE = {number(position)}", *moved, "NORECOVERY", "CHECKSUM", PROGRESS]
    return f"RESTORE {what} {name(database)} FROM DISK = {literal(path)}\nWITH " + ",\n     ".join(chosen)


def recover(database: str) -> str:
    """Open a database that waits for more backups."""
    return f"RESTORE DATABASE {name(database)} WITH RECOVERY"
