"""What an instance is and holds, from its catalog to the ports' words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from runbook.adapters.sqlserver.client import Client, optional
from runbook.adapters.sqlserver.tsql import catalog as text
from runbook.adapters.sqlserver.tsql import session as session_text
from runbook.errors import NotSupported, ServerError
from runbook.ports import (
    DatabaseFile,
    DatabaseInfo,
    DatabaseState,
    RecoveryModel,
    ServerIdentity,
    ServerSession,
    UserAccess,
    Volume,
)

E = TypeVar("E", bound=StrEnum)

OLDEST_MAJOR = 13
"""SQL Server 2016: HASHBYTES takes any length from there on."""
NEVER_CHECKED = 1900
"""Year of the date that stands for a database DBCC CHECKDB has never passed."""
MISSING_OBJECT = frozenset({208, 2812})
FRACTION = re.compile(r"(\.\d{6})\d+")
OPTION_COLUMNS = {
    "TRUSTWORTHY": "is_trustworthy_on",
    "DB_CHAINING": "is_db_chaining_on",
    "BROKER": "is_broker_enabled",
    "AUTO_CLOSE": "is_auto_close_on",
    "AUTO_SHRINK": "is_auto_shrink_on",
    "AUTO_CREATE_STATISTICS": "is_auto_create_stats_on",
    "AUTO_UPDATE_STATISTICS": "is_auto_update_stats_on",
    "AUTO_UPDATE_STATISTICS_ASYNC": "is_auto_update_stats_async_on",
    "READ_COMMITTED_SNAPSHOT": "is_read_committed_snapshot_on",
    "QUERY_STORE": "is_query_store_on",
}
SNAPSHOT_ISOLATION_ON = (1, 3)
"""``snapshot_isolation_state``: on, and on its way to on."""


def identity(client: Client) -> ServerIdentity:
    """Who answers. Raises NotSupported for versions before 2016."""
    row = client.read(text.identity()).dicts()[0]
    major = int(row["version"].split(".", 1)[0])
    if major < OLDEST_MAJOR:
        raise NotSupported(
            f"{client.role}: SQL Server version {row['version']} is not supported",
            hint="Versions from 2016 (13.0) on can be upgraded from and to.",
        )
    platform = str(client.read(text.host_platform()).value()) if major > OLDEST_MAJOR else "Windows"
    return ServerIdentity(
        server_name=row["server_name"],
        machine_name=row["machine_name"],
        version=row["version"],
        edition=row["edition"],
        engine_edition=row["engine_edition"],
        collation=row["collation"],
        platform=platform,
        path_separator=row["path_separator"] or "\\",
        data_path=optional(row["data_path"]),
        log_path=optional(row["log_path"]),
        backup_path=row["backup_path"] or _backup_path(client) or optional(row["data_path"]),
    )


def _backup_path(client: Client) -> str:
    try:
        return optional(client.read(text.registry_backup_path()).value())
    except ServerError:  # the procedure is not everywhere, and the data path is a good second best
        return ""


def utcnow(client: Client) -> datetime:
    """The server's clock."""
    return instant(client.read(text.utcnow()).value())


def instant(iso: str) -> datetime:
    """Read ISO text of the server, which has up to seven digits of a second, as UTC."""
    return datetime.fromisoformat(FRACTION.sub(r"\1", iso)).replace(tzinfo=UTC)


def databases(client: Client, only: str | None = None) -> Mapping[str, DatabaseInfo]:
    """User databases and snapshots, or the one of that name."""
    found = client.read(f"{text.databases(only)};\n{text.database_sizes(only)}")
    by_id = {row["database_id"]: row for row in found.at(1).dicts()}
    shipped = _log_shipped(client)
    return {
        row["name"]: _database(client, {**_no_files, **row, **by_id.get(row["database_id"], {})}, shipped)
        for row in found.dicts()
    }


_no_files: Mapping[str, Any] = {"size_bytes": 0, "containers": 0}


def _log_shipped(client: Client) -> frozenset[str]:
    try:
        return frozenset(row["name"] for row in client.read(text.log_shipping()).dicts())
    except ServerError as e:
        if e.number not in MISSING_OBJECT:
            raise
        return frozenset()  # editions without log shipping have no tables for it


def _database(client: Client, row: Mapping[str, Any], shipped: frozenset[str]) -> DatabaseInfo:
    used_bytes, inside = _look_inside(client, row)
    return DatabaseInfo(
        name=row["name"],
        database_id=row["database_id"],
        family_guid=row["family_guid"],
        created_at=row["created_at"],
        state=known(DatabaseState, row["state_desc"], row["name"]),
        user_access=known(UserAccess, row["user_access_desc"], row["name"]),
        is_read_only=bool(row["is_read_only"]),
        is_in_standby=bool(row["is_in_standby"]),
        recovery_model=known(RecoveryModel, row["recovery_model_desc"], row["name"]),
        compatibility_level=row["compatibility_level"],
        collation=row["collation_name"],
        owner=row["owner"],
        internal_version=row["internal_version"],
        size_bytes=int(row["size_bytes"]),
        used_bytes=used_bytes,
        options=_options(row),
        features=_features(row, shipped) | inside,
        snapshot_of=row["snapshot_of"],
    )


def known(kind: type[E], value: str, database: str) -> E:
    """Return the member, or raise NotSupported: states of Azure and of versions to come are not guessed at."""
    try:
        return kind(value)
    except ValueError:
        raise NotSupported(f"database {database} is in a state that is not known: {value}") from None


