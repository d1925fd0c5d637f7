"""Features of databases that a strategy cannot take there and back, and those an edition cannot open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runbook.toolkit.findings import Finding

ENTERPRISE = 3
"""SERVERPROPERTY('EngineEdition') of Enterprise, Developer and Evaluation: opens everything."""
EXPRESS = 4
SP1_OF_2016 = (13, 0, 4001)
"""From here on every edition opens compression, partitions, columnstore, memory-optimised tables and snapshots."""
IN_EVERY_EDITION = frozenset(
    {"Compression", "Partitioning", "ColumnStoreIndex", "InMemoryOLTP", "MultipleFSContainers"}
)
"""Names of sys.dm_db_persisted_sku_features that stopped mattering with 2016 SP1."""
LARGEST_EXPRESS = {17: 50 * 2**30}
"""Bytes of data files a database of Express may have, by major version (2025 raised it)."""
LARGEST_EXPRESS_BEFORE = 10 * 2**30

_IN_PLACE: Mapping[str, Finding] = {
    "availability-group": Finding(
        "is in an availability group: its replicas are upgraded in an order of their own",
        "Take it out of the availability group first.",
    ),
    "mirroring": Finding("is mirrored: its partner would not follow the way back", "Remove mirroring first."),
    "replication": Finding(
        "is replicated: subscribers would keep what the way back takes away",
        "Remove replication first and set it up again afterwards.",
    ),
    "log-shipping": Finding(
        "is log-shipped: an older secondary cannot take the logs of a newer server",
        "Remove log shipping first and set it up again afterwards.",
    ),
}
BLOCKERS: Mapping[str, Mapping[str, Finding]] = {
    "side-by-side": {
        "availability-group": Finding(
            "is in an availability group: its tail cannot be taken, nor can it be brought back by a restore",
            "Take it out of the availability group first.",
        ),
        "mirroring": Finding(
            "is mirrored: its tail cannot be taken, nor can it be brought back by a restore",
            "Remove mirroring first.",
        ),
        "replication": Finding(
            "is replicated: a restore loses what replication keeps inside, also on the way back",
            "Remove replication first and set it up again afterwards.",
        ),
        "cdc": Finding(
            "has change data capture, which a restore on another server removes",
            "Disable change data capture first and enable it again afterwards.",
        ),
        "log-shipping": Finding(
            "is log-shipped: the tail of this run would be missing in its chain",
            "Remove log shipping first and set it up again afterwards.",
        ),
    },
    "scripts": {
        "availability-group": Finding(
            "is in an availability group: it cannot be reverted to a snapshot",
            "Take it out of the availability group first.",
        ),
        "mirroring": Finding("is mirrored: it cannot be reverted to a snapshot", "Remove mirroring first."),
        "replication": Finding(
            "is replicated: subscribers would keep what a revert takes back",
            "Remove replication first and set it up again afterwards.",
        ),
        "cdc": Finding(
            "has change data capture, whose readers would keep what a revert takes back",
            "Disable change data capture first and enable it again afterwards.",
        ),
        "filestream": Finding(
            "has FILESTREAM data: it cannot be reverted to a snapshot (3138)", "Choose side-by-side for it."
        ),
        "memory-optimized": Finding(
            "has memory-optimized data: that it can be reverted to a snapshot is not certain",
            "Choose side-by-side for it.",
        ),
        "read-only-filegroup": Finding(
            "has a read-only filegroup: it cannot be reverted to a snapshot",
            "Make the filegroup writable first, or choose side-by-side.",
        ),
        "log-shipping": Finding(
            "is log-shipped: a revert breaks the chain of its logs",
            "Remove log shipping first and set it up again afterwards.",
        ),
    },
    "in-place": _IN_PLACE,
    "container": _IN_PLACE,
}
READ_ONLY_FILES = Finding(
    "has a read-only filegroup, which a newer version cannot convert (3415)",
    "Make the filegroup writable until the night is over.",
)
FILESTREAM_ON_LINUX = Finding(
    "has FILESTREAM data, which the new server cannot hold on Linux", "Choose a target on Windows."
)
SNAPSHOTS = Finding(
    "has a database snapshot already, with which it can be neither restored nor reverted",
    "Drop the snapshot first: {names}.",
)
REMARKS: Mapping[str, str] = {
    "tde": "is encrypted (TDE): its certificate must be on the new server before the seed is restored (33111)",
    "filestream": "has FILESTREAM data: the new server must have FILESTREAM enabled",
    "memory-optimized": "has memory-optimized data: the new server must have the memory for it",
}
"""What side by side finds out before users are kept out: the seed is restored then."""


def edition_problems(
    features: tuple[str, ...], edition: int, build: tuple[int, ...], data_bytes: int
) -> Iterator[Finding]:
    """What the new server's edition cannot open (933 after all data was copied) or hold (1827)."""
    closed = [one for one in features if not opens(one, edition, build)]
    if closed:
        yield Finding(
            f"uses {', '.join(closed)}, which the edition of the new server does not open (933)",
            "Choose a higher edition for the new server, or remove the feature from the database.",
        )
    largest = LARGEST_EXPRESS.get(build[0], LARGEST_EXPRESS_BEFORE)
    if edition == EXPRESS and data_bytes > largest:
        yield Finding(
            f"has more than {largest // 2**30} GiB of data files, the limit of Express (1827)",
            "Choose a higher edition for the new server.",
        )


def opens(feature: str, edition: int, build: tuple[int, ...]) -> bool:
    """True when an edition opens databases that use a feature."""
    if edition == ENTERPRISE:
        return True
    if feature == "TransparentDataEncryption":
        return edition != EXPRESS and build >= (15,)
    if feature == "ChangeCapture":
        return edition != EXPRESS and build >= SP1_OF_2016
    return feature in IN_EVERY_EDITION and build >= SP1_OF_2016


def has_snapshots(edition: int, build: tuple[int, ...]) -> bool:
    """True when an edition can create database snapshots."""
    return edition == ENTERPRISE or build >= SP1_OF_2016
