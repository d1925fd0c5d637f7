"""The statements of an append, compiled once for a dialect and sent with a cursor of the driver.

They are built with SQLAlchemy Core, so that they fit every database the journal may be in; only the way to the
driver is shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Dialect, bindparam, select
from sqlalchemy.sql import ClauseElement

from runbook.journal.reading import COLUMNS
from runbook.journal.schema import events, heads


class Statements:
    """Each attribute sends one statement: ``(cursor, *values)``."""

    def __init__(self, dialect: Dialect) -> None:
        run, at = heads.c.run_id == bindparam("of_run"), heads.c.n == bindparam("expected")
        moved = heads.update().values(n=bindparam("new_n"), row_hash=bindparam("new_hash"))
        self.add_row = _sender(events.insert(), COLUMNS, dialect)
        self.begin_head = _sender(heads.insert(), ("run_id", "n", "row_hash", "fence"), dialect)
        self.move_head = _sender(moved.where(run, at), ("new_n", "new_hash", "of_run", "expected"), dialect)
        self.move_head_fenced = _sender(
            moved.where(run, at, heads.c.fence == bindparam("held")),
            ("new_n", "new_hash", "of_run", "expected", "held"),
            dialect,
        )
        self.find_head = _sender(select(heads.c.n, heads.c.row_hash, heads.c.fence).where(run), ("of_run",), dialect)


def _sender(statement: ClauseElement, names: Sequence[str], dialect: Dialect) -> Callable[..., None]:
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    text = str(compiled)
    if compiled.positional:
        order = [names.index(name) for name in compiled.positiontup]
        if order == list(range(len(names))):
            return lambda cursor, *values: cursor.execute(text, values)
        return lambda cursor, *values: cursor.execute(text, [values[place] for place in order])
    return lambda cursor, *values: cursor.execute(text, dict(zip(names, values, strict=True)))
