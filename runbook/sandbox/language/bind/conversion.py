"""Conversions in SQLite text: native where SQLite gives the same result, else a call of the Python function."""

from __future__ import annotations

from dataclasses import replace

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, constant
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.values import convert as values
from runbook.sandbox.language.values import strings


def convert(bound: Bound, target: SqlType) -> Bound:
    """Implicit conversion."""
    source = bound.type
    if source == target:
        return bound
    if bound.is_null:
        return Bound("NULL", target, const=None)
    values.check_implicit(source, target)
    return _converted(bound, target, 0, attempt=False)


def cast(bound: Bound, target: SqlType, style: int = 0, *, attempt: bool = False) -> Bound:
    """CAST, CONVERT and their TRY forms."""
    if bound.is_null:
        return Bound("NULL", target, const=None)
    if bound.type == target and not style:
        return bound
    return _converted(bound, target, style, attempt=attempt)


def _converted(bound: Bound, target: SqlType, style: int, *, attempt: bool) -> Bound:
    source = bound.type
    function = values.converter(source, target, style)
    if function is None:
        return replace(bound, type=target)
    if bound.is_const:
        try:
            value = None if bound.const is None else function(bound.const)
        except SqlError:
            value = bound.const if not attempt else None
            if not attempt:
                return _called(bound, target, style, attempt=False)
        return replace(constant(value, target), coll=bound.coll, strength=bound.strength)
    native = _native(bound, source, target)
    if native:
        return Bound(native, target, bound.nullable, is_heavy=bound.is_heavy)
    return _called(bound, target, style, attempt=attempt)


def _called(bound: Bound, target: SqlType, style: int, *, attempt: bool) -> Bound:
    source = bound.type

    def make() -> values.Function:
        function = values.converter(source, target, style) or values.identity
        return values.attempt(function) if attempt else function

    key = specs.intern(("cv", source, target, style, attempt), make)
    return Bound(
        f"_c({key},{bound.sql})",
        target,
        bound.nullable or attempt,
        bound.coll,
        bound.strength,
        is_heavy=bound.is_heavy,
    )


def _native(bound: Bound, source: SqlType, target: SqlType) -> str:
    """SQLite text for the conversions that cannot fail; empty for all others."""
    a, b = source.name, target.name
    if a in t.INTEGERS and b == "bit":
        return f"({bound.sql}<>0)"
    if a in t.INTEGERS and b in t.FLOATS and b != "real":
        return f"CAST({bound.sql} AS REAL)"
    exact = t.INTEGERS | t.DECIMALS | t.MONEY
    if a not in exact or b not in exact - t.INTEGERS or t.is_wide(source) or t.is_wide(target) or b in t.MONEY:
        return ""
    (p1, s1), (p2, s2) = t.as_decimal(source), t.as_decimal(target)
    if s2 < s1 or p2 - s2 < p1 - s1:
        return ""
    return f"({bound.sql}*{10 ** (s2 - s1)})" if s2 > s1 else bound.sql


def size_of(value: str | bytes) -> int:
    """Length of a literal as its type counts."""
    return strings.units(value) if isinstance(value, str) else len(value)


def assign(bound: Bound, target: SqlType, table: str, column: str) -> Bound:
    """Conversion of a written value: what would be cut is error 2628."""
    source = bound.type
    if bound.is_null:
        return Bound("NULL", target, const=None)
    values.check_implicit(source, target)
    if values.converter(source, target) is None:
        return bound.typed(target)
    checked = strings.assigner(source, target, table, column)
    if checked is None:
        return _converted(bound, target, 0, attempt=False)
    if bound.is_const and bound.const is not None and size_of(bound.const) <= (target.length or 0):
        return constant(checked(bound.const), target)
    key = specs.intern(("assign", source, target, table, column), lambda: checked)
    return Bound(f"_c({key},{bound.sql})", target, bound.nullable, is_heavy=bound.is_heavy)
