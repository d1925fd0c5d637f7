"""The statements of the journal, compiled once for a dialect and sent with a cursor of the driver.

They are built with SQLAlchemy Core, so that they fit every database the journal may be in; only the way to the
driver is shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Dialect, bindparam, select
from sqlalchemy.sql import ClauseElement

from runbook.journal.reading import COLUMNS
from runbook.journal.schema import events, heads, leases


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
        row = events.c.run_id == bindparam("of_run"), events.c.n == bindparam("at")
        self.find_hash = _sender(select(events.c.row_hash).where(*row), ("of_run", "at"), dialect)
        raised = heads.update().values(fence=bindparam("to")).where(run, heads.c.fence < bindparam("below"))
        self.raise_fence = _sender(raised, ("to", "of_run", "below"), dialect)
        self._prepare_leases(dialect)

    def _prepare_leases(self, dialect: Dialect) -> None:
        run, fence = leases.c.run_id == bindparam("of_run"), leases.c.fence == bindparam("held")
        self.find_lease = _sender(select(leases).where(run), ("of_run",), dialect)
        self.add_lease = _sender(leases.insert(), leases.c.keys(), dialect)
        values: dict[str, Any] = {column.name: bindparam(f"new_{column.name}") for column in list(leases.c)[1:]}
        same = leases.c.heartbeat_at == bindparam("last_at"), leases.c.released == bindparam("was_released")
        changed = leases.update().values(values).where(run, fence, *same)
        self.change_lease = _sender(
            changed, (*(f"new_{name}" for name in values), "of_run", "held", "last_at", "was_released"), dialect
        )
        beat = leases.update().values(heartbeat_at=bindparam("new_at"), released=bindparam("new_released"))
        self.beat = _sender(beat.where(run, fence), ("new_at", "new_released", "of_run", "held"), dialect)


def _sender(statement: ClauseElement, names: Sequence[str], dialect: Dialect) -> Callable[..., None]:
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    text = str(compiled)
    if compiled.positional:
        order = [names.index(name) for name in compiled.positiontup]
        if order == list(range(len(names))):
            return lambda cursor, *values: cursor.execute(text, values)
        return lambda cursor, *values: cursor.execute(text, [values[place] for place in order])
    return lambda cursor, *values: cursor.execute(text, dict(zip(names, values, strict=True)))
