"""The proof: what a database holds, table by table, and in what two databases differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runbook.ports import ProofLevel, TableInfo, TableProof
from runbook.step import ReadContext

OWNER = frozenset({"user dbo"})
"""Is whoever owns the database: carried and compared as its owner, not as an object inside."""


@dataclass(frozen=True)
class ProofSet:
    """What was found of one database. ``reasons``: table -> why the plan is content with less than its content."""

    database: str
    tables: tuple[TableProof, ...] = ()
    positions: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """How it was proven, for the record: ``12 tables by content, 1 by count, 4711 rows``."""
        levels = {level: sum(one.level is level for one in self.tables) for level in ProofLevel}
        parts = [f"{count} by {level}" for level, count in levels.items() if count]
        return f"{len(self.tables)} tables ({', '.join(parts) or 'none'}), {self.rows} rows"

    def holds(self) -> str:
        """The same as a sentence."""
        return f"{self.database} holds {self.summary()}"

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(one.rows for one in self.tables)


@dataclass(frozen=True)
class Difference:
    """One difference. ``lost``: something that was there before is there no more. ``gap``: an identity or sequence
    stands further on while every row is what it was; SQL Server itself leaves such gaps when a database is closed
    or restored, because it hands out numbers in blocks."""

    what: str
    lost: bool = False
    gap: bool = False

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class Counts:
    """What is cheap to know of a database: rows per table."""

    rows: Mapping[str, int] = field(default_factory=dict)


def prove(ctx: ReadContext, server: str, database: str, planned: str) -> ProofSet:
    """Prove a database (or a snapshot of it) at the levels the plan states for ``planned``.

    Reads every table once, several at a time, the largest first.
    """
    reader = ctx.reader(server)
    tables = sorted(reader.tables(database), key=lambda table: (-table.bytes, table.name))
    levels = {table.name: level_of(ctx, planned, table.name) for table in tables}
    total = float(sum(table.bytes for table in tables) or 1)
    done: list[int] = []

    def one(table: TableInfo) -> TableProof:
        ctx.checkpoint()
        found = reader.prove_table(database, table, levels[table.name][0])
        done.append(table.bytes)
        ctx.progress(float(sum(done)), total, table.name)
        return found

    proofs = ctx.together(one, tables, ctx.plan.proof.workers)
    return ProofSet(
        database=planned,
        tables=tuple(sorted(proofs, key=lambda proof: proof.table)),
        positions=dict(reader.positions(database)),
        objects={name: text for name, text in reader.objects(database).items() if name not in OWNER},
        reasons={name: reason for name, (_, reason) in sorted(levels.items()) if reason},
    )


def level_of(ctx: ReadContext, database: str, table: str) -> tuple[ProofLevel, str | None]:
    """How the plan wants a table proven, and why by less than its content."""
    schema, _, name = table.partition(".")
    level, reason = ctx.plan.proof_level(database, schema, name)
    return ProofLevel(level), reason


def differences(before: ProofSet, after: ProofSet) -> tuple[Difference, ...]:
    """Everything in which ``after`` is not ``before``: tables first, then positions, then objects."""
    return (
        *_tables(before, after),
        *_positions(before, after),
        *_named(before.objects, after.objects, lambda _old, _new: "definition differs"),
    )


def grave(found: Iterable[Difference]) -> tuple[str, ...]:
    """The differences that are more than a gap in numbers, in words."""
    return tuple(one.what for one in found if not one.gap)


def gaps(found: Iterable[Difference]) -> tuple[str, ...]:
    """The differences that are gaps in numbers, in words."""
    return tuple(one.what for one in found if one.gap)


def _tables(before: ProofSet, after: ProofSet) -> Iterator[Difference]:
    old = {one.table: one for one in before.tables}
    new = {one.table: one for one in after.tables}
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield Difference(f"{name}: missing (had {old[name].rows} rows)", lost=True)
        elif name not in old:
            yield Difference(f"{name}: new ({new[name].rows} rows)")
        else:
            yield from _table(old[name], new[name])


def _table(old: TableProof, new: TableProof) -> Iterator[Difference]:
    if old.rows != new.rows:
        yield Difference(f"{old.table}: rows {old.rows} -> {new.rows}", lost=new.rows < old.rows)
    elif old.level is not new.level:
        yield Difference(f"{old.table}: proven by {old.level} before, by {new.level} now")
    elif old.digest != new.digest:
        yield Difference(f"{old.table}: content differs ({old.rows} rows both)")


def _positions(before: ProofSet, after: ProofSet) -> Iterator[Difference]:
    touched = {f"identity {name}" for name in _changed_tables(before, after)}
    for one in _named(before.positions, after.positions, _moved):
        name = one.what.rpartition(": ")[0]
        further = _further(before.positions.get(name), after.positions.get(name))
        yield replace(one, gap=further and name not in touched)


def _changed_tables(before: ProofSet, after: ProofSet) -> set[str]:
    old, new = ({one.table: one for one in proof.tables} for proof in (before, after))
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def _further(old: str | None, new: str | None) -> bool:
    """True when a number went on, which is harmless; back, it would be handed out twice."""
    try:
        return int(old or "") < int(new or "")
    except ValueError:
        return False


def _moved(old: str, new: str) -> str:
    return f"position {old} -> {new}"


def _named(old: Mapping[str, str], new: Mapping[str, str], changed: Callable[[str, str], str]) -> Iterator[Difference]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield Difference(f"{name}: missing", lost=True)
        elif name not in old:
            yield Difference(f"{name}: new")
        elif old[name] != new[name]:
            yield Difference(f"{name}: {changed(old[name], new[name])}")


def named_lines(found: Sequence[object], most: int = 20) -> str:
    """The differences on one line, the first ``most`` by name."""
    shown = "; ".join(map(str, found[:most]))
    return shown if len(found) <= most else f"{shown}; and {len(found) - most} more"


def counts(ctx: ReadContext, server: str, database: str) -> Counts:
    """Rows per table from the catalog: a moment, even for the largest database."""
    return Counts({table.name: table.rows for table in ctx.reader(server).tables(database)})


def rows_written(before: ProofSet, now: Counts) -> tuple[str, ...]:
    """In which tables rows were added or removed since the proof: ``dbo.Contact: rows 10 -> 11``."""
    old = {one.table: one.rows for one in before.tables}
    names = sorted(name for name in old.keys() | now.rows.keys() if old.get(name) != now.rows.get(name))
    return tuple(f"{name}: rows {old.get(name, 'none')} -> {now.rows.get(name, 'none')}" for name in names)
