"""Backups, restores and database snapshots."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from runbook.adapters.sqlserver import catalog
from runbook.adapters.sqlserver.client import Client, Session, optional
from runbook.adapters.sqlserver.tsql import backup as text
from runbook.adapters.sqlserver.tsql import catalog as catalog_text
from runbook.adapters.sqlserver.tsql import session as session_text
from runbook.adapters.sqlserver.tsql import state as state_text
from runbook.errors import Refused, ServerError
from runbook.ports import BackupHeader, DatabaseState, LogBackup, RunningBackup, UserAccess

CANNOT_OPEN = 3201
NO_SUCH_FILE = re.compile(r"(?:error|status) (?:code )?[23]\(")
"""Operating system error 2 (no such file) or 3 (no such directory) inside the text of 3201."""
IN_USE = frozenset({3101, 3702, 5061, 5070})
GONE = frozenset({6101, 6104, 6106})
"""KILL of a number that nobody has any more, or that was given to the connection that asks."""
EVICTIONS = 5
DEVICES = {2: "disk", 5: "tape", 7: "virtual device", 9: "URL"}
"""``device_type`` of msdb.dbo.backupmediafamily."""
KINDS = {1: "full", 2: "log", 5: "differential"}


def header(client: Client, path: str, at: int | None = None) -> BackupHeader | None:
    """The newest set of a backup file, or the one at a position; None when there is no such file or set."""
    try:
        sets = client.read(text.header(path)).dicts()
    except ServerError as e:
        if e.number == CANNOT_OPEN and NO_SUCH_FILE.search(e.message):
            return None
        raise
    if not sets:
        raise ServerError(f"{client.role}: the file {path} holds no backup set", statement=text.header(path))
    wanted = max(int(one["Position"]) for one in sets) if at is None else at
    return next((_header(one, len(sets)) for one in sets if int(one["Position"]) == wanted), None)


def _header(row: Mapping[str, Any], sets: int) -> BackupHeader:
    finished = row["BackupFinishDate"]
    return BackupHeader(
        name=optional(row["BackupName"]),
        kind=KINDS.get(int(row["BackupType"]), f"type {row['BackupType']}"),
        database=row["DatabaseName"],
        family_guid=optional(row["FamilyGUID"]).upper(),
        first_lsn=optional(row["FirstLSN"]),
        last_lsn=optional(row["LastLSN"]),
        database_backup_lsn=optional(row["DatabaseBackupLSN"]),
        has_checksums=bool(row["HasBackupChecksums"]),
        is_damaged=bool(row["IsDamaged"]),
        is_copy_only=bool(row["IsCopyOnly"]),
        software_major=int(row["SoftwareVersionMajor"]),
        size_bytes=int(row["BackupSize"]),
        finished_at=finished.isoformat() if hasattr(finished, "isoformat") else optional(finished),
        sets=sets,
    )


def logs_since(client: Client, database: str, lsn: str) -> tuple[LogBackup, ...]:
    """What the history says; see the port."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for row in client.read(text.logs_since(database, lsn)).dicts():
        found.setdefault(int(row["backup_set_id"]), []).append(row)
    return tuple(_log_backup(rows) for rows in found.values())


def _log_backup(rows: Sequence[Mapping[str, Any]]) -> LogBackup:
    row = rows[0]
    kind = int(row["device_type"]) % 100  # the permanent devices have numbers of their own, a hundred higher
    device = DEVICES.get(kind, f"device of type {kind}") if len(rows) == 1 else f"{len(rows)} files"
    return LogBackup(
        path=optional(row["physical_device_name"]) if device == "disk" else "",
        device=device,
        position=int(row["position"]),
        first_lsn=optional(row["first_lsn"]),
        last_lsn=optional(row["last_lsn"]),
        finished_at=optional(row["finished_at"]),
    )


def restored_until(client: Client, database: str) -> str:
    """What the history says; see the port."""
    return optional(client.read(text.restored_until(database)).value())


def running(client: Client) -> tuple[RunningBackup, ...]:
    """Backups and restores of anybody."""
    return tuple(
        RunningBackup(row["session_id"], row["command"], row["database_name"], float(row["percent_complete"] or 0))
        for row in client.read(catalog_text.running_backups()).dicts()
    )


