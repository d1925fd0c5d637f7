"""Changing rows: images before and after, constraints, triggers, OUTPUT."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook.sandbox.language.bind.bound import Plan
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.engine.connection import ConstraintFailed
from runbook.sandbox.language.interpreter.dml import checks
from runbook.sandbox.language.interpreter.dml.target import Target, of_relation
from runbook.sandbox.language.interpreter.dml.triggers import fire
from runbook.sandbox.language.interpreter.dml.unique import violation
from runbook.sandbox.language.interpreter.dml.values import default_of, null_error, written
from runbook.sandbox.language.interpreter.plans import binder_for, parameters

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.interpreter.frame import Frame

Fill = Callable[[str], str]
"""Text of the INSERT that fills a work table, given the table's name."""


@dataclass
class Change:
    """One change of one table on its way."""

    frame: Frame
    target: Target
    runner: Runner | None = None
    output: Callable[[str, str], None] | None = None
    """Called with the images (deleted, inserted; empty when there is none) once the rows are changed."""
    columns: list[m.Column] = field(default_factory=list)

    @property
    def engine(self) -> Any:
        """The session's SQLite."""
        return self.frame.session.engine

    @contextlib.contextmanager
    def image(self) -> Iterator[str]:
        """An empty work table for whole rows of the target."""
        with self.frame.session.work.table([c.phys for c in self.target.table.stored()]) as name:
            yield name


def physical(target: Target) -> list[str]:
    """Physical names of the stored columns."""
    return [c.phys for c in target.table.stored()]


def copy_rows(change: Change, image: str, where: str) -> None:
    """Copy rows of the table into an image."""
    names = ", ".join(physical(change.target))
    change.engine.execute(
        f"INSERT INTO {image}(rid, {names}) SELECT x.rowid, {', '.join('x.' + c for c in physical(change.target))} "
        f"FROM {change.target.sql} AS x WHERE {where}"
    )


def _fire(change: Change, event: str, deleted: str, inserted: str, columns: list[m.Column]) -> None:
    fire(change, event, deleted, inserted, columns)


# --- DELETE ------------------------------------------------------------------------------------------------


def delete_rows(change: Change, fill: Fill, params: dict[str, Any] | None = None) -> int:
    """Delete the rows whose ids ``fill`` selects, with everything that follows from it."""
    target, engine = change.target, change.engine
    with change.frame.session.work.table([]) as doomed, change.image() as deleted:
        count = int(engine.change(fill(doomed), params or {}))
        where = f"x.rowid IN (SELECT rid FROM {doomed})"
        if target.children or target.fires("DELETE") or change.output is not None:
            copy_rows(change, deleted, where)
        if "DELETE" in target.instead and change.runner is not None:
            _fire(change, "DELETE", deleted, "", [])
            return count
        engine.execute(f"DELETE FROM {target.sql} WHERE rowid IN (SELECT rid FROM {doomed})")
        if count:
            after_parent(change.frame, target, "DELETE", deleted, None, "")
        _emit_and_fire(change, "DELETE", deleted, "", [])
        return count


def _emit_and_fire(change: Change, event: str, deleted: str, inserted: str, columns: list[m.Column]) -> None:
    if change.output is not None:
        change.output(deleted, inserted)
    if change.target.triggers.get(event):
        _fire(change, event, deleted, inserted, columns)


# --- UPDATE ------------------------------------------------------------------------------------------------


def update_rows(change: Change, columns: list[m.Column], fill: Fill, params: dict[str, Any] | None = None) -> int:
    """Give the rows that ``fill`` selects new values; it inserts their ids and the values of ``columns``."""
    target, engine = change.target, change.engine
    names = list(dict.fromkeys(c.phys for c in columns))
    with change.frame.session.work.table(names) as new, change.image() as deleted, change.image() as inserted:
        count = int(engine.change(fill(new), params or {}))
        where = f"x.rowid IN (SELECT rid FROM {new})"
        copy_rows(change, deleted, where)
        if "UPDATE" in target.instead:
            _instead_update(change, new, deleted, inserted, names)
            _fire(change, "UPDATE", deleted, inserted, columns)
            return count
        _apply(change, new, deleted, names)
        ids = {c.id for c in columns}
        if count:
            checks.check_rows(change.frame, target, "UPDATE", where, ids)
        if target.children or target.fires("UPDATE") or change.output is not None:
            copy_rows(change, inserted, where)
        if count:
            after_parent(change.frame, target, "UPDATE", deleted, ids, inserted)
        _emit_and_fire(change, "UPDATE", deleted, inserted, columns)
        return count


def _instead_update(change: Change, new: str, deleted: str, inserted: str, names: list[str]) -> None:
    parts = [f"n.{c}" if c in names else f"d.{c}" for c in physical(change.target)]
    change.engine.execute(
        f"INSERT INTO {inserted}(rid, {', '.join(physical(change.target))}) "
        f"SELECT d.rid, {', '.join(parts)} FROM {deleted} AS d JOIN {new} AS n ON n.rid = d.rid"
    )


