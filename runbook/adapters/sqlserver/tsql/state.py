"""Changing what a database is: access, state, options, owner, users, snapshots."""

from __future__ import annotations

from collections.abc import Sequence

from runbook.adapters.sqlserver.tsql.quoting import literal, name, switch
from runbook.ports import UserAccess

ON_OFF_OPTIONS = (
    "TRUSTWORTHY",
    "DB_CHAINING",
    "AUTO_CLOSE",
    "AUTO_SHRINK",
    "AUTO_CREATE_STATISTICS",
    "AUTO_UPDATE_STATISTICS",
    "AUTO_UPDATE_STATISTICS_ASYNC",
    "ALLOW_SNAPSHOT_ISOLATION",
)
PAGE_VERIFY_VALUES = ("CHECKSUM", "TORN_PAGE_DETECTION", "NONE")


def user_access(database: str, access: UserAccess) -> str:
    """Say who may enter, and roll back and disconnect who no longer may."""
    return f"ALTER DATABASE {name(database)} SET {UserAccess(access).value} WITH ROLLBACK IMMEDIATE"


def online(database: str) -> str:
    """Open a database that was set offline."""
    return f"ALTER DATABASE {name(database)} SET ONLINE"


def offline(database: str) -> str:
    """Close a database; its files stay."""
    return f"ALTER DATABASE {name(database)} SET OFFLINE WITH ROLLBACK IMMEDIATE"


def option(database: str, key: str, value: str) -> str:
    """Set one of the options of ``DatabaseInfo.options``. ValueError for any other option or value."""
    return f"ALTER DATABASE {name(database)} SET {_option(key, value)}"


def _option(key: str, value: str) -> str:
    if key == "PAGE_VERIFY" and value in PAGE_VERIFY_VALUES:
        return f"PAGE_VERIFY {value}"
    if value not in ("ON", "OFF"):
        raise ValueError(f"no value of a database option: {key} {value}")
    on = value == "ON"
    if key in ON_OFF_OPTIONS:
        return f"{key} {switch(on)}"
    if key == "QUERY_STORE":
        return f"QUERY_STORE = {switch(on)}"
    if key == "BROKER":  # these two wait for the database to themselves, for ever unless told otherwise
        return f"{'ENABLE' if on else 'DISABLE'}_BROKER WITH ROLLBACK IMMEDIATE"
    if key == "READ_COMMITTED_SNAPSHOT":
        return f"READ_COMMITTED_SNAPSHOT {switch(on)} WITH ROLLBACK IMMEDIATE"
    raise ValueError(f"no database option that can be set: {key}")


def owner(database: str, login: str) -> str:
    """Give a database an owner."""
    return f"ALTER AUTHORIZATION ON DATABASE::{name(database)} TO {name(login)}"


def map_user(user: str, login: str) -> str:
    """Join a user of the current database with a login of the instance."""
    return f"ALTER USER {name(user)} WITH LOGIN = {name(login)}"


def drop(database: str) -> str:
    """Drop a database, never a snapshot."""
    return _drop_unless(database, "IS NOT NULL")


def create_snapshot(database: str, snapshot: str, files: Sequence[tuple[str, str]]) -> str:
    """Create a database snapshot; ``files`` are (logical name, sparse file) of every data file."""
    listed = ",\n   ".join(f"(NAME = {literal(logical)}, FILENAME = {literal(path)})" for logical, path in files)
    return f"CREATE DATABASE {name(snapshot)} ON\n   {listed}\nAS SNAPSHOT OF {name(database)}"


def revert(database: str, snapshot: str) -> str:
    """Bring a database back to what it was when the snapshot was taken."""
    return f"RESTORE DATABASE {name(database)} FROM DATABASE_SNAPSHOT = {literal(snapshot)}"


def drop_snapshot(snapshot: str) -> str:
    """Drop a database snapshot, never a database."""
    return _drop_unless(snapshot, "IS NULL")


def _drop_unless(database: str, source: str) -> str:
    return (
        "IF NOT EXISTS (SELECT 1 FROM sys.databases AS d\n"
        f"               WHERE d.name = {literal(database)} AND d.source_database_id {source})\n"
        f"    DROP DATABASE {name(database)}"
    )


def check(database: str) -> str:
    """DBCC CHECKDB with every finding as a row: as errors, a driver shows only the first of them."""
    return f"DBCC CHECKDB ({literal(database)}) WITH NO_INFOMSGS, ALL_ERRORMSGS, DATA_PURITY, TABLERESULTS"
