# ruff: noqa: DTZ001 - datetime, datetime2 and date carry no zone
"""Values to bytes and back, without a driver."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.wire.collation import DEFAULT, decode, encode, encoding
from runbook.sandbox.wire.cursor import Cursor
from runbook.sandbox.wire.decode import parameter
from runbook.sandbox.wire.encode import codec
from runbook.sandbox.wire.errors import Truncated

WIDE_TEXT = st.text(st.characters(), max_size=40)


def round_trip(kind: SqlType, value: Any) -> tuple[SqlType, Any]:
    """What a server reads of a parameter that is written as a column is."""
    written = codec(kind, DEFAULT)
    cursor = Cursor(written.type_info + written.encode(value))
    found = parameter(cursor)
    assert cursor.exhausted
    return found


@given(st.integers(-(2**63), 2**63 - 1))
def test_bigint(value: int) -> None:
    """Every bigint survives."""
    assert round_trip(SqlType("bigint"), value) == (SqlType("bigint"), value)


@given(st.integers(1, 38), st.data())
def test_decimal(precision: int, data: st.DataObject) -> None:
    """Every decimal of every precision and scale survives, digit by digit."""
    scale = data.draw(st.integers(0, precision))
    value = Decimal(f"{data.draw(st.integers(1 - 10**precision, 10**precision - 1))}E-{scale}")
    kind = SqlType("decimal", precision=precision, scale=scale)
    found_kind, found = round_trip(kind, value)
    assert found_kind == kind
    assert found == value
    assert found.as_tuple().exponent == -scale


@given(st.integers(-(2**63), 2**63 - 1))
def test_money(count: int) -> None:
    """Every money value survives."""
    assert round_trip(SqlType("money"), Decimal(f"{count}E-4"))[1] == Decimal(f"{count}E-4")


@given(st.floats(allow_nan=False))
def test_float(value: float) -> None:
    """Every float survives."""
    assert round_trip(SqlType("float"), value)[1] == value


@given(WIDE_TEXT)
def test_nvarchar(value: str) -> None:
    """All text survives, lone surrogates included, in the short and in the long form."""
    assert round_trip(SqlType("nvarchar", 100), value) == (SqlType("nvarchar", 100), value)
    assert round_trip(SqlType("nvarchar", -1), value) == (SqlType("nvarchar", -1), value)


@given(st.binary(max_size=300))
def test_varbinary(value: bytes) -> None:
    """All bytes survive."""
    assert round_trip(SqlType("varbinary", 300), value)[1] == value
    assert round_trip(SqlType("varbinary", -1), value)[1] == value


@given(st.binary(max_size=50))
def test_varchar_of_every_byte(value: bytes) -> None:
    """Every byte of code page 1252 has a character and comes back from it."""
    assert encode(decode(value, "cp1252"), "cp1252") == value


def test_varchar_outside_its_code_page() -> None:
    """A character that the code page lacks is a question mark, one outside the BMP is two."""
    assert encode("a\u0142\U0001f600", "cp1252") == b"a???"


@pytest.mark.parametrize(
    ("collation", "codec_name"),
    [
        (DEFAULT, "cp1252"),
        (b"\x09\x04\xd0\x00\x00", "cp1252"),
        (b"\x15\x04\xd0\x00\x00", "cp1250"),
        (b"\x19\x04\xd0\x00\x00", "cp1251"),
        (b"\x09\x04\x00\x04\x00", "utf-8"),
        (b"\x09\x04\xd0\x00\x1e", "cp437"),
    ],
)
def test_code_page_of_a_collation(collation: bytes, codec_name: str) -> None:
    """UTF-8 flag first, then the sort id, then the language."""
    assert encoding(collation) == codec_name


@given(st.dates())
def test_date(value: date) -> None:
    """Every date survives, as an object and as text."""
    assert round_trip(SqlType("date"), value)[1] == value
    assert round_trip(SqlType("date"), value.isoformat())[1] == value


@given(st.times())
def test_time(value: time) -> None:
    """Every time of microseconds survives."""
    assert round_trip(SqlType("time", scale=7), value)[1] == value
    assert round_trip(SqlType("time", scale=6), value.isoformat())[1] == value


@given(st.datetimes())
def test_datetime2(value: datetime) -> None:
    """Every datetime of microseconds survives, as an object and as text with a blank or a T."""
    for given_as in (value, value.isoformat(), value.isoformat(" ")):
        assert round_trip(SqlType("datetime2", scale=7), given_as)[1] == value


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=OFFSETS))
def test_datetimeoffset(value: datetime) -> None:
    """The moment and its offset survive, as an object and as text."""
    for given_as in (value, value.isoformat()):
        found = round_trip(SqlType("datetimeoffset", scale=7), given_as)[1]
        assert (found, found.utcoffset()) == (value, value.utcoffset())


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (SqlType("datetime2", scale=7), "2026-01-02 03:04:05.1234567", "2026-01-02 03:04:05.1234567"),
        (SqlType("time", scale=7), "03:04:05.0000001", "03:04:05.0000001"),
        (SqlType("datetimeoffset"), "2026-01-02T03:04:05.1234567+02:00", "2026-01-02 03:04:05.1234567 +02:00"),
        (SqlType("datetime2", scale=3), "2026-12-31 23:59:59.9995", datetime(2027, 1, 1)),
        (SqlType("datetime2", scale=0), "2026-01-02", datetime(2026, 1, 2)),
        (SqlType("datetime2", scale=0), "2026-01-02 03:04", datetime(2026, 1, 2, 3, 4)),
        (SqlType("datetimeoffset", scale=0), "2026-01-02 03:04:05 Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (SqlType("datetime"), "1899-12-31 23:59:59.998", datetime(1899, 12, 31, 23, 59, 59, 997000)),
        (SqlType("datetime"), datetime(2026, 1, 1, 0, 0, 0, 1999), datetime(2026, 1, 1, 0, 0, 0, 3000)),
        (SqlType("datetime"), time(1, 0), datetime(1900, 1, 1, 1)),
        (SqlType("smalldatetime"), "2026-01-02 03:04:29.998", datetime(2026, 1, 2, 3, 4)),
        (SqlType("smalldatetime"), "2026-01-02 23:59:30", datetime(2026, 1, 3)),
        (SqlType("time", scale=2), time(1, 2, 3, 4999), time(1, 2, 3)),
    ],
)
def test_rounding_and_text_of_times(kind: SqlType, value: Any, expected: Any) -> None:
    """Halves go up, midnight carries, the seventh digit stays as text."""
    assert round_trip(kind, value)[1] == expected


@given(st.uuids())
def test_uniqueidentifier(value: UUID) -> None:
    """Every uuid survives, as an object, as text and as the bytes SQL Server stores."""
    for given_as in (value, str(value).upper(), value.bytes_le):
        assert round_trip(SqlType("uniqueidentifier"), given_as)[1] == value


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (SqlType("int"), Decimal("3.0"), 3),
        (SqlType("int"), True, 1),
        (SqlType("int"), "7", 7),
        (SqlType("bit"), 5, True),
        (SqlType("bit"), 0.0, False),
        (SqlType("float"), "1.5", 1.5),
        (SqlType("decimal", precision=5, scale=2), 1.005, Decimal("1.01")),
        (SqlType("decimal", precision=5, scale=2), "-1.005", Decimal("-1.01")),
        (SqlType("money"), "12.34565", Decimal("12.3457")),
        (SqlType("image"), bytearray(b"x"), None),
    ],
)
def test_what_storage_may_hand_over(kind: SqlType, value: Any, expected: Any) -> None:
    """Numbers of another Python type, or as text, are taken where nothing is lost."""
    written = codec(kind, DEFAULT)
    assert written.encode(value)
    if expected is not None:
        assert round_trip(kind, value)[1] == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (SqlType("int"), 2**31),
        (SqlType("int"), 1.5),
        (SqlType("int"), "x"),
        (SqlType("decimal", precision=3, scale=1), Decimal("99.95")),
        (SqlType("nvarchar", 2), "abc"),
        (SqlType("nvarchar", 2), 5),
        (SqlType("varchar", 2), b"ab"),
        (SqlType("varbinary", 2), "ab"),
        (SqlType("varbinary", 2), b"abc"),
        (SqlType("date"), "yesterday"),
        (SqlType("date"), 5),
        (SqlType("uniqueidentifier"), "x"),
    ],
)
def test_what_is_refused(kind: SqlType, value: Any) -> None:
    """A value that would be changed without a word is refused."""
    with pytest.raises((ValueError, TypeError, OverflowError, struct.error)):
        codec(kind, DEFAULT).encode(value)


@pytest.mark.parametrize("name", ["sql_variant", "geography", "hierarchyid", "nonsense"])
def test_types_refused_by_name(name: str) -> None:
    """Types the sandbox does not send are refused with the number of refusals."""
    with pytest.raises(SqlError, match=rf"50999: .*{name}"):
        codec(SqlType(name), DEFAULT)


@pytest.mark.parametrize("token", [0x62, 0xF0, 0xF3, 0x01, 0xFE])
def test_parameters_refused_by_name(token: int) -> None:
    """Parameters of such types are refused as well."""
    with pytest.raises(SqlError, match="50999"):
        parameter(Cursor(bytes((token,)) + b"\x00" * 20))


@given(st.binary(max_size=40))
def test_garbage_as_a_parameter(data: bytes) -> None:
    """Whatever the bytes are, the outcome is a value or one of the errors that are answered."""
    try:
        kind, _ = parameter(Cursor(data))
    except (SqlError, Truncated, ValueError, OverflowError, struct.error):
        return
    assert kind.name


FIXED = [
    (0x30, b"\xff", SqlType("tinyint"), 255),
    (0x32, b"\x01", SqlType("bit"), True),
    (0x34, b"\xff\xff", SqlType("smallint"), -1),
    (0x38, b"\x01\x00\x00\x00", SqlType("int"), 1),
    (0x7F, b"\xff" * 8, SqlType("bigint"), -1),
    (0x3B, struct.pack("<f", 0.5), SqlType("real"), 0.5),
    (0x3E, struct.pack("<d", 0.5), SqlType("float"), 0.5),
    (0x7A, b"\x10\x27\x00\x00", SqlType("smallmoney"), Decimal("1.0000")),
    (0x3C, struct.pack("<iI", -1, 0xFFFFFFFF), SqlType("money"), Decimal("-0.0001")),
    (0x3A, struct.pack("<HH", 1, 61), SqlType("smalldatetime"), datetime(1900, 1, 2, 1, 1)),
    (0x3D, struct.pack("<iI", 0, 301), SqlType("datetime"), datetime(1900, 1, 1, 0, 0, 1, 3000)),
    (0x27, b"\x05\x02hi", SqlType("varchar", 5), "hi"),
    (0x2D, b"\x05\x02hi", SqlType("binary", 5), b"hi"),
    (0x23, b"\x09\x00\x00\x00" + DEFAULT + b"\x02\x00\x00\x00hi", SqlType("text"), "hi"),
    (0x63, b"\x09\x00\x00\x00" + DEFAULT + b"\x02\x00\x00\x00h\x00", SqlType("ntext"), "h"),
    (0x22, b"\x09\x00\x00\x00\xff\xff\xff\xff", SqlType("image"), None),
    (0xF1, b"\x00" + b"\xfe" + b"\xff" * 7 + b"\x04\x00\x00\x00\xff\xfea\x00" + b"\x00" * 4, SqlType("xml"), "a"),
    (0xE7, b"\xff\xff" + DEFAULT + b"\xff" * 8, SqlType("nvarchar", -1), None),
]


@pytest.mark.parametrize(("token", "data", "kind", "value"), FIXED, ids=[f"0x{row[0]:02X}" for row in FIXED])
def test_parameter_forms_only_clients_use(token: int, data: bytes, kind: SqlType, value: Any) -> None:
    """Fixed-length, old and long forms, chunks of unknown total length."""
    cursor = Cursor(bytes((token,)) + data)
    assert parameter(cursor) == (kind, value)
    assert cursor.exhausted
