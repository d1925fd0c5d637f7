"""What a database holds and is made of, in a form that can be compared."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from runbook.adapters.sqlserver.client import Client, optional
from runbook.adapters.sqlserver.connection import ResultSet
from runbook.adapters.sqlserver.tsql import objects as text
from runbook.adapters.sqlserver.tsql import proof as proof_text
from runbook.errors import Refused
from runbook.ports import ProofLevel, TableInfo, TableProof

KEY = "key_"
KIND = "kind"
WIDE = ("nvarchar", "nchar")
SIZED = ("varchar", "char", "varbinary", "binary")
PRECISE = ("decimal", "numeric")
FRACTIONAL = ("datetime2", "datetimeoffset", "time")


def tables(client: Client, database: str) -> tuple[TableInfo, ...]:
    """User tables with the columns that hold content."""
    listed, columns = client.read_all([text.tables(), text.table_columns()], database)
    of_table: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for row in columns.dicts():
        of_table[row["object_id"]].append((row["name"], declared(row)))
    return tuple(
        TableInfo(
            name=f"{row['schema_name']}.{row['table_name']}",
            rows=int(row["row_count"] or 0),
            bytes=int(row["reserved_bytes"] or 0),
            columns=tuple(of_table[row["object_id"]]),
        )
        for row in listed.dicts()
    )


def declared(row: Mapping[str, Any]) -> str:
    """The type of a column as CREATE TABLE would state it."""
    kind, length = str(row["type_name"]), int(row["max_length"])
    if kind in WIDE or kind in SIZED:
        size = length // 2 if kind in WIDE else length
        return f"{kind}({'max' if length < 0 else size})"
    if kind in PRECISE:
        return f"{kind}({row['precision']},{row['scale']})"
    return f"{kind}({row['scale']})" if kind in FRACTIONAL else kind


def prove(client: Client, database: str, table: TableInfo, level: ProofLevel) -> TableProof:
    """Read a table once and say what was in it."""

    parts = _parts(client, database, table.name)
    row = client.read(proof_text.table_proof(parts, table.columns, level), database).dicts()[0]
    rows = int(row.pop("row_count"))
    return TableProof(table.name, level, rows, digest_of(rows, row.values()) if row else "")


def digest_of(rows: int, sums: Iterable[Any]) -> str:
    """One number for count and sums, 64 hexadecimal digits; the sums are NULL for no rows."""
    parts = [rows, *(int(Decimal(value or 0)) for value in sums)]
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()


def _parts(client: Client, database: str, name: str) -> tuple[str, str]:
    """Schema and table of ``schema.table``; with more dots the catalog knows where the schema ends."""
    if name.count(".") == 1:
        schema, _, table = name.partition(".")
        return schema, table
    for row in client.read(text.tables(), database).dicts():
        if f"{row['schema_name']}.{row['table_name']}" == name:
            return row["schema_name"], row["table_name"]
    raise Refused(f"there is no table {name}")


def positions(client: Client, database: str) -> Mapping[str, str]:
    """How far identity columns and sequences have come."""
    identities, sequences = client.read_all([text.identity_positions(), text.sequence_positions()], database)
    found = {
        f"identity {row['schema_name']}.{row['table_name']}": optional(row["position"]) for row in identities.dicts()
    }
    found |= {
        f"sequence {row['schema_name']}.{row['sequence_name']}": optional(row["position"]) for row in sequences.dicts()
    }
    return found


def objects(client: Client, database: str) -> Mapping[str, str]:
    """A digest of everything that defines each object."""
    definitions: dict[str, list[Any]] = defaultdict(list)
    for answer in client.read_all(text.inventory(), database):
        for name, definition in _named(answer.first):
            definitions[name].append(definition)
    return {name: _digest(rows) for name, rows in definitions.items()}


def _named(found: ResultSet) -> Iterable[tuple[str, Sequence[Any]]]:
    keys = [index for index, column in enumerate(found.columns) if column.startswith(KEY)]
    rest = [index for index, column in enumerate(found.columns) if column != KIND and index not in keys]
    for row in found.rows:
        name = ".".join(str(row[index]) for index in keys if row[index] is not None)
        yield f"{row[found.columns.index(KIND)]} {name}", [_plain(row[index]) for index in rest]


def _plain(value: Any) -> Any:
    return str(value).strip() if isinstance(value, str | Decimal) else int(value) if isinstance(value, bool) else value


def _digest(rows: Sequence[Any]) -> str:
    canonical = json.dumps(rows, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
