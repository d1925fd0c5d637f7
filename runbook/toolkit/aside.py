"""Nothing that was written is lost silently: named, and kept in a backup before it goes."""

from __future__ import annotations

from runbook.step import Context, ReadContext
from runbook.toolkit.files import backup_file, backup_name, free_path
from runbook.toolkit.proof import ProofSet, counts, named_lines, written_since


def writes_since_reference(ctx: ReadContext, server: str, database: str) -> tuple[str, ...]:
    """What was written to the upgraded database since the reference was taken; empty when there is no reference."""
    reference = ctx.find_kept(f"prove-reference[{database}]", ProofSet)
    return () if reference is None else written_since(reference, counts(ctx, server, database))


def set_aside(ctx: Context, server: str, database: str, directory: str, writes: tuple[str, ...]) -> str:
    """Back the database up beside everything else and say so in the record; returns the file."""
    handle = ctx.server(server)
    path = free_path(handle, directory, backup_file(ctx.run_id, database, "aside"))
    handle.backup_full(database, path, name=backup_name(ctx.run_id, "aside"), copy_only=True)
    handle.verify_backup(path)
    ctx.note(f"{database} on {server} held writes that the old setup does not have: {named_lines(writes)}")
    ctx.note(f"{database} on {server} as it was then is kept in {path}")
    return path
