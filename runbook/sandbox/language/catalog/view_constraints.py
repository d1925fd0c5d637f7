"""Keys, checks, defaults, foreign keys."""

from __future__ import annotations

from typing import Any

from runbook.sandbox.language.catalog.registry import Context, view
from runbook.sandbox.language.catalog.view_objects import OBJECT, rows_of

Row = tuple[Any, ...]
_ACTIONS = {
    "NO ACTION": (0, "NO_ACTION"),
    "CASCADE": (1, "CASCADE"),
    "SET NULL": (2, "SET_NULL"),
    "SET DEFAULT": (3, "SET_DEFAULT"),
}


@view("sys.key_constraints", OBJECT + ", unique_index_id int, is_system_named bit, is_enforced bit")
def _key_constraints(context: Context) -> list[Row]:
    return [(*row, item.id, int(item.system_named), 1) for row, item in rows_of(context, "PK", "UQ")]


@view(
    "sys.check_constraints",
    OBJECT + ", is_disabled bit, is_not_for_replication bit, is_not_trusted bit, parent_column_id int,"
    " definition nvarchar(max), uses_database_collation bit, is_system_named bit",
)
def _check_constraints(context: Context) -> list[Row]:
    return [
        (*row, int(c.disabled), 0, int(c.not_trusted), c.column, c.text, 1, int(c.system_named))
        for row, c in rows_of(context, "C")
    ]


@view("sys.default_constraints", OBJECT + ", parent_column_id int, definition nvarchar(max), is_system_named bit")
def _default_constraints(context: Context) -> list[Row]:
    columns = {c.default.id: c.id for table in context.catalog.tables() for c in table.columns if c.default is not None}
    return [(*row, columns[d.id], d.text, int(d.system_named)) for row, d in rows_of(context, "D")]


@view(
    "sys.foreign_keys",
    OBJECT + ", referenced_object_id int, key_index_id int, is_disabled bit, is_not_for_replication bit,"
    " is_not_trusted bit, delete_referential_action tinyint, delete_referential_action_desc nvarchar(60),"
    " update_referential_action tinyint, update_referential_action_desc nvarchar(60), is_system_named bit",
)
def _foreign_keys(context: Context) -> list[Row]:
    return [
        (
            *row,
            k.table,
            k.index,
            int(k.disabled),
            0,
            int(k.not_trusted),
            *_ACTIONS[k.on_delete],
            *_ACTIONS[k.on_update],
            int(k.system_named),
        )
        for row, k in rows_of(context, "F")
    ]


@view(
    "sys.foreign_key_columns",
    "constraint_object_id int, constraint_column_id int, parent_object_id int, parent_column_id int,"
    " referenced_object_id int, referenced_column_id int",
)
def _foreign_key_columns(context: Context) -> list[Row]:
    found: list[Row] = []
    for table in context.catalog.tables():
        for key in table.foreign_keys:
            pairs = zip(key.columns, key.table_columns, strict=True)
            found += [(key.id, i, table.id, a, key.table, b) for i, (a, b) in enumerate(pairs, 1)]
    return found
