"""The proof of the way back: the old database holds what it held when the last user was out."""

from __future__ import annotations

from runbook.errors import StepFailed
from runbook.step import Context, Outcome, ReadContext
from runbook.toolkit.proof import Difference, ProofSet, differences, gaps, grave, named_lines, prove
from runbook.toolkit.sessions import is_open, settled


def await_open(ctx: Context, server: str, database: str) -> None:
    """Wait while a database is RECOVERING; StepFailed when it does not come online."""
    if not is_open(settled(ctx, server, database)):
        raise StepFailed(f"{database} on {server} is not online", hint="Its error log says why: mend it, then resume.")


def prove_return(ctx: ReadContext, server: str, database: str, *, snapshot: str = "") -> Outcome:
    """REACHED when nothing is missing; StepFailed naming the differences when something is.

    Without ``snapshot`` the run itself never wrote there: what is there in addition is somebody's work, stays, and
    is noted. With it (scripts, reverted) any difference is a failure.
    """
    if not is_open(ctx.reader(server).database(database)):
        return Outcome.UNTOUCHED
    found = _compared(ctx, server, database, snapshot)
    if any(not one.gap and (snapshot or one.lost) for one in found):
        kept = f"its snapshot {snapshot} and the backups" if snapshot else "the backups"
        raise StepFailed(
            f"{database} on {server} is not what it was: {named_lines(grave(found))}",
            hint=f"Look at what differs before anybody is let in; {kept} of this run hold the earlier state. Once"
            " nobody writes there any more: runbook resume.",
        )
    for what in grave(found):
        ctx.note(f"{database} on {server} was written to while users were kept out, and keeps it: {what}")
    for what in gaps(found):
        ctx.note(f"{database} on {server} leaves a gap in numbers, no row differs: {what}")
    return Outcome.REACHED


def is_returned(ctx: ReadContext, server: str, database: str, snapshot: str) -> bool:
    """True when a database that can be read holds what its snapshot holds, but for gaps in numbers."""
    return not grave(_compared(ctx, server, database, snapshot))


def _compared(ctx: ReadContext, server: str, database: str, snapshot: str) -> tuple[Difference, ...]:
    before = reference_of(ctx, server, database, snapshot)
    return differences(before, prove(ctx, server, database, database))


def reference_of(ctx: ReadContext, server: str, database: str, snapshot: str = "") -> ProofSet:
    """The reference proof; taken from the snapshot now, when the run turned back before it was taken."""
    known = ctx.find_kept(f"prove-reference[{database}]", ProofSet)
    if known is not None:
        return known
    if snapshot and is_open(ctx.reader(server).database(snapshot)):
        return prove(ctx, server, snapshot, database)
    raise StepFailed(f"there is no reference proof of {database}", hint="Compare it with the run's backup yourself.")
