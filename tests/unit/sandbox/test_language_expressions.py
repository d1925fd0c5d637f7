"""Values of expressions: what SQL Server answers, type by type."""

# ruff: noqa: DTZ001 - datetime, datetime2 and date carry no zone

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.unit.sandbox.test_language_support import Client, FakeInstance

D = Decimal


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One session for all cases."""
    made = Client(FakeInstance(Path(tmp_path_factory.mktemp("language"))))
    yield made
    made.session.close()


ARITHMETIC = [
    ("5/2", 2), ("-5/2", -2), ("5%3", 2), ("-5%3", -2), ("5.0/2", D("2.500000")), ("1.0/3", D("0.333333")),
    ("10.00/3.0", D("3.333333")), ("1.10*2.20", D("2.4200")), ("0.1+0.2", D("0.3")), ("1e0/3", 1 / 3), ("2+3*4", 14),
    ("(2+3)*4", 20), ("-2*-3", 6), ("5&3", 1), ("5|3", 7), ("5^3", 6), ("~5", -6), ("'5'+1", 6), ("1+'5'", 6),
    ("$10.50*2", D("21.0000")), ("$10/3", D("3.3333")), ("cast(1 as money)/3", D("0.3333")),
    ("cast(1 as decimal(38,10))/3", D("0.3333333333")), ("cast(5 as bigint)*2147483647", 10737418235),
    ("cast(0.1 as decimal(38,38))+0", D("0.1" + "0" * 36)),
    ("12345678901234567890.12*10", D("123456789012345678901.20")), ("99999999999+1", D("100000000000")), ("2147483647", 2147483647),
    ("9223372036854775807", D("9223372036854775807")), ("cast(1 as bit)+cast(1 as bit)", 2), ("-(-5)", 5), ("+5", 5),
    ("cast(7 as tinyint)-5", 2), ("1.5e3+1", 1501.0), ("0x0A+1", 11), ("5/2.0", D("2.500000")), ("10%3.3", D("0.1")),
    ("cast('12.345' as decimal(5,2))", D("12.35")), ("cast(-12.345 as decimal(5,2))", D("-12.35")), ("cast(12.9 as int)", 12),
    ("cast(-12.9 as int)", -12), ("cast($12.9 as int)", 13), ("cast(12.9e0 as int)", 12), ("cast('  42 ' as int)", 42),
    ("cast('' as int)", 0), ("cast('1.5' as float)", 1.5), ("cast(1.005 as decimal(3,2))", D("1.01")),
    ("cast(1e20 as decimal(25,2))", D("100000000000000000000.00")), ("cast(123.456 as money)", D("123.4560")),
    ("cast('$1,234.56' as money)", D("1234.5600")), ("cast(1 as bit)", True), ("cast('true' as bit)", True), ("cast(5 as bit)", True),
    ("cast(0.0 as bit)", False), ("cast(3.14159e0 as real)", 3.141590118408203), ("power(2,10)", 1024), ("power(2.0,3)", D("8.0")),
    ("sqrt(16)", 4.0), ("abs(-5)", 5), ("abs(-5.5)", D("5.5")), ("ceiling(4.1)", D("5")), ("floor(-4.1)", D("-5")),
    ("round(4.567,2)", D("4.570")), ("round(4.567,2,1)", D("4.560")), ("round(1234,-2)", 1200), ("round(-2.5,0)", D("-3.0")),
    ("sign(-3)", -1), ("sign(2.5)", D("1.0")), ("square(3)", 9.0), ("pi()", 3.141592653589793), ("log(exp(1))", 1.0), ("log(8,2)", 3.0),
    ("log10(1000)", pytest.approx(3.0)), ("degrees(pi())", 180.0), ("atn2(1,1)", pytest.approx(0.7853981633974483)),
]  # fmt: skip

STRINGS = [
    ("'a'+'b'", "ab"), ("N'é'+'b'", "éb"), ("len('abc  ')", 3), ("datalength('abc  ')", 5), ("datalength(N'abc')", 6),
    ("len(N'a😀')", 3), ("substring('hello',2,3)", "ell"), ("substring('hello',0,3)", "he"), ("substring('hello',4,10)", "lo"),
    ("left('hello',2)", "he"), ("right('hello',2)", "lo"), ("right('ab',5)", "ab"), ("upper('aé')", "AÉ"), ("lower('AÉ')", "aé"),
    ("ltrim('  a ')", "a "), ("rtrim(' a  ')", " a"), ("trim('  a ')", "a"), ("trim('.,' from '..a,.')", "a"),
    ("replace('Hello World','o','0')", "Hell0 W0rld"), ("replace('ABC','b','x')", "AxC"), ("replicate('ab',3)", "ababab"),
    ("reverse('abc')", "cba"), ("stuff('abcdef',2,3,'XY')", "aXYef"), ("stuff('abc',5,1,'x')", None), ("charindex('L','hello')", 3),
    ("charindex('l','hello',4)", 4), ("charindex('z','hello')", 0), ("patindex('%l[lo]%','hello')", 3), ("patindex('h%','hello')", 1),
    ("concat('a',null,1,N'b')", "a1b"), ("concat_ws('-','a',null,'b')", "a-b"), ("space(3)+'x'", "   x"), ("ascii('A')", 65),
    ("char(65)", "A"), ("nchar(233)", "é"), ("unicode(N'é')", 233), ("quotename('a]b')", "[a]]b]"), ("quotename('a','''')", "'a'"),
    ("str(12.345,6,2)", " 12.35"), ("str(5)", "         5"), ("translate('abc','ab','xy')", "xyc"), ("parsename('a.b.c',1)", "c"),
    ("parsename('a.b.c',3)", "a"), ("soundex('Robert')", "R163"), ("difference('Green','Greene')", 4), ("isnull(null,'x')", "x"),
    ("isnull(cast(null as varchar(2)),'abc')", "ab"), ("coalesce(null,null,'c')", "c"), ("nullif('a','A ')", None),
    ("nullif(1,2)", 1), ("iif(1>0,'y','n')", "y"), ("choose(2,'a','b','c')", "b"), ("choose(5,'a')", None),
    ("case when 1=1 then 'a' end", "a"), ("case 3 when 1 then 'a' when 3 then 'c' else 'z' end", "c"), ("case when 'Y '='y' then 1 else 0 end", 1),
    ("case when N'É' = N'é' then 1 else 0 end", 1), ("case when 'e' = 'é' then 1 else 0 end", 0),
    ("case when 'abc' collate Latin1_General_BIN2 = 'ABC' then 1 else 0 end", 0), ("case when 'a' < 'B' then 1 else 0 end", 1),
    ("case when 'abc' like 'A_C' then 1 else 0 end", 1), ("case when 'a%c' like 'a!%c' escape '!' then 1 else 0 end", 1),
    ("case when 'abc' like '[a-c]b%' then 1 else 0 end", 1), ("case when 'abc' not like '[^a]%' then 1 else 0 end", 1),
    ("case when 'x' in ('X','y') then 1 else 0 end", 1), ("case when null = null then 1 else 0 end", 0),
    ("case when 1 between 0 and 2 then 1 else 0 end", 1), ("case when null is null then 1 else 0 end", 1),
    ("cast('abc' as char(5))+'|'", "abc  |"), ("cast('abcdef' as varchar(3))", "abc"), ("cast(123 as varchar)", "123"),
    ("cast(123 as varchar(2))", "*"), ("cast(1.50 as varchar(10))", "1.50"), ("cast(1e10 as varchar(20))", "1e+010"),
    ("cast(1.5e0 as varchar(20))", "1.5"), ("cast(123456789.0e0 as varchar(20))", "1.23457e+008"), ("cast($1234.567 as varchar(20))", "1234.57"),
    ("convert(varchar(20),$1234.567,1)", "1,234.57"), ("convert(varchar(20),$1234.567,2)", "1234.5670"),
    ("cast(cast(1 as bit) as varchar)", "1"), ("try_cast('x' as int)", None), ("try_convert(date,'2024-13-01')", None),
    ("try_cast('5' as int)", 5), ("isnumeric('12.5')", 1), ("isnumeric('x')", 0), ("isnumeric('1e5')", 1), ("isnumeric('$1')", 1),
    ("string_escape('a\"b','json')", 'a\\"b'), ("formatmessage('%s is %d','x',5)", "x is 5"), ("'a' + null", None),
    ("N'日本' + N'語'", "日本語"), ("cast(N'日本' as varchar(10))", "??"), ("cast(N'Zoë' as varchar(10))", "Zoë"),
    ("datalength(cast(N'Zoë' as varchar(10)))", 3), ("'It''s'", "It's"), ("unicode('')", None),
]  # fmt: skip

DATES = [
    ("cast('2024-02-29' as date)", date(2024, 2, 29)), ("cast('20240229' as datetime)", datetime(2024, 2, 29)),
    ("cast('2024-02-29 13:14:15.678' as datetime)", datetime(2024, 2, 29, 13, 14, 15, 677000)),
    ("cast('2024-02-29T13:14:15.1234567' as datetime2)", "2024-02-29T13:14:15.1234567"),
    ("cast('2024-02-29T13:14:15.125' as datetime2(2))", datetime(2024, 2, 29, 13, 14, 15, 130000)),
    ("cast('13:14:15.5' as time(1))", time(13, 14, 15, 500000)), ("cast('12/31/2023' as date)", date(2023, 12, 31)),
    ("cast('Dec 31 2023 11:59PM' as datetime)", datetime(2023, 12, 31, 23, 59)),
    ("cast('2024-02-29 23:59:40' as smalldatetime)", datetime(2024, 3, 1)), ("cast('2024-01-01 10:00 +02:00' as datetimeoffset(0))", "2024-01-01T10:00:00.0000000+02:00"),
    ("dateadd(month,1,'2024-01-31')", datetime(2024, 2, 29)), ("dateadd(year,-1,cast('2024-02-29' as date))", date(2023, 2, 28)),
    ("dateadd(hour,25,cast('2024-01-01' as datetime2(0)))", datetime(2024, 1, 2, 1)), ("datediff(day,'2024-01-01','2024-03-01')", 60),
    ("datediff(month,'2024-01-31','2024-02-01')", 1), ("datediff(year,'2023-12-31','2024-01-01')", 1),
    ("datediff(second,'2024-01-01','2024-01-02')", 86400), ("datediff(week,'2024-01-06','2024-01-07')", 1),
    ("datediff_big(millisecond,'2000-01-01','2024-01-01')", 757382400000), ("datepart(year,'2024-05-06')", 2024),
    ("datepart(quarter,'2024-05-06')", 2), ("datepart(weekday,'2024-05-06')", 2), ("datepart(dayofyear,'2024-12-31')", 366),
    ("datepart(week,'2024-01-07')", 2), ("datepart(iso_week,'2024-01-01')", 1), ("datename(month,'2024-05-06')", "May"),
    ("datename(weekday,'2024-05-06')", "Monday"), ("year('2024-05-06')", 2024), ("month('2024-05-06')", 5), ("day('2024-05-06')", 6),
    ("eomonth('2024-02-10')", date(2024, 2, 29)), ("eomonth('2024-02-10',1)", date(2024, 3, 31)), ("datefromparts(2024,2,29)", date(2024, 2, 29)),
    ("datetimefromparts(2024,2,29,1,2,3,4)", datetime(2024, 2, 29, 1, 2, 3, 3000)), ("isdate('2024-02-30')", 0), ("isdate('2024-02-29')", 1),
    ("convert(varchar(30),cast('2024-02-09 13:14:15.678' as datetime),120)", "2024-02-09 13:14:15"),
    ("convert(varchar(30),cast('2024-02-09 13:14:15.678' as datetime),121)", "2024-02-09 13:14:15.677"),
    ("convert(varchar(30),cast('2024-02-09 13:14:15.678' as datetime),126)", "2024-02-09T13:14:15.677"),
    ("convert(varchar(30),cast('2024-02-09 13:14:15' as datetime),126)", "2024-02-09T13:14:15"),
    ("convert(varchar(30),cast('2024-02-09 13:14:15' as datetime))", "Feb  9 2024  1:14PM"),
    ("convert(varchar(30),cast('2024-02-09 13:14:15.678' as datetime),109)", "Feb  9 2024  1:14:15:677PM"),
    ("convert(varchar(30),cast('2024-02-09' as date),101)", "02/09/2024"), ("convert(varchar(30),cast('2024-02-09' as date),103)", "09/02/2024"),
    ("convert(varchar(30),cast('2024-02-09' as date),104)", "09.02.2024"), ("convert(varchar(30),cast('2024-02-09' as date),112)", "20240209"),
    ("convert(varchar(30),cast('2024-02-09' as date),106)", "09 Feb 2024"), ("convert(varchar(30),cast('2024-02-09' as date),107)", "Feb 09, 2024"),
    ("convert(varchar(8),cast('13:14:15' as time),108)", "13:14:15"), ("cast(cast('2024-02-09' as date) as varchar(20))", "2024-02-09"),
    ("cast(cast('2024-02-09 01:02:03' as datetime2(3)) as varchar(30))", "2024-02-09 01:02:03.000"), ("convert(date,'09/02/2024',103)", date(2024, 2, 9)),
    ("convert(datetime,'20240209 10:11:12')", datetime(2024, 2, 9, 10, 11, 12)), ("cast(0 as datetime)", datetime(1900, 1, 1)), ("cast(1.5 as datetime)", datetime(1900, 1, 2, 12)),
    ("cast('2024-01-01' as datetime) + 1", datetime(2024, 1, 2)), ("cast('1900-01-03' as datetime) - cast('1900-01-01' as datetime)", datetime(1900, 1, 3)),
    ("cast(cast('1900-01-03' as datetime) as int)", 2), ("cast('2024-01-01 12:00' as datetime2) at time zone 'UTC'", "2024-01-01T12:00:00.0000000+00:00"),
    ("switchoffset(cast('2024-01-01 10:00 +02:00' as datetimeoffset(0)),'+00:00')", "2024-01-01T08:00:00.0000000+00:00"),
    ("case when cast('2024-01-01' as date) = cast('2024-01-01' as datetime) then 1 else 0 end", 1),
    ("case when cast('2024-01-01 10:00 +02:00' as datetimeoffset) = cast('2024-01-01 08:00' as datetime2) then 1 else 0 end", 1),
    ("cast(cast('2024-01-01 10:00 +02:00' as datetimeoffset) as datetime2(0))", datetime(2024, 1, 1, 10)), ("cast('12:30' as datetime)", datetime(1900, 1, 1, 12, 30)),
    ("datepart(nanosecond,cast('10:00:00.1234567' as time))", 123456700), ("dateadd(minute,30,cast('23:45' as time(0)))", time(0, 15)),
    ("cast('0001-01-01' as date)", date(1, 1, 1)), ("cast('9999-12-31 23:59:59.9999999' as datetime2)", "9999-12-31T23:59:59.9999999"),
]  # fmt: skip

BINARIES = [
    ("0xDEADbeef", b"\xde\xad\xbe\xef"), ("0x01+0x02", b"\x01\x02"), ("cast('abc' as varbinary(10))", b"abc"), ("cast(N'ab' as varbinary(10))", b"a\0b\0"),
    ("cast(1 as binary(4))", b"\0\0\0\x01"), ("cast(1 as varbinary(8))", b"\0\0\0\x01"), ("cast(cast(1 as bigint) as varbinary(8))", b"\0\0\0\0\0\0\0\x01"),
    ("cast(0x00000102 as int)", 258), ("cast(0x0102 as int)", 258), ("convert(varchar(20),0x01AB,1)", "0x01AB"), ("convert(varchar(20),0x01AB,2)", "01AB"),
    ("convert(varbinary(4),'0x01AB',1)", b"\x01\xab"), ("datalength(0x010203)", 3), ("substring(0x01020304,2,2)", b"\x02\x03"), ("cast(0x414243 as varchar(10))", "ABC"),
    ("hashbytes('SHA2_256','abc')", bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")), ("hashbytes('MD5',N'abc')", bytes.fromhex("ce1473cf80c6b3fda8e3dfc006adc315")),
    ("cast(cast('6F9619FF-8B86-D011-B42D-00C04FC964FF' as uniqueidentifier) as binary(16))", bytes.fromhex("FF19966F868B11D0B42D00C04FC964FF")),
    ("cast('6f9619ff-8b86-d011-b42d-00c04fc964ff' as uniqueidentifier)", UUID("6F9619FF-8B86-D011-B42D-00C04FC964FF")),
    ("cast(cast('6F9619FF-8B86-D011-B42D-00C04FC964FF' as uniqueidentifier) as varchar(36))", "6F9619FF-8B86-D011-B42D-00C04FC964FF"),
    ("convert(varbinary(max),cast(1.5 as decimal(10,2)))", bytes.fromhex("0A02000196000000" "00000000")), ("convert(varbinary(max),cast(-1.5 as decimal(9,2)))", bytes.fromhex("0902000096000000")),
    ("convert(varbinary(max),cast(1.5 as float))", bytes.fromhex("3FF8000000000000")), ("convert(varbinary(max),cast(1.5 as real))", bytes.fromhex("3FC00000")),
    ("convert(varbinary(max),cast(1 as money))", bytes.fromhex("0000000000002710")), ("convert(varbinary(max),cast('1900-01-02 00:00:01' as datetime))", bytes.fromhex("000000010000012C")),
    ("convert(varbinary(max),cast('2024-02-29' as date))", bytes.fromhex("80460B")), ("convert(varbinary(max),cast('00:00:01' as time(0)))", bytes.fromhex("00010000")),
    ("convert(varbinary(max),cast('0001-01-02 00:00:01' as datetime2(7)))", bytes.fromhex("07809698000001 0000")), ("convert(varbinary(max),cast(255 as tinyint))", b"\xff"),
    ("convert(varbinary(max),cast(-1 as smallint))", b"\xff\xff"), ("convert(varbinary(max),cast(1 as bit))", b"\x01"),
    ("convert(binary(8),cast(5 as bigint))", b"\0\0\0\0\0\0\0\x05"), ("convert(varbinary(max),cast('<a/>' as xml))", b"\xff\xfe<\0a\0/\0>\0"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), ARITHMETIC + STRINGS + DATES + BINARIES)
def test_value(client: Client, expression: str, expected: Any) -> None:
    """A selected expression has this value, of this Python type."""
    found = client.value(f"SELECT {expression}")
    assert found == expected
    if isinstance(expected, Decimal):
        assert isinstance(found, Decimal)
        assert found.as_tuple().exponent == expected.as_tuple().exponent


@pytest.mark.parametrize(("expression", "expected"), ARITHMETIC + STRINGS + DATES + BINARIES)
def test_value_of_a_column(client: Client, expression: str, expected: Any) -> None:
    """The same expression gives the same value through a derived table, a variable type and SELECT INTO."""
    if expected is None:
        return
    client.ok(f"DROP TABLE IF EXISTS #x; SELECT {expression} AS v INTO #x")
    assert client.value("SELECT v FROM #x") == expected


ERRORS = [
    ("1/0", 8134), ("1.0/0", 8134), ("1e0/0", 8134), ("1%0", 8134), ("2147483647+1", 8115), ("cast('abc' as int)", 245), ("cast('99999999999' as int)", 248),
    ("cast(300 as tinyint)", 220), ("cast('x' as decimal(5,2))", 8114), ("cast(1000 as decimal(3,1))", 8115), ("cast('2024-13-01' as date)", 241),
    ("cast('2024-13-01' as datetime)", 242), ("cast('x' as datetime)", 241), ("cast('x' as uniqueidentifier)", 8169), ("cast('1000-01-01' as datetime)", 242),
    ("cast(1e30 as int)", 8115), ("left('a',-1)", 536), ("nosuch(1)", 195), ("len()", 174), ("sqrt(-1)", 3623), ("datefromparts(2024,2,30)", 289),
    ("dateadd(year,9000,'2024-01-01')", 517), ("(select 1 union all select 2)", 512), ("cast('1' as nosuchtype)", 243), ("nope", 207), ("t.nope", 4104),
    ("cast(1 as date)", 206), ("'a'*2", 245), ("cast('a' as xml) + 'b'", 402), ("'a'-'b'", 8117), ("@nope", 137), ("cast(9999999999 as int)", 8115),
    ("cast(getdate() as date)+1", 206), ("sum('a')", 8117), ("max(1) over ()+nope", 207), ("cast('<a' as xml)", 9400), ("replicate('a',2) collate nonsense", 448),
    ("format(1,'N')", 50999), ("json_value('{}','$.a')", 50999), ("dbo.nofunction(1)", 4121), ("cast('2024-01-01 10:00:00.1234' as datetime)", 241),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "number"), ERRORS)
def test_error(client: Client, expression: str, number: int) -> None:
    """The expression fails with this number."""
    assert client.fails(f"SELECT {expression}") == [number]


TYPES = [
    ("1", "int"), ("2147483648", "decimal(10,0)"), ("1.50", "decimal(3,2)"), ("1e0", "float"), ("'ab'", "varchar(2)"), ("N'ab'", "nvarchar(2)"), ("0x01", "varbinary(1)"),
    ("$1", "money"), ("1+1.5", "decimal(3,1)"), ("cast(1 as decimal(10,2))*cast(1 as decimal(10,2))", "decimal(21,4)"), ("cast(1 as decimal(10,2))/cast(1 as decimal(10,2))", "decimal(23,13)"),
    ("cast(1 as decimal(38,10))*cast(1 as decimal(38,10))", "decimal(38,6)"), ("cast(1 as tinyint)+cast(1 as smallint)", "smallint"), ("cast(1 as int)+cast(1 as bigint)", "bigint"),
    ("cast(1 as int)+cast(1 as money)", "money"), ("case when 1=1 then 1 else 2.5 end", "decimal(11,1)"), ("case when 1=1 then 'a' else N'bcd' end", "nvarchar(3)"),
    ("count(*)", "int"), ("count_big(*)", "bigint"), ("sum(cast(1 as smallint))", "int"), ("sum(cast(1 as decimal(5,2)))", "decimal(38,2)"), ("avg(cast(1 as decimal(5,2)))", "decimal(38,6)"),
    ("avg(1)", "int"), ("sum(cast(1 as real))", "float"), ("getdate()", "datetime"), ("sysdatetime()", "datetime2(7)"), ("newid()", "uniqueidentifier"), ("len('a')", "int"),
    ("dateadd(day,1,cast('2024-01-01' as date))", "date"), ("datediff(day,1,2)", "int"), ("isnull(cast(null as varchar(5)),'abcdefgh')", "varchar(5)"), ("left('hello',2)", "varchar(2)"),
    ("row_number() over (order by (select 1))", "bigint"), ("cast(null as nvarchar(max))", "nvarchar(max)"), ("null", "int"), ("@@rowcount", "int"), ("@@spid", "smallint"), ("round(1.567,1)", "decimal(4,3)"),
    ("'a'+cast('b' as nvarchar(max))", "nvarchar(max)"), ("concat('a',1)", "varchar(41)"), ("cast('a' as varchar)", "varchar(30)"), ("scope_identity()", "decimal(38,0)"), ("hashbytes('MD5','a')", "varbinary(8000)"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), TYPES)
def test_type(client: Client, expression: str, expected: str) -> None:
    """A result column has this type."""
    from runbook.sandbox.language.types import display

    assert display(client.ok(f"SELECT {expression}").heads[0][0].type) == expected
