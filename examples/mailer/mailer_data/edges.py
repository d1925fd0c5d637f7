"""Rows of Contacts.dbo.EdgeCase: each type's smallest, largest, empty and awkward values."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random

from mailer_data import words
from mailer_data.literal import Value
from mailer_data.tables import Row, Sizes, table

COLUMNS = (
    "Label", "ATinyInt", "ASmallInt", "AnInt", "ABigInt", "ABit", "ADecimal", "ANumeric", "AMoney",
    "ASmallMoney", "AFloat", "AReal", "ADate", "ATime", "ATime0", "ADateTime", "ASmallDate", "ADateTime2",
    "ADateTime20", "AnOffset", "AChar", "AVarchar", "AVarcharMax", "AnNchar", "AnNvarchar", "AnNvarcharMax",
    "ABinary", "AVarbinary", "AVarbinaryMax", "AGuid", "AnXml", "ABinText",
)  # fmt: skip
SMALLEST: dict[str, Value] = {
    "ATinyInt": 0, "ASmallInt": -(2**15), "AnInt": -(2**31), "ABigInt": -(2**63), "ABit": False,
    "ADecimal": "-9999999999999999999999999999.9999999999", "ANumeric": Decimal("-999999999999999999"),
    "AMoney": Decimal("-922337203685477.5808"), "ASmallMoney": Decimal("-214748.3648"), "AFloat": -1.79e308,
    "AReal": -3.4e38, "ADate": "0001-01-01", "ATime": "00:00:00.0000000", "ATime0": "00:00:00",
    "ADateTime": "1753-01-01T00:00:00.000", "ASmallDate": "1900-01-01T00:00:00",
    "ADateTime2": "0001-01-01T00:00:00.0000000", "ADateTime20": "0001-01-01T00:00:00",
    "AnOffset": "0001-01-01T14:00:00.0000000+14:00", "ABinary": b"", "AGuid": "00000000-0000-0000-0000-000000000000",
}  # fmt: skip
LARGEST: dict[str, Value] = {
    "ATinyInt": 255, "ASmallInt": 2**15 - 1, "AnInt": 2**31 - 1, "ABigInt": 2**63 - 1, "ABit": True,
    "ADecimal": Decimal("9999999999999999999999999999.9999999999"), "ANumeric": Decimal("999999999999999999"),
    "AMoney": Decimal("922337203685477.5807"), "ASmallMoney": Decimal("214748.3647"), "AFloat": 1.79e308,
    "AReal": 3.4e38, "ADate": "9999-12-31", "ATime": "23:59:59.9999999", "ATime0": "23:59:59",
    "ADateTime": "9999-12-31T23:59:59.997", "ASmallDate": "2079-06-06T23:59:00",
    "ADateTime2": "9999-12-31T23:59:59.9999999", "ADateTime20": "9999-12-31T23:59:59",
    "AnOffset": "9999-12-31T09:59:59.9999999-14:00", "AChar": "z" * 10, "AVarchar": "z" * 50,
    "AVarcharMax": "z" * 20_000, "AnNchar": "漢" * 10, "AnNvarchar": "漢" * 50, "AnNvarcharMax": "👍🏽" * 3_000,
    "ABinary": b"\xff" * 8, "AVarbinary": b"\xff" * 50, "AVarbinaryMax": bytes(range(256)) * 60,
    "AGuid": "ffffffff-ffff-ffff-ffff-ffffffffffff",
}  # fmt: skip
EMPTY: dict[str, Value] = {
    "AChar": "", "AVarchar": "", "AVarcharMax": "", "AnNchar": "", "AnNvarchar": "", "AnNvarcharMax": "",
    "ABinary": b"", "AVarbinary": b"", "AVarbinaryMax": b"", "AnXml": "", "ABinText": "",
}  # fmt: skip
ZERO: dict[str, Value] = {
    "ATinyInt": 0, "ASmallInt": 0, "AnInt": 0, "ABigInt": 0, "ADecimal": Decimal(0), "ANumeric": Decimal(0),
    "AMoney": Decimal(0), "ASmallMoney": Decimal(0), "AFloat": 0.0, "AReal": 0.0, "ABinary": b"\0",
    "AVarbinary": b"\0", "AVarbinaryMax": b"\0",
}  # fmt: skip
TINY: dict[str, Value] = {
    "ADecimal": Decimal("0.0000000001"), "AMoney": Decimal("0.0001"), "ASmallMoney": Decimal("-0.0001"),
    "AFloat": 2.23e-308, "AReal": 1.18e-38, "ATime": "00:00:00.0000001",
    "ADateTime2": "2024-02-29T12:34:56.1234567", "ADateTime": "2024-02-29T12:34:56.127",
    "AnOffset": "2024-02-29T12:34:56.7654321-03:30",
}  # fmt: skip
BLANKS: dict[str, Value] = {
    "AChar": "a  ", "AVarchar": "a  ", "AVarcharMax": "  a  ", "AnNchar": "ä  ", "AnNvarchar": "ä  ",
    "AnNvarcharMax": "   ", "AVarbinary": b"a  ", "ABinText": "A ",
}  # fmt: skip
CASES: dict[str, Value] = {
    "ABinText": "aAbB", "AVarchar": "naïve café €", "AnXml": "<a><b c=\"1\">&lt;x&gt; é 👍</b><!-- c --><?p i?></a>",
    "AGuid": "01234567-89ab-cdef-0123-456789abcdef", "AFloat": 0.1, "AReal": 0.1, "ADecimal": Decimal("0.1"),
}  # fmt: skip
EXTREMES = {
    "smallest": SMALLEST, "largest": LARGEST, "empty": EMPTY, "zero": ZERO, "tiny": TINY, "blanks": BLANKS,
    "cases": CASES, "all null": dict[str, Value](),
}  # fmt: skip


@table("Contacts", "dbo.EdgeCase", ", ".join(COLUMNS), batch=1)
def edge_cases(_rng: Random, _sizes: Sizes) -> Iterator[Row]:
    """One row to a statement: in a longer VALUES list a column's literals would be brought to one type first."""
    for label, values in EXTREMES.items():
        yield (label, *(values.get(column) for column in COLUMNS[1:]))
    for number, text in enumerate(words.ODD_TEXTS):
        odd: dict[str, Value] = {"AnNvarchar": text[:40], "AnNvarcharMax": text * 3}
        yield (f"text {number}", *(odd.get(column) for column in COLUMNS[1:]))
