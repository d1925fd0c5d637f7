"""The proof's text and arithmetic, without a server."""

from __future__ import annotations

from decimal import Decimal

import pytest

from runbook.adapters.sqlserver.proof import declared, digest_of
from runbook.adapters.sqlserver.tsql.proof import GROUP, row_hash, table_proof
from runbook.ports import ProofLevel


@pytest.mark.parametrize(
    ("name", "length", "precision", "scale", "expected"),
    [
        ("nvarchar", 100, 0, 0, "nvarchar(50)"),
        ("nvarchar", -1, 0, 0, "nvarchar(max)"),
        ("varbinary", -1, 0, 0, "varbinary(max)"),
        ("char", 10, 0, 0, "char(10)"),
        ("decimal", 9, 18, 4, "decimal(18,4)"),
        ("datetime2", 7, 22, 3, "datetime2(3)"),
        ("int", 4, 10, 0, "int"),
        ("geography", -1, 0, 0, "geography"),
    ],
)
def test_declared_types(name: str, length: int, precision: int, scale: int, expected: str) -> None:
    """Types are told as CREATE TABLE states them."""
    row = {"type_name": name, "max_length": length, "precision": precision, "scale": scale}
    assert declared(row) == expected


def test_a_digest_tells_apart() -> None:
    """Another count, another sum or another slice is another digest; no rows have one too."""
    sums = [Decimal(1), Decimal(-2), Decimal(3), Decimal(4)]
    digests = {
        digest_of(2, sums),
        digest_of(3, sums),
        digest_of(2, [Decimal(1), Decimal(-2), Decimal(3), Decimal(5)]),
        digest_of(2, [Decimal(-2), Decimal(1), Decimal(3), Decimal(4)]),
        digest_of(0, [None, None, None, None]),
    }
    assert len(digests) == 5
    assert digest_of(2, sums) == digest_of(2, [1, -2, 3, 4])


def test_many_columns_are_hashed_in_groups() -> None:
    """A chain of hundreds of concatenations would exhaust the optimiser."""
    columns = [(f"c{index}", "int") for index in range(2 * GROUP + 1)]
    assert row_hash(columns).count("HASHBYTES") == 4
    assert row_hash(columns[:GROUP]).count("HASHBYTES") == 1


@pytest.mark.parametrize(
    ("declared_type", "expected"),
    [
        ("text", "CONVERT(varbinary(max), CONVERT(varchar(max), [c]))"),
        ("ntext", "CONVERT(varbinary(max), CONVERT(nvarchar(max), [c]))"),
        ("json", "CONVERT(varbinary(max), CONVERT(nvarchar(max), [c]))"),
        ("image", "CONVERT(varbinary(max), [c])"),
        ("hierarchyid", "CONVERT(varbinary(max), [c])"),
        ("sql_variant", "SQL_VARIANT_PROPERTY([c], 'BaseType')"),
    ],
)
def test_types_that_need_care(declared_type: str, expected: str) -> None:
    """What does not convert to bytes directly goes through what does; a variant keeps its base type."""
    assert expected in row_hash([("c", declared_type)])


def test_a_sample_selects_by_small_leading_columns() -> None:
    """Large values are hashed only for the rows that are in the sample."""
    text = table_proof(("dbo", "t"), [("body", "nvarchar(max)"), ("id", "int")], ProofLevel.SAMPLE)
    selector = text.partition(" < 0x1A THEN ")[0]
    assert "[id]" in selector
    assert "[body]" not in selector


def test_a_count_reads_no_column() -> None:
    """Level count is the row count alone."""
    assert "HASHBYTES" not in table_proof(("dbo", "t"), [("id", "int")], ProofLevel.COUNT)
