"""Changes to a catalog, inside the transaction of the statement."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import FIRST_OBJECT_ID, OBJECT_STEP, Catalog

if TYPE_CHECKING:
    from runbook.sandbox.language.engine.connection import Engine


class Writer:
    """Writes items of one database; ``prefix`` is the attached name without a dot."""

    def __init__(self, engine: Engine, prefix: str) -> None:
        self._engine = engine
        self._prefix = prefix

    def put(self, item: Any) -> None:
        """Add or replace a model."""
        self._put(type(item).__name__, item.id, m.to_dict(item))

    def put_as(self, kind: str, number: int, item: Any) -> None:
        """Add or replace a model that has no id of its own."""
        self._put(kind, number, m.to_dict(item))

    def _put(self, kind: str, number: int, data: dict[str, Any]) -> None:
        self._engine.change(
            f"INSERT OR REPLACE INTO {self._prefix}.sys_items VALUES(?,?,?)", (kind, number, json.dumps(data))
        )
        self.touch()

    def remove(self, kind: str, number: int) -> None:
        """Delete a model."""
        self._engine.change(f"DELETE FROM {self._prefix}.sys_items WHERE kind=? AND id=?", (kind, number))
        self.touch()

    def touch(self) -> None:
        """Give the catalog a new token."""
        self._engine.change(f"UPDATE {self._prefix}.sys_meta SET value=lower(hex(randomblob(8))) WHERE key='token'")

    def setting(self, name: str, value: str) -> None:
        """Change a setting of the catalog."""
        row = self._engine.value(f"SELECT body FROM {self._prefix}.sys_items WHERE kind='setting' AND id=0")
        data = json.loads(row) if row else {}
        data[name] = value
        self._put("setting", 0, data)

    def new_id(self) -> int:
        """An object id that was never used in this database."""
        row = self._engine.value(f"SELECT body FROM {self._prefix}.sys_items WHERE kind='setting' AND id=0")
        data = json.loads(row) if row else {}
        found = int(data.get("next_object_id", FIRST_OBJECT_ID))
        following = found + OBJECT_STEP
        if following >= 2**31 - OBJECT_STEP:
            following = following % OBJECT_STEP + 1_000
        data["next_object_id"] = str(following)
        self._put("setting", 0, data)
        return found

    def next_in(self, kind: str, first: int) -> int:
        """The number after the highest one of a kind."""
        found = self._engine.value(f"SELECT max(id) FROM {self._prefix}.sys_items WHERE kind=?", (kind,))
        return max(first, int(found or 0) + 1)

    def drop_dependents(self, catalog: Catalog, object_id: int) -> None:
        """Permissions, properties and statistics of an object that goes away."""
        for number, permission in catalog.permissions.items():
            if permission.class_ == 1 and permission.major == object_id:
                self.remove("Permission", number)
        for number, one in catalog.properties.items():
            if one.class_ in (1, 7) and one.major == object_id:
                self.remove("Property", number)
        for number, statistic in catalog.statistics.items():
            if statistic.table == object_id:
                self.remove("Statistic", number)
