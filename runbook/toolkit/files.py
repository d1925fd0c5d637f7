"""Names and places of the files and snapshots a run leaves on servers: by run, never used twice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Literal

from runbook.errors import ServerError, StepFailed
from runbook.plan.models import Plan
from runbook.ports import BackupHeader, DatabaseFile, ServerIdentity, SqlServerReader
from runbook.step import Outcome, ReadContext
from runbook.toolkit.kept import ExchangePlaces

Kind = Literal["full", "tail", "diff", "aside", "rebase", "first"]

NOT_A_BACKUP = frozenset({3183, 3189, 3203, 3241, 3242, 3243, 3254, 3256, 3271})
"""Errors of RESTORE HEADERONLY on a file that is there but cannot be restored from."""
IN_USE = "32("
"""Operating system error in the text of 3201: another process has the file open."""
MOST_ATTEMPTS = 99
LONGEST_NAME = 128


def source_of(plan: Plan) -> str:
    """The plan's name of the server that is upgraded from."""
    return plan.source


def target_of(plan: Plan) -> str:
    """The plan's name of the new server; only side by side has one."""
    if plan.target is None:
        raise StepFailed("the plan has no target server", hint="Steps of side-by-side need one.")
    return plan.target


def upgraded_of(plan: Plan) -> str:
    """The plan's name of the server that serves after the upgrade."""
    return plan.source if plan.target is None else plan.target


def join(directory: str, name: str, separator: str = "/") -> str:
    """A file in a directory of a server, with the separator that directory is written with."""
    used = "\\" if "\\" in directory else "/" if "/" in directory else separator
    return directory.rstrip("/\\") + used + name


def file_stem(database: str) -> str:
    """A database's name as part of a file name; two names that differ stay different."""
    plain = re.sub(r"[^\w.-]", "_", database)
    if plain == database:
        return database
    return f"{plain}-{hashlib.sha256(database.encode()).hexdigest()[:8]}"


def backup_file(run_id: str, database: str, kind: Kind) -> str:
    """``<run>-<database>-<kind>.bak`` (``.trn`` for a log)."""
    return f"{run_id}-{file_stem(database)}-{kind}.{'trn' if kind == 'tail' else 'bak'}"


def backup_name(run_id: str, kind: Kind) -> str:
    """The name inside the backup set: whose it is."""
    return f"runbook {run_id} {kind}"


def snapshot_name(database: str, run_id: str) -> str:
    """The name of the run's own database snapshot, at most 128 characters."""
    suffix = f"_rb_{re.sub(r'[^0-9A-Za-z]', '_', run_id)}"
    if len(database) + len(suffix) <= LONGEST_NAME:
        return database + suffix
    digest = hashlib.sha256(database.encode()).hexdigest()[:8]
    return f"{database[: LONGEST_NAME - len(suffix) - len(digest) - 1]}_{digest}{suffix}"


def exchange_of(ctx: ReadContext) -> ExchangePlaces:
    """The directories ``pin-exchange`` settled on."""
    return ctx.kept("pin-exchange", ExchangePlaces)


def own_directory(ctx: ReadContext, server: str) -> str:
    """Where a server puts backups of its own."""
    return ctx.plan.servers[server].backup_directory or ctx.reader(server).identity().backup_path


def header_of(reader: SqlServerReader, path: str, position: int | None = None) -> BackupHeader | None:
    """The header of a sound backup; None when there is no file or it is none that can be restored from."""
    try:
        header = reader.backup_header(path, position)
    except ServerError as error:
        if error.number in NOT_A_BACKUP and not error.in_doubt:
            return None
        raise
    return None if header is None or header.is_damaged else header


def is_free(reader: SqlServerReader, path: str) -> bool:
    """True when no file of that name is there, whatever it holds."""
    try:
        return reader.backup_header(path) is None
    except ServerError as error:
        in_use = error.number == 3201 and IN_USE in error.message
        if (in_use or error.number in NOT_A_BACKUP) and not error.in_doubt:
            return False
        raise


