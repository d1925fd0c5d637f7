"""Conversions between types, on physical values.

:func:`converter` gives a function for one pair of types; it is never called with NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import binary, dates, strings, wire
from runbook.sandbox.language.values.numeric import from_number, number_of

Function = Callable[[Any], Any]


def identity(value: Any) -> Any:
    """The value as it is."""
    return value


def clash(source: SqlType, target: SqlType) -> SqlError:
    """Error 206."""
    return SqlError(206, f"Operand type clash: {_name(source)} is incompatible with {_name(target)}", 16, 2)


def _name(kind: SqlType) -> str:
    return {"timestamp": "timestamp", "decimal": "numeric"}.get(kind.name, kind.name)


def not_implicit(source: SqlType, target: SqlType) -> SqlError:
    """Error 257."""
    return SqlError(
        257,
        f"Implicit conversion from data type {_name(source)} to {_name(target)} is not allowed. "
        "Use the CONVERT function to run this query.",
        16,
        3,
    )


def not_explicit(source: SqlType, target: SqlType) -> SqlError:
    """Error 529."""
    return SqlError(
        529, f"Explicit conversion from data type {_name(source)} to {_name(target)} is not allowed.", 16, 2
    )


# --- dates -------------------------------------------------------------------------------------------------


def _finish_date(kind: SqlType, source: str) -> Callable[[int], Any]:
    """From exact ticks (of local time) to a date type without offset."""
    name, scale = kind.name, 7 if kind.scale is None else kind.scale
    if name == "date":
        return lambda v: v // dates.DAY * dates.DAY
    if name == "time":
        return lambda v: dates.round_ticks(v % dates.DAY, scale) % dates.DAY
    if name == "datetime2":
        return lambda v: dates.round_ticks(v, scale)

    def bounded(value: int) -> int:
        low, high = (dates.MIN_DATETIME, dates.END) if name == "datetime" else (dates.BASE_1900, dates.END_SMALL)
        if not low <= value < high:
            raise dates.out_of_range(source, name)
        return dates.round_datetime(value) if name == "datetime" else dates.round_small(value)

    return bounded


def _string_to_date(source: SqlType, target: SqlType, style: int) -> Function:
    finish = _finish_date(target, source.name) if target.name != "datetimeoffset" else None
    name = target.name
    digits = 3 if name in ("datetime", "smalldatetime") else 7

    def convert(text: str) -> Any:
        day, clock, offset = dates.parse(text, style)
        if day == -1 or clock == -1:
            raise dates.out_of_range(source.name, name) if name in ("datetime", "smalldatetime") else dates.bad_date()
        if offset is not None and name in ("datetime", "smalldatetime"):
            raise dates.bad_date()
        if digits == 3 and _fraction(text) > 3:
            raise dates.bad_date()
        ticks = (dates.BASE_1900 if day is None else day) + (clock or 0)
        if finish is not None:
            return finish(ticks)
        minutes = offset or 0
        return dates.join_offset(dates.round_ticks(ticks, target.scale or 0) - minutes * dates.MINUTE, minutes)

    return convert


def _fraction(text: str) -> int:
    _, point, rest = text.rpartition(".")
    if not point or ":" not in text:
        return 0
    return len(rest) - len(rest.lstrip("0123456789"))


def _date_to_date(source: SqlType, target: SqlType, _style: int) -> Function:
    if {source.name, target.name} == {"date", "time"}:
        raise clash(source, target)
    base = dates.BASE_1900 if source.name == "time" and target.name != "time" else 0
    if source.name == "datetimeoffset":
        return _from_offset(source, target)
    if target.name == "datetimeoffset":
        scale = target.scale or 0
        return lambda v: dates.join_offset(dates.round_ticks(v + base, scale), 0)
    finish = _finish_date(target, source.name)
    return lambda v: finish(v + base)


def _from_offset(source: SqlType, target: SqlType) -> Function:
    scale = target.scale or 0
    if target.name == "datetimeoffset":

        def rounded(stored: str) -> str:
            utc, offset = dates.split_offset(stored)
            return dates.join_offset(dates.round_ticks(utc, scale), offset)

        return rounded
    finish = _finish_date(target, source.name)

    def local(stored: str) -> Any:
        utc, offset = dates.split_offset(stored)
        return finish(utc + offset * dates.MINUTE)

    return local


def _date_to_string(source: SqlType, target: SqlType, style: int) -> Function:
    name = source.name
    digits = {"datetime": 3, "smalldatetime": 0, "date": 0}.get(name, source.scale or 0)
    if style == 0 and name not in ("datetime", "smalldatetime"):
        style = 121
    fit = strings.fitter(target)
    if name != "datetimeoffset":
        return lambda v: fit(dates.styled(v, style, digits, name))

    def with_offset(stored: str) -> Any:
        utc, minutes = dates.split_offset(stored)
        if style == 127:
            return fit(dates.iso(utc, digits, "T") + "Z")
        text = dates.styled(utc + minutes * dates.MINUTE, style, digits, "datetime2")
        gap = "" if style == 126 else " "
        return fit(text + (gap + dates.offset_text(minutes) if style in (20, 21, 25, 120, 121, 126) else ""))

    return with_offset


def _number_to_date(source: SqlType, target: SqlType, _style: int) -> Function:
    if target.name not in ("datetime", "smalldatetime"):
        raise clash(source, target)
    finish, scale = _finish_date(target, source.name), t.scale_of(source)
    if source.name in t.FLOATS:
        return lambda v: finish(dates.BASE_1900 + round(v * dates.DAY))
    read = number_of(source)
    return lambda v: finish(dates.BASE_1900 + read(v) * dates.DAY // 10**scale)


def _date_to_number(source: SqlType, target: SqlType, _style: int) -> Function:
    if source.name not in ("datetime", "smalldatetime"):
        raise clash(source, target)
    if target.name in t.FLOATS:
        return lambda v: (v - dates.BASE_1900) / dates.DAY
    if target.name in t.INTEGERS:
        write = from_number(t.INT, target)
        return lambda v: write((v - dates.BASE_1900 + dates.DAY // 2) // dates.DAY)
    write = from_number(t.decimal_type(38, 12), target)
    return lambda v: write((v - dates.BASE_1900) * 10**12 // dates.DAY)


# --- guid, binary, xml, variant ----------------------------------------------------------------------------


def _string_to_guid(_source: SqlType, _target: SqlType, _style: int) -> Function:
    def convert(text: str) -> str:
        found = strings.guid(text)
        if found is None:
            raise SqlError(
                8169, "Conversion failed when converting from a character string to uniqueidentifier.", 16, 2
            )
        return found

    return convert


def _guid_to_string(_source: SqlType, target: SqlType, _style: int) -> Function:
    if target.length is not None and 0 <= target.length < 36:

        def refuse(_value: Any) -> Any:
            raise SqlError(8170, "Insufficient result space to convert uniqueidentifier value to char.", 16, 2)

        return refuse
    return strings.fitter(target)


def _to_binary(source: SqlType, target: SqlType, style: int) -> Function:
    if style in (1, 2) and source.name in t.STRINGS:
        read: Function = strings.hex_reader(style)
    else:
        read = binary.to_bytes(source)
    fit = strings.binary_fitter(target, from_left=source.name in t.NUMBERS or source.name in t.DATES)
    return lambda v: fit(read(v))


def _from_binary(source: SqlType, target: SqlType, style: int) -> Function:
    if target.name in t.BINARIES:
        return strings.binary_fitter(target, from_left=False)
    if target.name in t.STRINGS and style in (1, 2):
        fit = strings.fitter(target)
        prefix = "0x" if style == 1 else ""
        return lambda v: fit(prefix + v.hex().upper())
    if target.name in t.STRINGS:
        decode, fit = binary.from_bytes(target), strings.fitter(target)
        return lambda v: fit(decode(v))
    if target.name == "xml":
        return lambda v: strings.xml(v.decode("utf-16" if v[:2] == b"\xff\xfe" else "utf-8", "replace"))
    if target.name in t.DECIMALS or target.name in t.FLOATS:
        raise not_explicit(source, target)
    return binary.from_bytes(target)


def _variant_to(_source: SqlType, target: SqlType, style: int) -> Function:
    def convert(value: Any) -> Any:
        kind = variant_type(value)
        found = converter(kind, target, style)
        return value if found is None else found(value)

    return convert


def variant_type(value: Any) -> SqlType:
    """The type a sql_variant value has here."""
    if isinstance(value, int):
        return t.BIGINT
    if isinstance(value, float):
        return t.FLOAT
    if isinstance(value, bytes):
        return t.VARBINARY_MAX
    return t.NVARCHAR_MAX


def _same_number(source: SqlType, target: SqlType, _style: int) -> Function:
    return from_number(source, target)


_RULES: dict[tuple[str, str], Callable[[SqlType, SqlType, int], Function]] = {
    ("number", "number"): _same_number,
    ("number", "string"): strings.number_to_string,
    ("string", "number"): strings.string_to_number,
    ("string", "string"): strings.string_to_string,
    ("string", "date"): _string_to_date,
    ("date", "string"): _date_to_string,
    ("date", "date"): _date_to_date,
    ("number", "date"): _number_to_date,
    ("date", "number"): _date_to_number,
    ("string", "guid"): _string_to_guid,
    ("guid", "string"): _guid_to_string,
    ("string", "binary"): _to_binary,
    ("number", "binary"): _to_binary,
    ("date", "binary"): _to_binary,
    ("guid", "binary"): _to_binary,
    ("xml", "binary"): _to_binary,
    ("binary", "binary"): _from_binary,
    ("binary", "string"): _from_binary,
    ("binary", "number"): _from_binary,
    ("binary", "date"): _from_binary,
    ("binary", "guid"): _from_binary,
    ("binary", "xml"): _from_binary,
    ("string", "xml"): lambda _s, _t, _y: strings.xml,
    ("xml", "string"): lambda _s, target, _y: strings.fitter(target),
}
_EXPLICIT_ONLY = frozenset(
    {
        ("string", "binary"),
        ("date", "number"),
        ("date", "binary"),
        ("xml", "string"),
        ("xml", "binary"),
        ("binary", "xml"),
    }
)


def check_implicit(source: SqlType, target: SqlType) -> None:
    """Error 257 when the pair needs CONVERT."""
    pair = (t.family(source), t.family(target))
    if pair in _EXPLICIT_ONLY:
        raise not_implicit(source, target)
    if source.name in ("text", "ntext", "image") and pair[0] != pair[1]:
        raise not_implicit(source, target)


@lru_cache(maxsize=8192)
def converter(source: SqlType, target: SqlType, style: int = 0) -> Function | None:
    """The conversion function, or None where every value stays as it is."""
    if source in (target, t.NULL_TYPE):
        return None
    pair = (t.family(source), t.family(target))
    if pair[1] == "variant":
        return _to_variant(source)
    if pair[0] == "variant":
        return _variant_to(source, target, style)
    if pair == ("xml", "xml") or unchanged(source, target):
        return None
    rule = _RULES.get(pair)
    if rule is None:
        raise clash(source, target) if pair[0] != "xml" else not_explicit(source, target)
    return rule(source, target, style)


def _to_variant(source: SqlType) -> Function | None:
    if source.name in t.INTEGERS or source.name in t.FLOATS or source.name in t.STRINGS or source.name in t.BINARIES:
        return None
    if source.name in t.DECIMALS and not (source.scale or 0):
        return number_of(source)
    raise unsupported(f"{source.name} as sql_variant")


def unchanged(source: SqlType, target: SqlType) -> bool:
    """Whether no value of one type changes on its way to the other."""
    a, b = source.name, target.name
    if a in t.INTEGERS and b in t.INTEGERS:
        return t.INT_RANGES[b][0] <= t.INT_RANGES[a][0] and t.INT_RANGES[a][1] <= t.INT_RANGES[b][1]
    if a in t.STRINGS and b in t.STRINGS:
        return _string_unchanged(source, target)
    if a in t.BINARIES and b in t.BINARIES:
        return b not in ("binary", "timestamp") and _fits(source, target)
    if a in t.DATES and b in ("datetime2",) and a not in ("time", "datetimeoffset"):
        needed = {"date": 0, "smalldatetime": 0, "datetime": 7}.get(a, source.scale or 0)
        return (target.scale or 0) >= needed
    return a == "real" and b == "float"


def _string_unchanged(source: SqlType, target: SqlType) -> bool:
    if target.name in ("char", "nchar"):
        return (
            source.name in ("char", "nchar")
            and source.length == target.length
            and (target.name in (source.name, "nchar"))
        )
    narrowing = source.name in t.N_STRINGS and target.name not in t.N_STRINGS
    return not narrowing and _fits(source, target)


def _fits(source: SqlType, target: SqlType) -> bool:
    if target.length in (None, t.MAX):
        return True
    size = 8 if source.name == "timestamp" else source.length
    return size is not None and size != t.MAX and size <= (target.length or 0)


def attempt(function: Function) -> Function:
    """TRY_CONVERT: NULL instead of an error."""

    def tried(value: Any) -> Any:
        try:
            return function(value)
        except SqlError:
            return None

    return tried


def python_value(value: Any, kind: SqlType) -> Any:
    """A physical value as the contract's Python object."""
    function = None if value is None else wire.to_wire(kind)
    return value if function is None else function(value)


def physical_value(value: Any, kind: SqlType) -> Any:
    """A Python object as physical value."""
    return None if value is None else wire.from_wire(kind)(value)


def cast_value(value: Any, source: SqlType, target: SqlType, style: int = 0) -> Any:
    """Convert one physical value, NULL included."""
    function = converter(source, target, style)
    return value if value is None or function is None else function(value)


def timestamp_bytes(value: int) -> bytes:
    """A rowversion."""
    return value.to_bytes(8, "big")
