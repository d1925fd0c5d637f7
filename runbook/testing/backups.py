"""BACKUP and RESTORE as SQL Server rules them: chains, bases, recovery paths, one-way versions.

Every function is work in the sense of :mod:`runbook.testing.handle`: what stands after a ``yield`` in ``except
GeneratorExit`` is what a cut-off operation leaves behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from runbook.errors import Refused
from runbook.ports import DatabaseFile, DatabaseState, RecoveryModel
from runbook.testing.disk import BackupFile, Shelf
from runbook.testing.handle import HALFWAY, Work
from runbook.testing.instance import Instance
from runbook.testing.model import LOST_BY_RESTORE, SA_SID, Database
from runbook.testing.refusals import refusal

TAIL = "log with norecovery"


@dataclass(frozen=True)
class Order:
    """A BACKUP that is asked for; ``kind``: full, differential, log or TAIL."""

    database: str
    path: str
    name: str
    kind: str
    copy_only: bool = False


def back_up(instance: Instance, order: Order, *, partial_files: bool) -> Work:
    """BACKUP: refusals first, then the file, at the end the marks in the database."""
    database = _ready_for_backup(instance, order)
    shelf, place = _new_file(instance, order.path)
    if instance.available(shelf.mount) < database.used:
        raise refusal(3202, order.path)
    made = _backup_set(instance, database, order)
    shelf.backups[place] = replace(made, incomplete=True, size=made.size // 2)
    try:
        yield HALFWAY
    except BaseException:
        if not partial_files:
            del shelf.backups[place]
        raise
    # Users may have written while it ran: what counts is the end.
    made = _backup_set(instance, database, order)
    shelf.backups[place] = made
    _mark(database, made, order)
    if made.kind == "log" and not made.copy_only:
        instance.log_history.append(made)


def somebody_backs_up_the_log(instance: Instance, database: str, path: str) -> None:
    """A job or tool that is not ours takes a log backup, whole."""
    for _ in back_up(instance, Order(database, path, "their log backup", "log"), partial_files=False):
        pass


def _ready_for_backup(instance: Instance, order: Order) -> Database:
    database = instance.existing(order.database)
    if database.snapshot_of:
        raise refusal(3002)
    instance.opened(order.database)
    if order.kind in {"log", TAIL}:
        if database.settings.recovery_model is RecoveryModel.SIMPLE:
            raise refusal(4208)
        if database.log_backup_lsn is None:
            raise refusal(4214)
    if order.kind == TAIL and instance.in_database(order.database):
        raise refusal(3101)
    if order.kind == "differential" and database.diff_base is None:
        raise refusal(3035, database.name)
    return database


def _new_file(instance: Instance, path: str) -> tuple[Shelf, str]:
    found = instance.locate(path)
    if found is None:
        raise refusal(3201, path, "3(The system cannot find the path specified.)")
    refuse_existing(instance, path)
    return found


def refuse_existing(instance: Instance, path: str) -> None:
    """As the adapter does before anything else: a file that is there is never written over."""
    shelf, place = instance.locate(path) or (None, "")
    if shelf and (place in shelf.backups or place in shelf.strangers):
        raise Refused(
            f"{instance.role}: the backup file {path} is there already",
            hint="A backup is never written over. Move the file away if nobody needs it.",
        )


def _backup_set(instance: Instance, database: Database, order: Order) -> BackupFile:
    log = order.kind in {"log", TAIL}
    base = {"full": f"{database.forks[-1]} {database.lsn + 1}", "differential": database.diff_base}.get(order.kind)
    return BackupFile(
        path=order.path,
        kind="log" if log else order.kind,
        name=order.name,
        database=database.name,
        family_guid=database.family_guid,
        forks=database.forks,
        first_lsn=database.log_backup_lsn or 0 if log else database.lsn,
        last_lsn=database.lsn + 1,
        base=base or "",
        content=database.content,
        changes=database.changes,
        settings=database.settings,
        files=database.files,
        features=database.features,
        internal_version=database.internal_version,
        software_major=instance.major,
        finished_at=instance.clock.now().replace(tzinfo=None).isoformat(timespec="milliseconds"),
        size=max(1, database.used // 50 if log else database.used),
        copy_only=order.copy_only,
        database_lsn=database.lsn,
    )


def _mark(database: Database, made: BackupFile, order: Order) -> None:
    database.lsn = made.last_lsn  # a backup is logged itself
    if order.kind == "full" and not order.copy_only:
        database.diff_base = made.base
        if database.log_backup_lsn is None and database.settings.recovery_model is not RecoveryModel.SIMPLE:
            database.log_backup_lsn = made.first_lsn
    if made.kind == "log":
        database.log_backup_lsn = made.last_lsn
    if order.kind == TAIL:
        database.state = DatabaseState.RESTORING
        database.redo_lsn = database.lsn


# -- reading files


def backup_at(instance: Instance, path: str) -> BackupFile | None:
    """The backup set in a file as this server sees it; None when there is no file; 3241 when it is no backup."""
    found = instance.locate(path)
    if found is None:
        return None
    shelf, place = found
    if place in shelf.strangers or (place in shelf.backups and shelf.backups[place].incomplete):
        raise refusal(3241, path)
    return shelf.backups.get(place)


def readable(instance: Instance, path: str, kind: str = "") -> BackupFile:
    """A backup set that can be restored from, of this kind."""
    found = instance.locate(path)
    shelf, place = found if found is not None else (None, "")
    if shelf is None or (place not in shelf.backups and place not in shelf.strangers):
        raise refusal(3201, path, "2(The system cannot find the file specified.)")
    if place in shelf.strangers:
        raise refusal(3241, path)
    backup = shelf.backups[place]
    if backup.incomplete:
        raise refusal(3256, path)
    if backup.internal_version > instance.internal_version:
        raise refusal(3169, backup.internal_version, instance.internal_version)
    if kind and backup.kind != kind:
        raise refusal(3118 if kind == "full" else 3117, backup.database)
    return backup


def verify(instance: Instance, path: str) -> None:
    """RESTORE VERIFYONLY WITH CHECKSUM."""
    if readable(instance, path).damaged:
        raise refusal(3189)


# -- restoring


def restore_full(instance: Instance, name: str, path: str, moves: Mapping[str, str]) -> Work:
    """Creates the database, or overwrites one only where SQL Server would without REPLACE."""
    backup = readable(instance, path, "full")
    _may_overwrite(instance, instance.find(name), backup)
    files = tuple(replace(file, path=moves.get(file.logical_name, file.path)) for file in backup.files)
    _check_files(instance, name, files)
    database = instance.add(_shell(instance, name, backup, files))
    # From here on there is a database in RESTORING, whatever happens.
    yield HALFWAY
    if backup.damaged:
        raise refusal(3183, name)
    _roll(database, backup)
    database.restored_base = backup.base


def _may_overwrite(instance: Instance, existing: Database | None, backup: BackupFile) -> None:
    if existing is None:
        return
    if existing.snapshot_of:
        raise refusal(3002)
    if existing.family_guid != backup.family_guid:
        raise refusal(3154, existing.name)
    if instance.snapshots_of(existing.name):
        raise refusal(3709, instance.snapshots_of(existing.name)[0].name)
    if instance.in_database(existing.name):
        raise refusal(3101)
    simple = existing.settings.recovery_model is RecoveryModel.SIMPLE
    if existing.state is not DatabaseState.RESTORING and not simple:
        raise refusal(3159, existing.name)


def _check_files(instance: Instance, name: str, files: tuple[DatabaseFile, ...]) -> None:
    taken = {
        file.path.lower(): other.name
        for other in instance.databases.values()
        if other.name.lower() != name.lower() and not other.snapshot_of
        for file in other.files
    }
    for file in files:
        if file.path.lower() in taken:
            raise refusal(1834, file.path, taken[file.path.lower()])
        place = instance.locate(file.path)
        if place is None:
            raise refusal(5133, file.path)
        free = instance.available(place[0].mount)
        if instance.find(name) is None and free < file.size_bytes:
            raise refusal(3257, place[0].mount, file.size_bytes, free)


def _shell(instance: Instance, name: str, backup: BackupFile, files: tuple[DatabaseFile, ...]) -> Database:
    earlier = instance.find(name)
    options = {**backup.settings.options, **dict.fromkeys(LOST_BY_RESTORE, "OFF")}
    return Database(
        name=name,
        database_id=earlier.database_id if earlier else instance.serial(),
        family_guid=backup.family_guid,
        created_at=instance.clock.now().replace(tzinfo=None).isoformat(timespec="milliseconds"),
        forks=backup.forks,
        settings=replace(backup.settings, options=options, owner_sid=SA_SID),
        content=backup.content,
        internal_version=backup.internal_version,
        files=files,
        state=DatabaseState.RESTORING,
        features=backup.features,
    )


def _roll(database: Database, backup: BackupFile) -> None:
    """Roll forward to the end of a backup set; what a restore never carries stays as it is."""
    kept = {option: database.settings.options[option] for option in LOST_BY_RESTORE}
    options = {**backup.settings.options, **kept}
    database.settings = replace(backup.settings, options=options, owner_sid=database.settings.owner_sid)
    database.content = backup.content
    database.changes = backup.changes
    database.forks = backup.forks
    database.lsn = database.redo_lsn = backup.last_lsn


def _rolling(instance: Instance, name: str, backup: BackupFile) -> tuple[Database, int]:
    database = instance.existing(name, 3118)
    if database.state is not DatabaseState.RESTORING or database.redo_lsn is None:
        raise refusal(3117)
    if database.family_guid != backup.family_guid:
        raise refusal(3154, name)
    return database, database.redo_lsn


def restore_differential(instance: Instance, name: str, path: str) -> Work:
    """Onto exactly the full backup it is based on."""
    backup = readable(instance, path, "differential")
    database, redo = _rolling(instance, name, backup)
    if database.restored_base != backup.base or backup.last_lsn <= redo:
        raise refusal(3136)
    yield from _applied(database, backup)


def restore_log(instance: Instance, name: str, path: str) -> Work:
    """The next log of the same recovery path, without a gap."""
    backup = readable(instance, path, "log")
    database, redo = _rolling(instance, name, backup)
    if database.forks[-1] not in backup.forks:
        raise refusal(4330)
    if backup.first_lsn > redo:
        raise refusal(4305, backup.first_lsn, redo)
    if backup.last_lsn <= redo:
        raise refusal(4326, backup.last_lsn, redo)
    yield from _applied(database, backup)


def _applied(database: Database, backup: BackupFile) -> Work:
    """Roll forward; cut off in the middle it can be applied again from where it began."""
    yield HALFWAY
    if backup.damaged:
        raise refusal(3183, database.name)
    _roll(database, backup)


def recover(instance: Instance, name: str) -> Work:
    """RESTORE ... WITH RECOVERY: open on a new recovery path, converted when this server is newer."""
    database = instance.existing(name)
    if database.state is DatabaseState.ONLINE:
        raise refusal(3153)
    if database.state is not DatabaseState.RESTORING:
        raise refusal(942, name)
    if database.redo_lsn is None:
        raise refusal(4333)
    yield HALFWAY
    _open(instance, database)


def _open(instance: Instance, database: Database) -> None:
    restored = database.restored_base is not None
    if restored:
        # A restored copy goes on where the backups ended: same base, same log chain.
        simple = database.settings.recovery_model is RecoveryModel.SIMPLE
        database.diff_base = database.restored_base
        database.log_backup_lsn = None if simple else database.redo_lsn
    if instance.recover_resets_broker:
        database.set(options={**database.settings.options, "BROKER": "OFF"})
    database.state = DatabaseState.ONLINE
    database.redo_lsn = database.restored_base = None
    database.forks = (*database.forks, instance.guid())
    database.internal_version = instance.internal_version
    instance.door_moved()
