"""Which unique key a row broke, in the words of SQL Server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.interpreter.ddl.build import collation_suffix, key_text
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
            if name in (m.index_name(table, index), m.index_name(table, index) + "n"):
                return index
        return None
    columns = [part.rsplit(".", 1)[-1].strip() for part in text.split("failed:", 1)[-1].split(",")]
    for index in table.indexes:
        if index.unique and [table.by_id(k).phys for k, _ in index.keys] == columns:
            return index
    return None


def violation(frame: Frame, target: Target, text: str, rows: str = "") -> SqlError:
    """Error 2627 for a constraint, 2601 for an index. ``rows``: a query of the refused rows, all stored columns."""
    found = _duplicate(frame, target, rows) if rows else None
    index = found[0] if found is not None else broken_index(target, text)
    if index is None:
        return SqlError(50996, f"sandbox: the storage engine refused a row: {text}")
    value = ""
    if found is not None:
        columns = [target.table.by_id(k) for k, _ in index.keys]
        value = f" The duplicate key value is {key_text(found[1], columns)}."
    if index.kind:
        kind = "PRIMARY KEY" if index.kind == "PK" else "UNIQUE KEY"
        return SqlError(
            2627,
            f"Violation of {kind} constraint '{index.name}'. Cannot insert duplicate key in object "
            f"'{target.short_label}'.{value}",
            14,
        )
    return SqlError(
        2601,
        f"Cannot insert duplicate key row in object '{target.short_label}' with unique index '{index.name}'.{value}",
        14,
    )


def _duplicate(frame: Frame, target: Target, rows: str) -> tuple[m.Index, tuple[Any, ...]] | None:
    """The first unique index, by its id, that the rows break among themselves or with the table, and the key."""
    engine = frame.session.engine
    for index in sorted(target.table.indexes, key=lambda i: i.id):
        columns = [target.table.by_id(k) for k, _ in index.keys]
        if not index.unique or index.disabled or index.where or any(c.computed for c in columns):
            continue
        keys = ", ".join(f"r.{c.phys}{collation_suffix(c)}" for c in columns)
        within = engine.rows(f"SELECT {keys} FROM ({rows}) AS r GROUP BY {keys} HAVING count(*) > 1 LIMIT 1")
        match = " AND ".join(f"x.{c.phys} IS r.{c.phys}" for c in columns)
        among = f"SELECT {keys} FROM ({rows}) AS r WHERE EXISTS(SELECT 1 FROM {target.sql} AS x WHERE {match}) LIMIT 1"
        found = engine.rows(among) or within
        if found:
            return index, tuple(found[0])
    return None
