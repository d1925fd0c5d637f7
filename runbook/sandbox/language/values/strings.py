"""Conversions from and to character strings, and the lengths of strings and binaries."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from xml.parsers import expat

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.values import binary, numbers
from runbook.sandbox.language.values.numeric import from_number, number_of, writer

Function = Callable[[Any], Any]

_INTEGER = re.compile(r"[+-]?\d+$")
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)$")
_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$")
_MONEY = re.compile(r"([+-]?)[$£€]?([+-]?)(?:\d[\d,]*\.?\d*|\.\d+)$")


def units(text: str) -> int:
    """Length in UTF-16 units, which is what lengths of n-types count."""
    return len(text) if text.isascii() else len(text) + sum(c > "\uffff" for c in text)


def cut(text: str, start: int, length: int) -> str:
    """``length`` units from unit ``start`` (0-based) on."""
    if text.isascii() or all(c <= "\uffff" for c in text):
        return text[start : start + length]
    raw = text.encode("utf-16-le", "surrogatepass")
    return raw[start * 2 : (start + length) * 2].decode("utf-16-le", "replace")


def fitter(target: SqlType) -> Callable[[str], str]:
    """Cut to the length of the type, pad the fixed ones, lose what code page 1252 does not have."""
    length, name = target.length, target.name
    narrow = binary.ansi if name not in t.N_STRINGS else None
    if length in (None, t.MAX):
        return narrow or str
    assert length is not None
    size = length
    if narrow is not None:
        if name == "char":
            return lambda v: narrow(v)[:size].ljust(size)
        return lambda v: narrow(v)[:size]
    if name == "nchar":
        return lambda v: pad(cut(v, 0, size), size)
    return lambda v: v if len(v) * 2 <= size else cut(v, 0, size)


def pad(text: str, size: int) -> str:
    """Blanks up to ``size`` units."""
    return text + " " * (size - units(text))


def binary_fitter(target: SqlType, *, from_left: bool) -> Callable[[bytes], bytes]:
    """Cut or pad to the length; numbers lose their high bytes first."""
    length = 8 if target.name == "timestamp" else target.length
    fixed = target.name in ("binary", "timestamp")
    if length in (None, t.MAX):
        return bytes
    assert length is not None
    if from_left:
        return (lambda v: v[-length:].rjust(length, b"\0")) if fixed else (lambda v: v[-length:])
    return (lambda v: v[:length].ljust(length, b"\0")) if fixed else (lambda v: v[:length])


def string_to_string(_source: SqlType, target: SqlType, _style: int) -> Function:
    """Between string types."""
    return fitter(target)


def number_to_string(source: SqlType, target: SqlType, style: int) -> Function:
    """Numbers as text; what does not fit is an error, or an asterisk for integers in varchar."""
    text = _number_text(source, style)
    fit, length = fitter(target), target.length
    if length in (None, t.MAX):
        return lambda v: fit(text(v))
    assert length is not None
    star = source.name in t.INTEGERS and target.name in ("char", "varchar")

    def convert(value: Any) -> str:
        found = text(value)
        if len(found) <= length:
            return fit(found)
        if star:
            return fit("*")
        label = "numeric" if source.name in t.DECIMALS else source.name if source.name in t.FLOATS else "expression"
        raise numbers.overflow(label, target.name)

    return convert


def _number_text(source: SqlType, style: int) -> Callable[[Any], str]:
    if source.name in t.INTEGERS:
        return str
    if source.name in t.FLOATS:
        return lambda v: numbers.float_text(v, style)
    if source.name in t.MONEY:
        return lambda v: numbers.money_text(v, style)
    read, scale = number_of(source), source.scale or 0
    return lambda v: numbers.text(read(v), scale)


def string_to_number(source: SqlType, target: SqlType, _style: int) -> Function:
    """Text as a number."""
    if target.name in t.INTEGERS:
        return _to_integer(source, target)
    if target.name in t.FLOATS:
        return _to_float(source, target)
    if target.name in t.MONEY:
        return _to_money(source, target)
    write, scale = writer(target, source.name), t.scale_of(target)

    def convert(text: str) -> Any:
        stripped = text.strip(" ")
        if not _DECIMAL.match(stripped):
            raise SqlError(8114, f"Error converting data type {source.name} to numeric.", 16, 5)
        return write(numbers.from_decimal(Decimal(stripped), scale))

    return convert


def _failed(source: SqlType, text: str, target: str) -> SqlError:
    return SqlError(245, f"Conversion failed when converting the {source.name} value '{text}' to data type {target}.")


def _to_integer(source: SqlType, target: SqlType) -> Function:
    low, high = t.INT_RANGES[target.name]
    name = target.name

    def convert(text: str) -> int:
        stripped = text.strip()
        if name == "bit" and stripped.lower() in ("true", "false"):
            return int(stripped.lower() == "true")
        if stripped in ("", "+", "-"):
            return 0
        if not _INTEGER.match(stripped):
            if name == "bigint":
                raise SqlError(8114, f"Error converting data type {source.name} to bigint.", 16, 5)
            raise _failed(source, text, name)
        value = int(stripped)
        if name == "bit":
            return int(value != 0)
        if low <= value <= high:
            return value
        raise _int_overflow(source, text, name)

    return convert


def _int_overflow(source: SqlType, text: str, name: str) -> SqlError:
    if name == "bigint":
        return numbers.overflow("expression", "bigint")
    text = f"The conversion of the {source.name} value '{text}' overflowed an "
    if name == "int":
        return SqlError(248, text + "int column.")
    short = "INT1" if name == "tinyint" else "INT2"
    return SqlError(244, text + f"{short} column. Use a larger integer column.")


def _to_float(source: SqlType, target: SqlType) -> Function:
    finish = from_number(t.FLOAT, target) if target.name == "real" else float

    def convert(text: str) -> float:
        stripped = text.strip()
        if not stripped:
            return 0.0
        if not _FLOAT.match(stripped):
            raise SqlError(8114, f"Error converting data type {source.name} to {target.name}.", 16, 5)
        value = float(stripped)
        if value in (float("inf"), float("-inf")):
            raise numbers.overflow(source.name, target.name)
        return float(finish(value))

    return convert


def _to_money(source: SqlType, target: SqlType) -> Function:
    write = writer(target, source.name)

    def convert(text: str) -> int:
        stripped = text.strip()
        if not stripped:
            return 0
        if not _MONEY.match(stripped):
            raise SqlError(235, f"Cannot convert a char value to {target.name}. The char value has incorrect syntax.")
        cleaned = re.sub(r"[$£€,]", "", stripped)
        return int(write(numbers.from_decimal(Decimal(cleaned), 4)))

    return convert


def guid(text: str) -> str | None:
    """The canonical form of a uniqueidentifier, None when it is not one."""
    text = text.strip().strip("{}")[:36]
    if not re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text):
        return None
    return str(uuid.UUID(text)).upper()


def hex_reader(style: int) -> Callable[[str], bytes]:
    """Hexadecimal text to bytes: style 1 with 0x, style 2 without."""

    def convert(text: str) -> bytes:
        digits = text.strip()
        if style == 1 and digits[:2].lower() != "0x":
            raise _hex_failed()
        try:
            return bytes.fromhex(digits[2:] if style == 1 else digits)
        except ValueError:
            raise _hex_failed() from None

    return convert


def _hex_failed() -> SqlError:
    return SqlError(8114, "Error converting data type varchar to varbinary.", 16, 5)


def xml(text: str) -> str:
    """A well-formed fragment; the declaration is dropped, as SQL Server drops it."""
    body = re.sub(r"^﻿?\s*<\?xml[^>]*\?>\s*", "", text)
    parser = expat.ParserCreate()
    try:
        parser.Parse(f"<r>{body}</r>", True)
    except expat.ExpatError as error:
        line, character = error.lineno, error.offset
        raise SqlError(9400, f"XML parsing: line {line}, character {character}, unexpected end of input") from None
    return body


def assigner(source: SqlType, target: SqlType, table: str, column: str) -> Callable[[str], str] | None:
    """For INSERT and UPDATE: error 2628 instead of a silent cut. None where nothing can be lost."""
    if target.length in (None, t.MAX):
        return None
    length = target.length or 0
    if source.name in t.STRINGS and target.name in t.STRINGS:
        fit = fitter(target)

        def checked(value: str) -> str:
            if len(value) * 2 > length and units(value.rstrip(" ")) > length:
                raise truncated(table, column, cut(value, 0, length).rstrip("\ufffd"))
            return fit(value)

        return checked
    if source.name in t.BINARIES and target.name in t.BINARIES:
        fit_bytes = binary_fitter(target, from_left=False)

        def checked_bytes(value: Any) -> Any:
            if len(value) > length:
                raise truncated(table, column, "")
            return fit_bytes(value)

        return checked_bytes
    return None


def truncated(table: str, column: str, value: str) -> SqlError:
    """Error 2628."""
    return SqlError(
        2628,
        f"String or binary data would be truncated in table '{table}', column '{column}'. Truncated value: '{value}'.",
    )
