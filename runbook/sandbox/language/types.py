"""T-SQL types: names, ranks, lengths, and how two of them meet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from runbook.sandbox.contract import SqlType

MAX = -1

# Highest precedence first, as in the documentation of data type precedence.
_ORDER = [
    "sql_variant",
    "xml",
    "datetimeoffset",
    "datetime2",
    "datetime",
    "smalldatetime",
    "date",
    "time",
    "float",
    "real",
    "decimal",
    "numeric",
    "money",
    "smallmoney",
    "bigint",
    "int",
    "smallint",
    "tinyint",
    "bit",
    "ntext",
    "text",
    "image",
    "timestamp",
    "uniqueidentifier",
    "nvarchar",
    "nchar",
    "varchar",
    "char",
    "varbinary",
    "binary",
]
RANK = {name: rank for rank, name in enumerate(_ORDER)}

INTEGERS = frozenset({"bit", "tinyint", "smallint", "int", "bigint"})
DECIMALS = frozenset({"decimal", "numeric"})
MONEY = frozenset({"money", "smallmoney"})
FLOATS = frozenset({"float", "real"})
NUMBERS = INTEGERS | DECIMALS | MONEY | FLOATS
N_STRINGS = frozenset({"nchar", "nvarchar", "ntext"})
STRINGS = frozenset({"char", "varchar", "text"}) | N_STRINGS
BINARIES = frozenset({"binary", "varbinary", "image", "timestamp"})
DATES = frozenset({"date", "time", "datetime", "datetime2", "smalldatetime", "datetimeoffset"})
FIXED_DATES = frozenset({"date", "datetime", "smalldatetime"})

INT_RANGES = {
    "bit": (0, 1),
    "tinyint": (0, 255),
    "smallint": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
INT_DIGITS = {"bit": 1, "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
NARROW = 18
"""Decimals up to this precision are kept as scaled integers, wider ones as sortable text."""

_SIMPLE = frozenset(
    [
        "bit",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "money",
        "smallmoney",
        "date",
        "datetime",
        "smalldatetime",
        "uniqueidentifier",
        "xml",
        "text",
        "ntext",
        "image",
        "timestamp",
        "sql_variant",
        "real",
    ]
)
_ALIASES = {
    "integer": "int",
    "dec": "decimal",
    "rowversion": "timestamp",
    "character": "char",
    "varcharacter": "varchar",
}
UNKNOWN_HERE = frozenset({"hierarchyid", "geometry", "geography", "json", "vector", "cursor"})


def builtin_type(name: str, args: Sequence[int] = ()) -> SqlType | None:
    """A built-in type, or None when the name is not one. Default lengths are those of a column or variable."""
    name = _ALIASES.get(name.lower(), name.lower())
    if name in _SIMPLE:
        if name == "real" or not args:
            return SqlType(name)
        return None
    if name in DECIMALS:
        precision = args[0] if args else 18
        return SqlType(name, None, precision, args[1] if len(args) > 1 else 0)
    if name == "float":
        return SqlType("real" if args and args[0] <= 24 else "float")
    if name in ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary"):
        return SqlType(name, args[0] if args else 1)
    if name in ("time", "datetime2", "datetimeoffset"):
        return SqlType(name, None, None, args[0] if args else 7)
    if name == "sysname":
        return SYSNAME
    return None


SYSNAME = SqlType("nvarchar", 128)
BIT = SqlType("bit")
TINYINT = SqlType("tinyint")
SMALLINT = SqlType("smallint")
INT = SqlType("int")
BIGINT = SqlType("bigint")
FLOAT = SqlType("float")
MONEY_TYPE = SqlType("money")
DATE = SqlType("date")
DATETIME = SqlType("datetime")
DATETIME2 = SqlType("datetime2", None, None, 7)
DATETIMEOFFSET = SqlType("datetimeoffset", None, None, 7)
GUID = SqlType("uniqueidentifier")
XML = SqlType("xml")
VARIANT = SqlType("sql_variant")
NVARCHAR_MAX = SqlType("nvarchar", MAX)
VARCHAR_MAX = SqlType("varchar", MAX)
VARBINARY_MAX = SqlType("varbinary", MAX)
NULL_TYPE = SqlType("int", None, -1)
"""Type of a bare NULL: an int on the wire, but it yields to every other type."""


def decimal_type(precision: int, scale: int) -> SqlType:
    """decimal(p, s)."""
    return SqlType("decimal", None, precision, scale)


def nvarchar(length: int) -> SqlType:
    """nvarchar(n)."""
    return SqlType("nvarchar", length)


def varchar(length: int) -> SqlType:
    """varchar(n)."""
    return SqlType("varchar", length)


def varbinary(length: int) -> SqlType:
    """varbinary(n)."""
    return SqlType("varbinary", length)


def is_wide(kind: SqlType) -> bool:
    """Whether values are decimals kept as sortable text."""
    return kind.name in DECIMALS and (kind.precision or 18) > NARROW


def scale_of(kind: SqlType) -> int:
    """Digits behind the point of an exact number."""
    if kind.name in MONEY:
        return 4
    return (kind.scale or 0) if kind.name in DECIMALS else 0


def as_decimal(kind: SqlType) -> tuple[int, int]:
    """Precision and scale of an exact number seen as a decimal."""
    if kind.name in DECIMALS:
        return kind.precision or 18, kind.scale or 0
    if kind.name in MONEY:
        return (19, 4) if kind.name == "money" else (10, 4)
    return INT_DIGITS[kind.name], 0


def family(kind: SqlType) -> str:
    """number, string, binary, date, guid, xml, variant."""
    name = kind.name
    if name in NUMBERS:
        return "number"
    if name in STRINGS:
        return "string"
    if name in BINARIES:
        return "binary"
    if name in DATES:
        return "date"
    return {"uniqueidentifier": "guid", "xml": "xml"}.get(name, "variant")


def affinity(kind: SqlType) -> str:
    """Column type of a STRICT SQLite table."""
    name = kind.name
    if name in DECIMALS:
        return "TEXT" if is_wide(kind) else "INTEGER"
    if name in INTEGERS or name in MONEY or (name in DATES and name != "datetimeoffset"):
        return "INTEGER"
    if name in FLOATS:
        return "REAL"
    if name in BINARIES:
        return "BLOB"
    return "ANY" if name == "sql_variant" else "TEXT"


def _length(left: SqlType, right: SqlType) -> int:
    a, b = left.length, right.length
    if a in (None, MAX) or b in (None, MAX):
        return MAX
    assert a is not None
    assert b is not None
    return max(a, b)


def bound_length(name: str, length: int) -> int:
    """Length of a result: beyond 8000 bytes it is cut there, as SQL Server does for types that are not max."""
    limit = 4000 if name in N_STRINGS else 8000
    return length if length == MAX or length <= limit else limit


@lru_cache(maxsize=4096)
def common_type(left: SqlType, right: SqlType) -> SqlType:
    """The type both sides are converted to by CASE, UNION, COALESCE and comparisons."""
    if left == right or right is NULL_TYPE or right == NULL_TYPE:
        return left
    if left == NULL_TYPE:
        return right
    high, low = (left, right) if RANK[left.name] <= RANK[right.name] else (right, left)
    if high.name in DECIMALS and low.name in NUMBERS:
        return _common_decimal(left, right)
    if high.name in STRINGS and low.name in STRINGS:
        return _common_string(high, low)
    if high.name in BINARIES and low.name in BINARIES and high.name != "timestamp":
        name = "varbinary" if high.name != low.name or high.name == "varbinary" else high.name
        return SqlType(name, _length(high, low)) if name != "image" else high
    if high.name in ("time", "datetime2", "datetimeoffset") and low.name in DATES:
        return SqlType(high.name, None, None, max(high.scale or 0, _date_scale(low)))
    return high


def _date_scale(kind: SqlType) -> int:
    return {"datetime": 3, "date": 0, "smalldatetime": 0}.get(kind.name, kind.scale or 0)


def _common_decimal(left: SqlType, right: SqlType) -> SqlType:
    (p1, s1), (p2, s2) = as_decimal(left), as_decimal(right)
    scale = max(s1, s2)
    whole = max(p1 - s1, p2 - s2)
    if whole + scale > 38:
        scale = max(38 - whole, min(scale, 6))
    return decimal_type(min(38, whole + scale), scale)


def _common_string(high: SqlType, low: SqlType) -> SqlType:
    national = high.name in N_STRINGS or low.name in N_STRINGS
    if high.name in ("text", "ntext"):
        return SqlType("ntext" if national else "text")
    length = _length(high, low)
    fixed = high.name in ("char", "nchar") and low.name in ("char", "nchar") and high.length == low.length
    name = ("nchar" if national else "char") if fixed else ("nvarchar" if national else "varchar")
    return SqlType(name, bound_length(name, length))


def display(kind: SqlType) -> str:
    """How error messages and DDL write the type."""
    if kind.name in DECIMALS:
        return f"{kind.name}({kind.precision},{kind.scale or 0})"
    if kind.length is not None:
        return f"{kind.name}({'max' if kind.length == MAX else kind.length})"
    if kind.scale is not None:
        return f"{kind.name}({kind.scale})"
    return kind.name
