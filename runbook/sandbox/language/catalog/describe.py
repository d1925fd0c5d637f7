"""Numbers and names that several catalog views share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runbook.sandbox.contract import SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import Catalog
from runbook.sandbox.language.engine.collate import DATABASE_DEFAULT
from runbook.sandbox.language.values import binary

# name: (system_type_id, user_type_id, max_length, precision, scale)
SYSTEM_TYPES: dict[str, tuple[int, int, int, int, int]] = {
    "image": (34, 34, 16, 0, 0),
    "text": (35, 35, 16, 0, 0),
    "uniqueidentifier": (36, 36, 16, 0, 0),
    "date": (40, 40, 3, 10, 0),
    "time": (41, 41, 5, 16, 7),
    "datetime2": (42, 42, 8, 27, 7),
    "datetimeoffset": (43, 43, 10, 34, 7),
    "tinyint": (48, 48, 1, 3, 0),
    "smallint": (52, 52, 2, 5, 0),
    "int": (56, 56, 4, 10, 0),
    "smalldatetime": (58, 58, 4, 16, 0),
    "real": (59, 59, 4, 24, 0),
    "money": (60, 60, 8, 19, 4),
    "datetime": (61, 61, 8, 23, 3),
    "float": (62, 62, 8, 53, 0),
    "sql_variant": (98, 98, 8016, 0, 0),
    "ntext": (99, 99, 16, 0, 0),
    "bit": (104, 104, 1, 1, 0),
    "decimal": (106, 106, 17, 38, 38),
    "numeric": (108, 108, 17, 38, 38),
    "smallmoney": (122, 122, 4, 10, 4),
    "bigint": (127, 127, 8, 19, 0),
    "hierarchyid": (240, 128, 892, 0, 0),
    "geometry": (240, 129, -1, 0, 0),
    "geography": (240, 130, -1, 0, 0),
    "varbinary": (165, 165, 8000, 0, 0),
    "varchar": (167, 167, 8000, 0, 0),
    "binary": (173, 173, 8000, 0, 0),
    "char": (175, 175, 8000, 0, 0),
    "timestamp": (189, 189, 8, 0, 0),
    "nvarchar": (231, 231, 8000, 0, 0),
    "nchar": (239, 239, 8000, 0, 0),
    "xml": (241, 241, -1, 0, 0),
    "sysname": (231, 256, 256, 0, 0),
}
_TIME_LENGTHS = {"time": (3, 5, 8), "datetime2": (6, 8, 19), "datetimeoffset": (8, 10, 26)}


def measures(kind: SqlType) -> tuple[int, int, int]:
    """max_length, precision and scale as sys.columns shows them."""
    name = kind.name
    if name in t.STRINGS or name in t.BINARIES:
        if name in ("text", "ntext", "image"):
            return 16, 0, 0
        if name == "timestamp":
            return 8, 0, 0
        length = kind.length or 1
        return (-1 if length == -1 else length * (2 if name in t.N_STRINGS else 1)), 0, 0
    if name in t.DECIMALS:
        return 1 + binary.decimal_size(kind.precision or 18), kind.precision or 18, kind.scale or 0
    if name in _TIME_LENGTHS:
        scale = kind.scale or 0
        base, _, width = _TIME_LENGTHS[name]
        digits = {"time": 8, "datetime2": 19, "datetimeoffset": 26}[name]
        del width
        extra = 0 if scale <= 2 else 1 if scale <= 4 else 2
        return base + extra, digits + (scale + 1 if scale else 0), scale
    _, _, length, precision, scale = SYSTEM_TYPES.get(name, (0, 0, 0, 0, 0))
    return length, precision, scale


def type_ids(column: m.Column) -> tuple[int, int]:
    """system_type_id and user_type_id of a column."""
    system, user, *_ = SYSTEM_TYPES[column.type.name]
    if column.type_name == "sysname":
        return system, 256
    return system, column.user_type or user


def collation(column: m.Column) -> str | None:
    """Name of the collation of a string column."""
    if column.type.name in t.STRINGS:
        return column.collation or DATABASE_DEFAULT
    return None


OBJECT_TYPES = {
    "U": "USER_TABLE",
    "V": "VIEW",
    "P": "SQL_STORED_PROCEDURE",
    "FN": "SQL_SCALAR_FUNCTION",
    "IF": "SQL_INLINE_TABLE_VALUED_FUNCTION",
    "TF": "SQL_TABLE_VALUED_FUNCTION",
    "TR": "SQL_TRIGGER",
    "PK": "PRIMARY_KEY_CONSTRAINT",
    "UQ": "UNIQUE_CONSTRAINT",
    "C": "CHECK_CONSTRAINT",
    "F": "FOREIGN_KEY_CONSTRAINT",
    "D": "DEFAULT_CONSTRAINT",
    "SO": "SEQUENCE_OBJECT",
    "SN": "SYNONYM",
    "TT": "TYPE_TABLE",
}


def kind_of(item: Any) -> str:
    """The two-letter type of an object."""
    if isinstance(item, m.Table):
        return "TT" if item.type_id else "U"
    if isinstance(item, m.Module):
        return item.kind
    if isinstance(item, m.Index):
        return item.kind
    return {"Sequence": "SO", "Synonym": "SN", "Check": "C", "ForeignKey": "F", "Default": "D"}[type(item).__name__]


def all_objects(catalog: Catalog) -> Iterator[tuple[int, str, int, int, str, int, int, Any]]:
    """(object id, name, schema id, parent id, type, created, modified, model) of objects and constraints."""
    for _, item in sorted(catalog.objects.items()):
        schema = 4 if isinstance(item, m.Table) and item.type_id else item.schema
        parent = item.parent if isinstance(item, m.Module) else 0
        yield item.id, item.name, schema, parent, kind_of(item), item.created, item.modified, item
        if isinstance(item, m.Table) and not item.type_id:
            yield from _constraints(item)


def _constraints(table: m.Table) -> Iterator[tuple[int, str, int, int, str, int, int, Any]]:
    for index in table.indexes:
        if index.kind:
            yield index.object_id, index.name, table.schema, table.id, index.kind, index.created, index.created, index
    for check in table.checks:
        yield check.id, check.name, table.schema, table.id, "C", check.created, check.created, check
    for key in table.foreign_keys:
        yield key.id, key.name, table.schema, table.id, "F", key.created, key.created, key
    for column in table.columns:
        if column.default is not None:
            yield (
                column.default.id,
                column.default.name,
                table.schema,
                table.id,
                "D",
                table.created,
                table.created,
                column.default,
            )


def two(text: str) -> str:
    """char(2)."""
    return text.ljust(2)
