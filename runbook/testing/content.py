"""What is inside a database: immutable, so that a backup or a snapshot is a reference and costs nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from runbook.ports import ProofLevel, TableInfo, TableProof

Row = tuple[Any, ...]
SAMPLE_BELOW = 26
"""Rows whose hash begins with a byte below this make up the sample: one in ten."""


@dataclass(frozen=True)
class Table:
    """A table: rows by key. ``columns`` as in :class:`runbook.ports.TableInfo`."""

    name: str
    columns: tuple[tuple[str, str], ...] = (("Id", "int"), ("Text", "nvarchar(200)"))
    rows: Mapping[int, Row] = field(default_factory=dict)

    @cached_property
    def hashes(self) -> tuple[bytes, ...]:
        """The hash of every row, sorted: order of rows does not count, content does."""
        return tuple(sorted(hashlib.sha256(repr(row).encode()).digest() for row in self.rows.values()))

    @cached_property
    def size(self) -> int:
        """Bytes, roughly."""
        return sum(len(repr(row)) for row in self.rows.values())

    def info(self) -> TableInfo:
        """As the port gives it."""
        return TableInfo(self.name, len(self.rows), self.size, self.columns)

    def proof(self, level: ProofLevel) -> TableProof:
        """The exact proof; the same on every version."""
        hashes: Iterable[bytes] = self.hashes
        if level is ProofLevel.COUNT:
            return TableProof(self.name, level, len(self.rows), "")
        if level is ProofLevel.SAMPLE:
            hashes = (one for one in hashes if one[0] < SAMPLE_BELOW)
        digest = hashlib.sha256(b"".join(hashes)).hexdigest()
        return TableProof(self.name, level, len(self.rows), digest)

    def inserted(self, text: str) -> Table:
        """With one more row."""
        key = max(self.rows, default=0) + 1
        return self._with({**self.rows, key: (key, text)})

    def corrupted(self) -> Table:
        """With the first row changed; None of the counts tells."""
        key = min(self.rows)
        return self._with({**self.rows, key: (*self.rows[key][:-1], f"{self.rows[key][-1]} (corrupt)")})

    def _with(self, rows: Mapping[int, Row]) -> Table:
        return Table(self.name, self.columns, rows)


@dataclass(frozen=True)
class Content:
    """Everything a backup carries of a database apart from its settings."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    positions: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    """Objects by the port's names (``view dbo.v``) -> the text that defines them."""
    users: Mapping[str, str] = field(default_factory=dict)
    """Database users -> SID."""

    def table(self, name: str) -> Table | None:
        """By name, whatever the case."""
        return next((table for key, table in self.tables.items() if key.lower() == name.lower()), None)

    def with_table(self, table: Table) -> Content:
        """With this table put in."""
        return replace(self, tables={**self.tables, table.name: table})

    def with_row(self, table: str, text: str) -> Content:
        """With a row inserted; its identity position moves along."""
        changed = self.tables[table].inserted(text)
        positions = {**self.positions, f"identity {table}": str(max(changed.rows))}
        return replace(self.with_table(changed), positions=positions)

    def with_definition(self, name: str, text: str) -> Content:
        """With an object defined."""
        return replace(self, definitions={**self.definitions, name: text})

    def with_user(self, user: str, sid: str) -> Content:
        """With a user mapped to this SID."""
        return replace(self, users={**self.users, user: sid})

    def corrupted(self) -> Content:
        """One row of the first table that has rows is changed."""
        table = next((one for one in self.tables.values() if one.rows), None)
        return self if table is None else self.with_table(table.corrupted())

    def objects(self) -> dict[str, str]:
        """Name -> digest of the definition, tables, columns and users included."""
        texts = dict(self.definitions)
        for table in self.tables.values():
            texts[f"table {table.name}"] = "table"
            texts.update({f"column {table.name}.{name}": kind for name, kind in table.columns})
        texts.update({f"user {user}": f"{user} {sid}" for user, sid in self.users.items()})
        return {name: digest(text) for name, text in sorted(texts.items())}

    def plain(self) -> dict[str, Any]:
        """Everything as plain data, for comparisons in tests."""
        return {
            "tables": {name: [list(row) for _, row in sorted(t.rows.items())] for name, t in self.tables.items()},
            "columns": {name: [list(pair) for pair in t.columns] for name, t in self.tables.items()},
            "positions": dict(self.positions),
            "definitions": dict(self.definitions),
            "users": dict(self.users),
        }

    def after_batch(self, sql: str, *, finished: bool) -> Content:
        """What a batch nobody taught the fake leaves behind: a mark that tells how often it ran, and how far."""
        name = f"batch {digest(sql)}"
        ran = self.definitions.get(name, "")
        return self.with_definition(name, f"{ran}{'done ' if finished else 'half '}")


def digest(text: str) -> str:
    """Sixteen hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sample_content(name: str, rows: int = 5, tables: int = 2) -> Content:
    """A small content that is different for every database name."""
    names = [f"dbo.{name}{suffix}" for suffix in ("", "History", "Log", "Note")[:tables]]
    made = {
        table: Table(table, rows={key: (key, f"{table} {key} Zoë ✓") for key in range(1, rows + 1)}) for table in names
    }
    return Content(
        tables=made,
        positions={f"identity {table}": str(rows) for table in names},
        definitions={f"view dbo.v{name}": f"CREATE VIEW dbo.v{name} AS SELECT Id FROM dbo.{name}"},
        users={"mailer_app": "0x0A01", "report_reader": "0x0A02"},
    )


COUNT_QUERY = re.compile(
    r"^\s*SELECT\s+COUNT(?:_BIG)?\(\*\)(?:\s+AS\s+\w+)?\s+FROM\s+([\w.\[\]]+)\s*;?\s*$", re.IGNORECASE
)


def counted_table(sql: str) -> str | None:
    """``dbo.T`` of ``SELECT COUNT(*) FROM dbo.T``, the one query the fake understands by itself."""
    found = COUNT_QUERY.match(sql)
    return found.group(1).replace("[", "").replace("]", "") if found else None
