"""The content of a table as one row: how many rows, and sums over their hashes.

Each column of a row becomes ``0x00`` when NULL, else ``0x01``, the length in eight bytes and the bytes of the
value, so that no two rows of one table have the same encoding: ``('a', 'bc')`` is not ``('ab', 'c')`` and NULL is not
the empty string. The row's hash is SHA-256 of the pieces joined. Over the rows, each of the hash's four 8-byte slices
is summed up exactly. A sum does not depend on the order of rows and, unlike XOR or CHECKSUM_AGG, does not cancel what
occurs twice. For tables to differ and still agree in all four sums, the differing rows' hashes would have to add
up alike in four independent 64-bit slices: by accident one chance in 2^256. It is no defence against somebody who
constructs collisions on purpose, and need not be one.

Bytes are those of the stored value, so the same data give the same sums on every version. Not covered: the base type
of equal bytes (``int`` 1 against ``binary(4)`` 0x00000001) except in ``sql_variant``; the column definitions are
compared separately.
"""

from __future__ import annotations

from collections.abc import Sequence

from runbook.adapters.sqlserver.tsql.quoting import name, two_part
from runbook.ports import ProofLevel

GROUP = 50
"""Columns hashed at once: a much longer chain of ``+`` exhausts the optimiser (8623, 8631)."""
SLICES = 4
SAMPLED = "0x1A"
"""Rows whose selector's first byte is below this are in the sample: 26 of 256, about a tenth."""
KEY_COLUMNS = 4
"""So many leading columns decide which rows are in the sample: nearly always the key is among them."""

Column = tuple[str, str]
"""Name and declared type."""

THROUGH_TEXT = {"text": "varchar(max)", "ntext": "nvarchar(max)", "json": "nvarchar(max)", "vector": "nvarchar(max)"}
"""Types that do not convert to bytes directly."""
LARGE = frozenset({"text", "ntext", "image", "xml", "json", "vector", "sql_variant", "geometry", "geography"})


def table_proof(table: tuple[str, str], columns: Sequence[Column], level: ProofLevel) -> str:
    """One pass over a table: ``rows`` and, below level count, the sums ``s1`` to ``s4`` (NULL for no rows)."""
    if level is ProofLevel.COUNT or not columns:
        return f"SELECT COUNT_BIG(*) AS row_count FROM {two_part(table)}"
    sums = ",\n       ".join(f"SUM({_slice(index)}) AS s{index + 1}" for index in range(SLICES))
    return (
        f"SELECT COUNT_BIG(*) AS row_count,\n       {sums}\n"
        f"FROM (SELECT {_hash(columns, level)} AS h\n      FROM {two_part(table)}) AS r"
    )


def _slice(index: int) -> str:
    return f"CAST(CAST(SUBSTRING(r.h, {index * 8 + 1}, 8) AS bigint) AS decimal(38, 0))"


def _hash(columns: Sequence[Column], level: ProofLevel) -> str:
    whole = row_hash(columns)
    if level is ProofLevel.CONTENT:
        return whole
    return f"CASE WHEN SUBSTRING({row_hash(_selectors(columns))}, 1, 1) < {SAMPLED} THEN {whole} END"


def _selectors(columns: Sequence[Column]) -> Sequence[Column]:
    small = [column for column in columns if base_type(column[1]) not in LARGE and "(max)" not in column[1]]
    return small[:KEY_COLUMNS] or columns


def row_hash(columns: Sequence[Column]) -> str:
    """The hash of a row; beyond :data:`GROUP` columns the hash of the hashes of groups."""
    groups = [columns[start : start + GROUP] for start in range(0, len(columns), GROUP)]
    hashes = [f"HASHBYTES('SHA2_256', {_joined(group)})" for group in groups]
    return hashes[0] if len(hashes) == 1 else f"HASHBYTES('SHA2_256', {' + '.join(hashes)})"


def _joined(columns: Sequence[Column]) -> str:
    return "\n        + ".join(_piece(column) for column in columns)


def _piece(column: Column) -> str:
    quoted = name(column[0])
    values = _as_bytes(quoted, base_type(column[1]))
    framed = " + ".join(f"CONVERT(binary(8), CAST(DATALENGTH({value}) AS bigint)) + {value}" for value in values)
    return f"CASE WHEN {quoted} IS NULL THEN 0x00 ELSE 0x01 + {framed} END"


def _as_bytes(quoted: str, base: str) -> list[str]:
    if base in THROUGH_TEXT:
        return [f"CONVERT(varbinary(max), CONVERT({THROUGH_TEXT[base]}, {quoted}))"]
    if base == "sql_variant":  # its bytes alone would not tell an int from a date
        kind = f"CONVERT(nvarchar(128), SQL_VARIANT_PROPERTY({quoted}, 'BaseType'))"
        value = f"CONVERT(varbinary(8000), {quoted})"
        return [f"CONVERT(varbinary(max), {part})" for part in (kind, value)]
    return [f"CONVERT(varbinary(max), {quoted})"]


def base_type(declared: str) -> str:
    """``nvarchar(50)`` -> ``nvarchar``."""
    return declared.partition("(")[0].strip().lower()