def attempts(path: str) -> Iterator[str]:
    """The names one file may have, in the order they are used: ``x.bak``, ``x-2.bak``, ``x-3.bak``."""
    stem, _, suffix = path.rpartition(".")
    yield path
    for attempt in range(2, MOST_ATTEMPTS):
        yield f"{stem}-{attempt}.{suffix}"


def next_free(reader: SqlServerReader, path: str) -> str:
    """The name for a new backup: a file that is there already, even a broken one, is never written to again."""
    for candidate in attempts(path):
        if is_free(reader, candidate):
            return candidate
    raise StepFailed(f"no free name for {path}", hint="Move the files of this run elsewhere.")


def free_path(reader: SqlServerReader, directory: str, file: str) -> str:
    """The path for a new backup in a directory; see :func:`next_free`."""
    return next_free(reader, join(directory, file))


def sound_attempt(reader: SqlServerReader, path: str, *, name: str, kind: str, database: str) -> str:
    """The first of the names of a file that holds the very backup that was meant; empty when none does."""
    for candidate in attempts(path):
        if is_backup(header_of(reader, candidate), name=name, kind=kind, database=database, family_guid=None):
            return candidate
        if is_free(reader, candidate):
            break
    return ""


def same_file(path: str, directory: str) -> str:
    """The file of ``path`` in another directory: the same place as another server sees it."""
    return join(directory, re.split(r"[/\\]", path)[-1])


def as_target_sees(path: str, places: ExchangePlaces) -> str:
    """A file the source wrote, as the target would find it: through the exchange directory when it lies there, else
    under the same path (a share both know)."""
    folded, source = path.replace("\\", "/").casefold(), places.source.replace("\\", "/").rstrip("/").casefold()
    if not folded.startswith(f"{source}/"):
        return path
    found = places.target
    for part in path[len(source) + 1 :].replace("\\", "/").split("/"):
        found = join(found, part)
    return found


def moved_files(
    files: tuple[DatabaseFile, ...], database: str, run_id: str, identity: ServerIdentity, directory: str | None
) -> dict[str, str]:
    """Logical name -> path on the target, new for each run, so that it collides with nothing."""
    stem = f"{file_stem(database)}_{run_id}"
    moves: dict[str, str] = {}
    logs = rows = 0
    for file in files:
        if file.kind == "LOG":
            logs += 1
            name = f"{stem}_log{'' if logs == 1 else f'_{logs}'}.ldf"
            place = directory or identity.log_path
        else:
            rows += 1
            name = f"{stem}.mdf" if rows == 1 else f"{stem}_{rows}.ndf"
            place = directory or identity.data_path
        moves[file.logical_name] = join(place, name, identity.path_separator)
    return moves


def is_backup(header: BackupHeader | None, *, name: str, kind: str, database: str, family_guid: str | None) -> bool:
    """True when a header is of the very backup that was meant, whole and with checksums."""
    if header is None:
        return False
    family = family_guid is None or header.family_guid.lower() == family_guid.lower()
    named = header.name == name and header.database.lower() == database.lower() and header.kind == kind
    return named and family and header.has_checksums


def looked_at(
    reader: SqlServerReader, path: str, *, name: str, kind: str, database: str, family: str | None
) -> Outcome:
    """What became of a backup: REACHED when it is there and sound, PARTIAL when something else is."""
    if is_backup(header_of(reader, path), name=name, kind=kind, database=database, family_guid=family):
        return Outcome.REACHED
    return Outcome.UNTOUCHED if is_free(reader, path) else Outcome.PARTIAL


def preview_path(plan: Plan, server: str, database: str, kind: Kind) -> str:
    """The path a backup would have, as far as the plan alone tells."""
    source, target = plan.exchange_directories()
    directory = source if server == plan.source else target
    return join(directory or "BACKUP-DIRECTORY", backup_file("RUN", database, kind))