def refuse_existing(client: Client, path: str) -> None:
    """A file that is there, backup or not, is never written over: it may be somebody's way back."""
    try:
        found = header(client, path)
    except ServerError as e:
        if e.number is None or e.number == CANNOT_OPEN:
            raise
        raise _exists(client.role, path, "it is no readable backup") from None
    if found is not None:
        raise _exists(client.role, path, f"it holds {found.name or 'a backup'} of {found.database}")


def _exists(role: str, path: str, what: str) -> Refused:
    return Refused(
        f"{role}: the backup file {path} is there already: {what}",
        hint="A backup is never written over. Move the file away if nobody needs it.",
    )


def position(client: Client, path: str) -> int:
    """Which set of the file is the newest; 1 where the file is not there, so that the restore itself says so."""
    found = header(client, path)
    return found.sets if found else 1


def cut_differential(client: Client, session: Session, database: str, sql: str) -> None:
    """Close the door, save what changed, and shut the database, without ever leaving it.

    The session stays inside the database from SINGLE_USER to OFFLINE, so its only place is never free for anybody
    who would write between the backup and the end. Going offline takes the session's own database away, which
    the server may report as an error: what counts is the state afterwards.
    """
    session.read(session_text.use(database))
    session.effect(state_text.user_access(database, UserAccess.SINGLE_USER))
    session.effect(sql)
    try:
        session.effect(state_text.offline(database))
    except ServerError:
        if _state(client, database) is not DatabaseState.OFFLINE:
            raise


def _state(client: Client, database: str) -> DatabaseState | None:
    return _state_of(client.read(catalog_text.target_identity(database)).dicts(), database)


def _state_of(rows: Sequence[Mapping[str, Any]], database: str) -> DatabaseState | None:
    return catalog.known(DatabaseState, rows[0]["state_desc"], database) if rows else None


def create_snapshot(client: Client, session: Session, database: str, snapshot: str) -> None:
    """Create a snapshot; its sparse files lie next to the data files and carry its name."""
    rows = client.read(catalog_text.files(database)).dicts()
    data = [row for row in rows if row["type_desc"] == "ROWS" and row["state_desc"] == "ONLINE"]
    files = [(row["name"], _sparse_file(row["physical_name"], snapshot, row["file_id"])) for row in data]
    session.effect(state_text.create_snapshot(database, snapshot, files))


def _sparse_file(data_file: str, snapshot: str, file_id: int) -> str:
    directory = re.split(r"[^/\\]*$", data_file, maxsplit=1)[0]
    safe = re.sub(r"[^\w.-]", "_", snapshot)
    return f"{directory}{safe}_{file_id}.ss"


def revert(client: Client, session: Session, database: str, snapshot: str) -> None:
    """Revert, once nobody is in the database or its snapshot. Who comes back in between is ended again."""
    for left in reversed(range(EVICTIONS)):
        evict(session, database)
        evict(session, snapshot)
        try:
            session.effect(state_text.revert(database, snapshot))
        except ServerError as e:
            if left == 0 or e.number not in IN_USE:
                raise
            client.cancellation.sleep(0.2)
        else:
            return


def evict(session: Session, database: str) -> None:
    """End every session that is in a database."""
    for found in session.read(catalog_text.sessions(database)).dicts():
        if found["session_id"] != session.connection.session_id:
            kill(session, found["session_id"], found["login_time"])


def kill(session: Session, session_id: int, login_time: str | None = None) -> None:
    """End a session; one that is gone is as good, also when its number is this very connection's by now."""
    text = session_text.kill_any(session_id) if login_time is None else session_text.kill(session_id, login_time)
    try:
        session.effect(text)
    except ServerError as e:
        if e.number not in GONE:
            raise


def drop(client: Client, session: Session, database: str) -> None:
    """Drop a database, ending who is in it."""
    rows = client.read(catalog_text.target_identity(database)).dicts()
    if rows and rows[0]["source_database_id"] is not None:
        raise Refused(f"{client.role}: {database} is a snapshot, not a database", hint="Nothing was dropped.")
    state = _state_of(rows, database)
    if state is DatabaseState.OFFLINE:
        raise Refused(
            f"{client.role}: database {database} is offline, dropping it would leave its files behind",
            hint="Set it online first, or drop it yourself and remove the files.",
        )
    if state is DatabaseState.ONLINE:
        session.effect(state_text.user_access(database, UserAccess.SINGLE_USER))
    session.effect(state_text.drop(database))
