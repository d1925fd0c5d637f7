"""Literals with the types of T-SQL, and CASE over bound parts."""

from __future__ import annotations

from typing import Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, constant, merge_collation
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.values import binary, numbers, strings


def literal(node: n.Literal) -> Bound:
    """A literal with the type T-SQL gives it."""
    kind, value = node.kind, node.value
    if kind == "null":
        return Bound("NULL", t.NULL_TYPE, const=None)
    if kind == "int":
        return constant(value, t.INT)
    if kind in ("string", "nstring"):
        name, limit = ("nvarchar", 4000) if kind == "nstring" else ("varchar", 8000)
        text = value if kind == "nstring" else binary.ansi(value)
        size = strings.units(text)
        return constant(text, SqlType(name, t.MAX if size > limit else max(1, size)))
    if kind == "binary":
        return constant(value, t.varbinary(t.MAX if len(value) > 8000 else max(1, len(value))))
    if kind == "float":
        return constant(value, t.FLOAT)
    if kind == "money":
        return constant(numbers.from_decimal(value, 4), t.MONEY_TYPE)
    return _decimal_literal(value)


def _decimal_literal(value: Any) -> Bound:
    _, digits, exponent = value.as_tuple()
    scale = max(0, -exponent)
    whole = len(digits) + exponent
    precision = max(1, max(0, whole) + scale)
    if precision > 38:
        raise SqlError(
            1007, f"The number '{value}' is out of the range for numeric representation (maximum precision 38).", 15
        )
    kind = t.decimal_type(precision, scale)
    scaled = numbers.from_decimal(value, scale)
    return constant(numbers.encode(scaled) if t.is_wide(kind) else scaled, kind)


def case(tests: list[str], results: list[Bound]) -> Bound:
    """CASE over tests, with one result more than tests when there is an ELSE."""
    kinds = [r.type for r in results if not r.is_bare_null]
    if not kinds:
        raise SqlError(
            8133,
            "At least one of the result expressions in a CASE specification must be an expression other than "
            "the NULL constant.",
        )
    kind = kinds[0]
    for other in kinds[1:]:
        kind = t.common_type(kind, other)
    same = t.family(kind) == "string" and kind.name not in ("char", "nchar")
    values = [convert(r, kind) if not (same and t.family(r.type) == "string") else r for r in results]
    whens = " ".join(f"WHEN {test} THEN {value.sql}" for test, value in zip(tests, values, strict=False))
    has_else = len(values) > len(tests)
    tail = f" ELSE {values[-1].sql}" if has_else else ""
    coll, strength = merge_collation(*results)
    nullable = not has_else or any(r.nullable for r in results)
    return Bound(f"(CASE {whens}{tail} END)", kind, nullable, coll, strength, is_heavy=any(r.is_heavy for r in results))
