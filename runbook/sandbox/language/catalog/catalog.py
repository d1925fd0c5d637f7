"""The catalog of a database: found by name or id, changed by writing items back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.values import dates, wire

FIRST_OBJECT_ID = 901578250
OBJECT_STEP = 16_000_057
_ITEM_KINDS = ("Table", "Module", "Sequence", "Synonym")


def fold(name: str) -> str:
    """The form in which names are compared."""
    return name.casefold()


def now() -> int:
    """Ticks of the local time of this machine, as a datetime column holds it."""
    return dates.round_datetime(wire.ticks_of(datetime.now(UTC).replace(tzinfo=None)))


class Catalog:
    """A snapshot of a database's models. ``token`` names exactly this content."""

    def __init__(self, token: str, items: list[tuple[str, int, str]]) -> None:
        self.token = token
        self.schemas: dict[int, m.Schema] = {}
        self.objects: dict[int, Any] = {}
        self.types: dict[int, m.UserType] = {}
        self.principals: dict[int, m.Principal] = {}
        self.permissions: dict[int, m.Permission] = {}
        self.properties: dict[int, m.Property] = {}
        self.statistics: dict[int, m.Statistic] = {}
        self.settings: dict[str, str] = {}
        self._names: dict[tuple[int, str], Any] = {}
        self._schema_names: dict[str, m.Schema] = {}
        self._triggers: dict[int, list[m.Module]] = {}
        for kind, item_id, body in items:
            self._load(kind, item_id, json.loads(body))
        self._index()

    def _load(self, kind: str, item_id: int, data: Any) -> None:
        if kind == "setting":
            self.settings.update(data)
            return
        item = m.from_dict(m.CLASSES[kind], data)
        kinds: dict[str, dict[int, Any]] = {
            "Schema": self.schemas,
            "UserType": self.types,
            "Principal": self.principals,
            "Permission": self.permissions,
            "Property": self.properties,
            "Statistic": self.statistics,
        }
        kinds.get(kind, self.objects)[item_id] = item

    def _index(self) -> None:
        self._schema_names = {fold(s.name): s for s in self.schemas.values()}
        for item in self.objects.values():
            if not (isinstance(item, m.Table) and item.type_id):
                self._names[(item.schema, fold(item.name))] = item
            if isinstance(item, m.Module) and item.kind == "TR":
                self._triggers.setdefault(item.parent, []).append(item)

    # -- looking up

    def schema(self, name: str) -> m.Schema | None:
        """A schema by name."""
        return self._schema_names.get(fold(name))

    def find(self, schema: str, name: str) -> Any | None:
        """Table, module, sequence or synonym by name; triggers too."""
        found = self.schema(schema)
        return None if found is None else self._names.get((found.id, fold(name)))

    def table(self, table_id: int) -> m.Table:
        """A table by id."""
        found = self.objects[table_id]
        assert isinstance(found, m.Table)
        return found

    def tables(self) -> list[m.Table]:
        """User tables, in the order of their ids."""
        return [o for _, o in sorted(self.objects.items()) if isinstance(o, m.Table) and not o.type_id]

    def modules(self, *kinds: str) -> list[m.Module]:
        """Modules of these kinds."""
        return [
            o for _, o in sorted(self.objects.items()) if isinstance(o, m.Module) and (not kinds or o.kind in kinds)
        ]

    def triggers(self, parent: int) -> list[m.Module]:
        """Triggers of a table or view: first, then in the order of creation, then last."""
        rank = {"first": 0, "": 1, "last": 2}
        return sorted(self._triggers.get(parent, []), key=lambda t: (rank.get(t.order, 1), t.id))

    def referencing(self, table_id: int) -> Iterator[tuple[m.Table, m.ForeignKey]]:
        """Foreign keys of other tables, or its own, that point to a table."""
        for table in self.tables():
            for key in table.foreign_keys:
                if key.table == table_id:
                    yield table, key

    def user_type(self, schema: str, name: str) -> m.UserType | None:
        """A user-defined type by name."""
        found = self.schema(schema)
        if found is None:
            return None
        return next((t for t in self.types.values() if t.schema == found.id and fold(t.name) == fold(name)), None)

    def principal(self, name: str) -> m.Principal | None:
        """A user or role by name."""
        return next((p for p in self.principals.values() if fold(p.name) == fold(name)), None)

    def schema_name(self, schema_id: int) -> str:
        """Name of a schema."""
        return self.schemas[schema_id].name

    def full_name(self, item: Any) -> str:
        """``schema.name``."""
        return f"{self.schema_name(item.schema)}.{item.name}"

    def constraint(self, schema: str, name: str) -> tuple[m.Table, Any] | None:
        """A constraint by name, with its table."""
        found = self.schema(schema)
        if found is None:
            return None
        for table in self.tables():
            if table.schema == found.id:
                for one in constraints(table):
                    if fold(one.name) == fold(name):
                        return table, one
        return None

    def next_id(self) -> int:
        """The object id the next object gets."""
        return int(self.settings.get("next_object_id", FIRST_OBJECT_ID))


def constraints(table: m.Table) -> Iterator[Any]:
    """All constraints of a table that are objects of their own."""
    yield from (i for i in table.indexes if i.kind)
    yield from table.checks
    yield from table.foreign_keys
    yield from (c.default for c in table.columns if c.default)


def initial_items() -> list[tuple[str, int, Any]]:
    """What every new database contains."""
    items: list[tuple[str, int, Any]] = [("setting", 0, {"next_object_id": str(FIRST_OBJECT_ID)})]
    moment = now()
    owners = {"dbo": 1, "guest": 2, "INFORMATION_SCHEMA": 3, "sys": 4}
    for name, number in m.SCHEMAS.items():
        items.append(("Schema", number, m.to_dict(m.Schema(number, name, owners[name]))))
    items.append(("Principal", 0, m.to_dict(m.Principal(0, "public", "R", fixed=False, created=moment))))
    for name, number in owners.items():
        sid = {"dbo": "01", "guest": "00"}.get(name, "")
        schema = {"dbo": "dbo", "guest": "guest"}.get(name, "")
        items.append(("Principal", number, m.to_dict(m.Principal(number, name, "S", sid, schema, created=moment))))
    for name, number in m.FIXED_ROLES.items():
        role = m.Principal(number, name, "R", fixed=True, created=moment)
        if name == "db_owner":
            role.members = [1]
        items.append(("Principal", number, m.to_dict(role)))
        items.append(("Schema", number, m.to_dict(m.Schema(number, name, number))))
    return items