def _options(row: Mapping[str, Any]) -> Mapping[str, str]:
    options = {option: _on_off(row[column]) for option, column in OPTION_COLUMNS.items()}
    options["ALLOW_SNAPSHOT_ISOLATION"] = _on_off(row["snapshot_isolation_state"] in SNAPSHOT_ISOLATION_ON)
    options["PAGE_VERIFY"] = row["page_verify_option_desc"] or "NONE"
    return options


def _on_off(value: Any) -> str:
    return "ON" if value else "OFF"


def _features(row: Mapping[str, Any], shipped: frozenset[str]) -> frozenset[str]:
    present = {
        "availability-group": row["in_availability_group"],
        "mirroring": row["is_mirrored"],
        "replication": row["is_published"] or row["is_merge_published"] or row["is_distributor"],
        "cdc": row["is_cdc_enabled"],
        "tde": row["is_encrypted"],
        "log-shipping": row["name"] in shipped,
    }
    return frozenset(feature for feature, is_there in present.items() if is_there)


def _look_inside(client: Client, row: Mapping[str, Any]) -> tuple[int, frozenset[str]]:
    """Allocated bytes and what the filegroups tell. A single-user database is left alone: looking takes its place."""
    size = int(row["size_bytes"])
    filestream = frozenset({"filestream"} if row["containers"] else ())
    if row["state_desc"] != "ONLINE" or row["user_access_desc"] == "SINGLE_USER" or row["snapshot_of"]:
        return size, filestream
    try:
        seen = client.read(text.inside(row["name"]))
    except ServerError as e:
        if e.number is None or e.in_doubt:
            raise
        return size, filestream  # it was closed a moment ago
    return int(seen.value() or 0) * 8192, _filegroup_features(seen.at(1).dicts())


def _filegroup_features(groups: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    kinds = {str(group["type"]).strip() for group in groups}
    found = {"filestream"} if "FD" in kinds else set()
    found |= {"memory-optimized"} if "FX" in kinds else set()
    found |= {"read-only-filegroup"} if any(group["is_read_only"] for group in groups) else set()
    return frozenset(found)


def files(client: Client, database: str) -> tuple[DatabaseFile, ...]:
    """Files of a database in any state."""
    rows = client.read(text.files(database)).dicts()
    return tuple(
        DatabaseFile(row["name"], row["physical_name"], row["type_desc"], int(row["size_bytes"])) for row in rows
    )


def volumes(client: Client, paths: Sequence[str]) -> tuple[Volume, ...]:
    """The volumes that hold those paths, each once; a path on a volume the server cannot measure is left out."""
    measured = _measured(client)
    if any(_volume_of(path, measured) is None for path in paths):
        measured = [*measured, *_drives(client)]
    held = (_volume_of(path, measured) for path in paths)
    return tuple(dict.fromkeys(volume for volume in held if volume is not None))


def _measured(client: Client) -> list[Volume]:
    directories: dict[str, tuple[int, int]] = {}
    for row in client.read(text.all_files()).dicts():
        directory = re.split(r"[^/\\]*$", row["physical_name"], maxsplit=1)[0]
        directories.setdefault(directory.casefold(), (row["database_id"], row["file_id"]))
    rows = client.read(text.volume_stats(list(directories.values()))).first.rows
    return [Volume(str(mount), int(total), int(available)) for mount, total, available in rows if mount is not None]


def _drives(client: Client) -> list[Volume]:
    """Drives without database files; how large they are the server does not say (``total_bytes`` 0)."""
    try:
        rows = client.read(text.fixed_drives()).first.rows
    except ServerError:  # before 2017
        return []
    return [Volume(path, 0, int(free)) for path, free in rows]


def _volume_of(path: str, among: Sequence[Volume]) -> Volume | None:
    holding = [volume for volume in among if _lies_in(path, volume.mount)]
    return max(holding, key=lambda volume: len(volume.mount), default=None)


def _lies_in(path: str, mount: str) -> bool:
    return f"{_folded(path)}/".startswith(f"{_folded(mount)}/")


def _folded(path: str) -> str:
    slashes = path.replace("\\", "/").rstrip("/")
    return slashes.casefold() if re.match(r"[A-Za-z]:|//", path.replace("\\", "/")) else slashes


def sessions(client: Client, database: str, run_id: str) -> Mapping[ServerSession, str]:
    """Sessions in a database, without the run's own, each with its login time."""
    rows = client.read(text.sessions(database, run_id)).dicts()
    return {_session(row): row["login_time"] for row in rows}


def _session(row: Mapping[str, Any]) -> ServerSession:
    return ServerSession(
        session_id=row["session_id"],
        login=optional(row["login_name"]),
        host=optional(row["host_name"]),
        program=optional(row["program_name"]),
        status=optional(row["status"]),
        open_transactions=int(row["open_transaction_count"] or 0),
    )


def log_sequence(client: Client, database: str) -> str:
    """LSN of the newest log record; empty where the view for it is missing."""
    try:
        return optional(client.read(text.log_end(database)).value())
    except ServerError as e:
        if e.number not in MISSING_OBJECT:
            raise
        return ""


def lock_holder(client: Client) -> str:
    """Who else is connected for a run, for the error that says so."""
    rows = client.read(session_text.lock_holders()).dicts()
    return ", ".join(sorted(f"{row['program_name']} on {optional(row['host_name'])}" for row in rows))
