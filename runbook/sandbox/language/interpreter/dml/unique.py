"""Which unique key a row broke, in the words of SQL Server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.interpreter.ddl.build import key_text
from runbook.sandbox.language.interpreter.ddl.home import index_name
from runbook.sandbox.language.interpreter.dml.target import Target

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.frame import Frame


def broken_index(target: Target, text: str) -> m.Index | None:
    """The index that SQLite's message names, by its columns or by its name."""
    table = target.table
    found = re.search(r"index '([^']+)'", text)
    if found is not None:
        name = found.group(1)
        for index in table.indexes:
            if name in (index_name(table, index), index_name(table, index) + "n"):
                return index
        return None
    columns = [part.rsplit(".", 1)[-1].strip() for part in text.split("failed:", 1)[-1].split(",")]
    for index in table.indexes:
        if index.unique and [table.by_id(k).phys for k, _ in index.keys] == columns:
            return index
    return None


def violation(frame: Frame, target: Target, text: str, rows: str, values: list[Any] | None = None) -> SqlError:
    """Error 2627 for a constraint, 2601 for an index. ``values``: the stored columns of the row, when known."""
    del frame, rows
    index = broken_index(target, text)
    if index is None:
        return SqlError(50996, f"sandbox: the storage engine refused a row: {text}")
    columns = [target.table.by_id(k) for k, _ in index.keys]
    value = ""
    if values is not None:
        by_name = dict(zip((c.id for c in target.table.stored()), values, strict=True))
        if all(c.id in by_name for c in columns):
            value = f" The duplicate key value is {key_text([by_name[c.id] for c in columns], columns)}."
    if index.kind:
        kind = "PRIMARY KEY" if index.kind == "PK" else "UNIQUE KEY"
        return SqlError(
            2627,
            f"Violation of {kind} constraint '{index.name}'. Cannot insert duplicate key in object '{target.short_label}'.{value}",
            14,
        )
    return SqlError(
        2601,
        f"Cannot insert duplicate key row in object '{target.short_label}' with unique index '{index.name}'.{value}",
        14,
    )
