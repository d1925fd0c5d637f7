"""ON DELETE and ON UPDATE of foreign keys: the children change through the same path as by a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language.bind.bound import Plan
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.interpreter.dml.change import Change, delete_rows, update_rows
from runbook.sandbox.language.interpreter.dml.target import Target, of_relation
from runbook.sandbox.language.interpreter.dml.values import default_of, written
from runbook.sandbox.language.interpreter.plans import binder_for, parameters

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.frame import Frame

DEPTH_LIMIT = 32


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
        from runbook.sandbox.language.interpreter.dml.values import null_error

        raise null_error(column, target, "UPDATE")
    return "NULL"


def _new_keys(target: Target, child: m.Table, key: m.ForeignKey, image: str, new_image: str) -> list[str]:
    """The new value of each key column, found over the row id of the changed parent."""
    pairs = list(zip(key.columns, key.table_columns, strict=True))
    match = " AND ".join(f"x.{child.by_id(a).phys} = d.{target.table.by_id(b).phys}" for a, b in pairs)
    return [
        f"(SELECT i.{target.table.by_id(b).phys} FROM {image} AS d JOIN {new_image} AS i ON i.rid = d.rid WHERE {match})"
        for _, b in pairs
    ]


def too_deep() -> SqlError:
    """Error 217."""
    return SqlError(217, "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).")