def _apply(change: Change, new: str, deleted: str, names: list[str]) -> None:
    target, engine = change.target, change.engine
    version = target.table.rowversion()
    sets = [f"{c} = n.{c}" for c in names]
    if version is not None:
        change.frame.session.counters.use_row_version(target.prefix)
        sets.append(f"{version.phys} = _rowver()")
    point = f"k{change.frame.session.next_number()}"
    engine.execute(f"SAVEPOINT {point}")
    try:
        engine.execute(
            f"UPDATE {target.sql} SET {', '.join(sets)} FROM {new} AS n WHERE {target.table.phys}.rowid = n.rid"
        )
    except ConstraintFailed as error:
        engine.execute(f"ROLLBACK TO {point}")
        _shift(change, new, deleted, names, error)
    finally:
        if engine.in_transaction:
            engine.execute(f"RELEASE {point}")


def _shift(change: Change, new: str, deleted: str, names: list[str], error: ConstraintFailed) -> None:
    """SQLite checks unique keys row by row: take all rows out and put them back with their new values."""
    target, engine = change.target, change.engine
    version = target.table.rowversion()
    parts = []
    for column in physical(target):
        if version is not None and column == version.phys:
            parts.append("_rowver()")
        else:
            parts.append(f"n.{column}" if column in names else f"d.{column}")
    engine.execute(f"DELETE FROM {target.sql} WHERE rowid IN (SELECT rid FROM {new})")
    source = f"FROM {deleted} AS d JOIN {new} AS n ON n.rid = d.rid"
    text = f"INSERT INTO {target.sql}(rowid, {', '.join(physical(target))}) SELECT d.rid, {', '.join(parts)} {source}"
    named = [
        f"{'d.' + c if part == '_rowver()' else part} AS {c}" for c, part in zip(physical(target), parts, strict=True)
    ]
    rows = f"SELECT {', '.join(named)} {source}"
    try:
        engine.execute(text)
    except ConstraintFailed as again:
        raise violation(change.frame, target, again.message or error.message, rows) from None


# --- INSERT ------------------------------------------------------------------------------------------------


def insert_rows(change: Change, insert: Callable[[], int]) -> int:
    """Run ``insert``, then check and show the new rows: those whose ids lie behind the highest one before."""
    target, engine = change.target, change.engine
    last = int(engine.value(f"SELECT max(rowid) FROM {target.sql}") or 0)
    count = insert()
    where = f"x.rowid > {last}"
    if count:
        checks.check_rows(change.frame, target, "INSERT", where)
    if target.fires("INSERT") or change.output is not None:
        with change.image() as inserted:
            copy_rows(change, inserted, where)
            _emit_and_fire(change, "INSERT", "", inserted, [c for c in target.table.columns if not c.computed])
    return count


# --- foreign keys of the children ---------------------------------------------------------------------------


def after_parent(frame: Frame, target: Target, verb: str, image: str, columns: set[int] | None, new_image: str) -> None:
    """Keys of old rows are gone: refuse, or do what the foreign keys say. ``columns`` None means DELETE."""
    for child, key in target.children:
        if columns is not None and not columns & set(key.table_columns):
            continue
        action = key.on_delete if columns is None else key.on_update
        test = checks.children_of(target, child, key, image)
        if action == "NO ACTION":
            checks.refuse(frame, target, verb, child, key, test)
        else:
            cascade(frame, target, child, key, action, test, image, new_image)


def cascade(
    frame: Frame,
    target: Target,
    child: m.Table,
    key: m.ForeignKey,
    action: str,
    test: str,
    image: str,
    new_image: str,
) -> None:
    """Carry out CASCADE, SET NULL or SET DEFAULT for the rows of a child that ``test`` (over x) selects."""
    relation = target.relation
    assert relation.catalog is not None
    schema = relation.catalog.schema_name(child.schema)
    stored = StoredTable(child.name, child, relation.prefix, relation.database, relation.catalog, schema)
    inner = of_relation(frame, stored)
    if action == "CASCADE" and not new_image:
        delete_rows(
            Change(frame, inner),
            lambda work: f"INSERT INTO {work}(rid) SELECT x.rowid FROM {inner.sql} AS x WHERE {test}",
        )
        return
    columns = [child.by_id(c) for c in key.columns]
    plan = Plan()
    if action == "CASCADE":
        values = _new_keys(target, child, key, image, new_image)
    else:
        binder = binder_for(frame, plan)
        values = [
            written(default_of(binder, c), c, inner, "UPDATE") if action == "SET DEFAULT" else _null(c, inner)
            for c in columns
        ]
    text = ", ".join(values)
    names = ", ".join(c.phys for c in columns)
    update_rows(
        Change(frame, inner),
        columns,
        lambda work: f"INSERT INTO {work}(rid, {names}) SELECT x.rowid, {text} FROM {inner.sql} AS x WHERE {test}",
        parameters(plan, frame),
    )


def _null(column: m.Column, target: Target) -> str:
    if not column.nullable:
        raise null_error(column, target, "UPDATE")
    return "NULL"


def _new_keys(target: Target, child: m.Table, key: m.ForeignKey, image: str, new_image: str) -> list[str]:
    """The new value of each key column, found over the row id of the changed parent."""
    pairs = list(zip(key.columns, key.table_columns, strict=True))
    match = " AND ".join(f"x.{child.by_id(a).phys} = d.{target.table.by_id(b).phys}" for a, b in pairs)
    return [
        f"(SELECT i.{target.table.by_id(b).phys} FROM {image} AS d JOIN {new_image} AS i ON i.rid = d.rid "
        f"WHERE {match})"
        for _, b in pairs
    ]
