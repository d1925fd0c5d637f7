"""Work tables: row ids and images of rows while a statement changes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook.sandbox.language.engine.connection import Engine


class WorkTables:
    """A pool of temporary tables by their columns: making one costs more than emptying it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: dict[tuple[str, ...], list[str]] = {}
        self._count = 0

    @contextlib.contextmanager
    def table(self, columns: list[str]) -> Iterator[str]:
        """An empty table with a row id ``rid`` and these columns; it is empty again afterwards."""
        key = tuple(columns)
        free = self._free.setdefault(key, [])
        name = free.pop() if free else self._create(columns)
        try:
            yield name
        except BaseException:
            self._free.pop(key, None)
            raise
        self._engine.execute(f"DELETE FROM {name}")
        self._free.setdefault(key, []).append(name)

    def _create(self, columns: list[str]) -> str:
        self._count += 1
        name = f"temp.w{self._count}"
        parts = "".join(f", {c}" for c in columns)
        self._engine.execute(f"CREATE TEMP TABLE w{self._count}(rid INTEGER{parts})")
        return name

    def forget(self) -> None:
        """A rollback may have undone the making of tables."""
        self._free.clear()
