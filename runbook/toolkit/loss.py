"""What going back from behind the pivot loses: rows now against rows at the pivot, table by table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runbook.codec import from_json
from runbook.errors import LossExceeded, RunbookError, ServerError, Unreachable
from runbook.plan.setup import WindowsSetup
from runbook.ports import TableInfo, TableProof
from runbook.step import ReadContext
from runbook.toolkit.containerhost import boxes_of, inspected, seen
from runbook.toolkit.enginehost import engine_of
from runbook.toolkit.files import snapshot_name, upgraded_of
from runbook.toolkit.kept import AtPivot
from runbook.toolkit.proof import OWNER, ProofSet, level_of, named_lines
from runbook.toolkit.wayback import hook_of, is_there


@dataclass(frozen=True)
class TableLoss:
    """One table that is not what it was. ``changed``: as many rows as then, with other content; ``uncounted``: why it
    could not be counted. ``digest`` is that of its proof now."""

    database: str
    table: str
    added: int = 0
    removed: int = 0
    changed: bool = False
    uncounted: str = ""
    digest: str = ""

    @property
    def rows(self) -> int:
        """What it adds to the total: rows added or removed, and one where nobody can tell how many."""
        return self.added + self.removed or 1

    def beyond(self, accepted: TableLoss | None) -> int:
        """By how much this is more than what was accepted of the table; 0 when nothing was written to it since."""
        if accepted is None:
            return self.rows
        if accepted.uncounted or self == accepted:
            return 0
        return max(1, self.rows - accepted.rows)

    def __str__(self) -> str:
        parts = [f"{self.added} added"] * bool(self.added) + [f"{self.removed} removed"] * bool(self.removed)
        return f"{self.database}.{self.table}: {self.uncounted or ', '.join(parts) or 'changed'}"


@dataclass(frozen=True)
class Loss:
    """All of it. ``others``: what else was made or altered there since, by name; it adds nothing to the total."""

    server: str
    tables: tuple[TableLoss, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """The number a person confirms."""
        return sum(one.rows for one in self.tables)

    def to_json(self) -> dict[str, Any]:
        """For ``--json`` and the journal."""
        tables = [{**vars(one), "rows": one.rows} for one in self.tables]
        return {"server": self.server, "total": self.total, "tables": tables, "others": list(self.others)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Loss:
        """The inverse."""
        tables = [{key: value for key, value in one.items() if key != "rows"} for one in data["tables"]]
        return from_json(cls, {"server": data["server"], "tables": tables, "others": data["others"]})

    def beyond(self, accepted: Loss) -> dict[TableLoss, int]:
        """The tables of which more would be lost than was accepted, and how much more."""
        known = {(one.database, one.table): one for one in accepted.tables}
        found = {one: one.beyond(known.get((one.database, one.table))) for one in self.tables}
        return {one: more for one, more in found.items() if more}


def refuse_more(now: Loss, accepted: Mapping[str, Any]) -> None:
    """LossExceeded when more would be lost than was accepted, the rows included that may come after the count."""
    grown = now.beyond(Loss.from_json(accepted["loss"]))
    unknown = any(one.uncounted for one in grown)
    if sum(grown.values()) <= int(accepted["more"]) and not unknown:
        return
    raise LossExceeded(
        f"going back would lose more than was accepted, {now.total} rows instead of {accepted['total']}:"
        f" {named_lines(list(grown))}",
        hint="The new setup stays in service. Accept what would be lost now: runbook revert shows it and asks.",
    )


def count_loss(ctx: ReadContext) -> Loss:
    """Count it on the server that serves now. Reads every table, as a proof does; what cannot be read is named."""
    server = upgraded_of(ctx.plan)
    names = [database.name for database in ctx.plan.databases]
    tables = [one for name in names for one in _of_database(ctx, server, name)]
    return Loss(server, tuple(tables), tuple(_others(ctx, server, names, tables)))


def missing_ways_back(ctx: ReadContext) -> tuple[str, ...]:
    """What a way back past the pivot needs and is no more there, asked before anything is touched."""
    if ctx.plan.in_place is not None:
        if isinstance(ctx.plan.in_place, WindowsSetup):
            hook = hook_of(ctx)
            return () if is_there(ctx, hook) else (f"the way back {' '.join(hook.back)} has nothing to go back to",)
        engine = engine_of(ctx)
        kept = ctx.host_reader(engine.host).stat(f"{engine.kept}/data", root=True)
        return () if kept else (f"the cold copy {engine.kept}/data on {engine.host} is gone",)
    if ctx.plan.container is not None:
        return _missing_old_container(ctx)
    source = ctx.plan.source
    there = ctx.reader(source).databases()
    names = [one.name for one in ctx.plan.databases]
    if ctx.plan.strategy == "scripts":
        scripted = {one.database.casefold() for one in ctx.plan.scripts}
        snapshots = {name: snapshot_name(name, ctx.run_id) for name in names if name.casefold() in scripted}
        return tuple(f"the snapshot {own} of {name} is gone" for name, own in snapshots.items() if own not in there)
    folded = {name.casefold() for name in there}
    return tuple(f"{name} is gone from {source}" for name in names if name.casefold() not in folded)


def _missing_old_container(ctx: ReadContext) -> tuple[str, ...]:
    boxes = boxes_of(ctx)
    there = seen(ctx, boxes, boxes.old)
    volume = inspected(ctx, boxes, "volume", boxes.old_volume)
    gone = [(there, f"the container {boxes.old}"), (volume, f"the volume {boxes.old_volume}")]
    return tuple(f"{what} on {boxes.host} is gone" for found, what in gone if found is None)


def _at_pivot(ctx: ReadContext, database: str) -> ProofSet:
    """What the upgraded database held when its proof was taken; nobody could write between that and the pivot."""
    upgraded = ctx.find_kept(f"prove-upgraded[{database}]", ProofSet)
    return upgraded or ctx.kept(f"prove-reference[{database}]", ProofSet)


def _of_database(ctx: ReadContext, server: str, database: str) -> Iterator[TableLoss]:
    before = {one.table: one for one in _at_pivot(ctx, database).tables}
    try:
        tables = {table.name: table for table in ctx.reader(server).tables(database)}
    except (ServerError, Unreachable) as error:
        yield from (TableLoss(database, name, uncounted=_why(error)) for name in sorted(before))
        return
    now = _proofs(ctx, server, database, tables)
    for name in sorted(before.keys() | now.keys()):
        found = _of_table(database, name, before.get(name), now.get(name))
        if found is not None:
            yield found


def _proofs(
    ctx: ReadContext, server: str, database: str, tables: Mapping[str, TableInfo]
) -> Mapping[str, TableProof | str]:
    """The proof of each table, or why there is none."""
    largest_first = sorted(tables.values(), key=lambda table: (-table.bytes, table.name))

    def one(table: TableInfo) -> tuple[str, TableProof | str]:
        ctx.checkpoint()
        level, _ = level_of(ctx, database, table.name)
        try:
            return table.name, ctx.reader(server).prove_table(database, table, level)
        except (ServerError, Unreachable) as error:
            return table.name, _why(error)

    return dict(ctx.together(one, largest_first, ctx.plan.proof.workers))


def _why(error: RunbookError) -> str:
    return f"could not be counted: {error.message}"


def _of_table(database: str, name: str, old: TableProof | None, new: TableProof | str | None) -> TableLoss | None:
    if isinstance(new, str):
        return TableLoss(database, name, uncounted=new)
    if old is not None and new is not None and (old.rows, old.digest, old.level) == (new.rows, new.digest, new.level):
        return None
    rows = (old.rows if old else 0), (new.rows if new else 0)
    return TableLoss(
        database,
        name,
        added=max(0, rows[1] - rows[0]),
        removed=max(0, rows[0] - rows[1]),
        changed=rows[0] == rows[1],
        digest=new.digest if new else "",
    )


def _others(ctx: ReadContext, server: str, databases: list[str], tables: list[TableLoss]) -> Iterator[str]:
    """Jobs, logins and definitions since the pivot. For information: what cannot be read is left out."""
    try:
        known = ctx.find_kept("expect-loss", AtPivot) or AtPivot()
        reader = ctx.reader(server)
        yield from (f"job {job.name}: new" for job in reader.jobs() if job.name not in known.jobs)
        yield from (f"login {login.name}: new" for login in reader.logins() if login.name not in known.logins)
        for database in databases:
            listed = {one.table for one in tables if one.database == database}
            yield from _definitions(ctx, server, database, listed)
    except (ServerError, Unreachable):
        return


def _definitions(ctx: ReadContext, server: str, database: str, tables: set[str]) -> Iterator[str]:
    """Objects made, altered or dropped; those of the tables listed already are not named again."""
    before, now = _at_pivot(ctx, database).objects, ctx.reader(server).objects(database)
    for name in sorted((before.keys() | now.keys()) - OWNER):
        of_table = any(name.endswith(f" {table}") or f" {table}." in name for table in tables)
        if before.get(name) != now.get(name) and not of_table:
            yield f"{database} {name}: {'new' if name not in before else 'dropped' if name not in now else 'altered'}"
