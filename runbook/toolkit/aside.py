"""Nothing that was written is lost silently: named, and kept in a backup before it goes."""

from __future__ import annotations

from runbook.errors import ServerError
from runbook.step import Context, ReadContext
from runbook.toolkit.files import backup_file, backup_name, free_path
from runbook.toolkit.kept import GateOpened
from runbook.toolkit.proof import ProofSet, counts, differences, grave, named_lines, prove, rows_written


def rows_since_reference(ctx: ReadContext, server: str, database: str) -> tuple[str, ...]:
    """In which tables rows came or went since the reference was taken: quick, and blind for changed rows."""
    reference = ctx.find_kept(f"prove-reference[{database}]", ProofSet)
    return () if reference is None else rows_written(reference, counts(ctx, server, database))


def writes_since_reference(ctx: ReadContext, server: str, database: str) -> tuple[str, ...]:
    """What the upgraded database holds that the old one does not, table by table, by the whole proof.

    Takes as long as a proof: for the time when the old system serves again. Once users were let in it always holds
    something.
    """
    if ctx.find_kept("open-gate", GateOpened) is not None:
        return ("users were let in", *rows_since_reference(ctx, server, database))
    reference = ctx.find_kept(f"prove-reference[{database}]", ProofSet)
    if reference is None:
        return ()
    try:
        return grave(differences(reference, prove(ctx, server, database, database)))
    except ServerError as error:
        if error.number is None or error.in_doubt:
            raise
        return (f"it cannot be read to its end: {error.message}",)


def set_aside(ctx: Context, server: str, database: str, directory: str, writes: tuple[str, ...]) -> str:
    """Back the database up beside everything else and say so in the record; returns the file."""
    handle = ctx.server(server)
    path = free_path(handle, directory, backup_file(ctx.run_id, database, "aside"))
    handle.backup_full(database, path, name=backup_name(ctx.run_id, "aside"), copy_only=True)
    handle.verify_backup(path)
    ctx.note(f"{database} on {server} differs from the reference, kept in a backup: {named_lines(writes)}")
    ctx.note(f"{database} on {server} as it was then is kept in {path}")
    return path
