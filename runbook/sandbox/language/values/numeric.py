"""Conversions among numbers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.values import numbers, wire

Function = Callable[[Any], Any]


def number_of(kind: SqlType) -> Function:
    """From the physical form of an exact number to its scaled integer."""
    return numbers.decode if t.is_wide(kind) else int


def writer(target: SqlType, source: str = "expression") -> Callable[[int], Any]:
    """From a scaled integer of the target's scale to its physical form, with range check."""
    if target.name in t.INTEGERS:
        return _int_writer(target, source)
    if target.name in t.MONEY:
        limit = 2**63 if target.name == "money" else 2**31

        def to_money(value: int) -> int:
            if not -limit <= value < limit:
                raise numbers.overflow(source, target.name)
            return value

        return to_money
    bound, wide = 10 ** (target.precision or 18), t.is_wide(target)

    def to_decimal(value: int) -> Any:
        if not -bound < value < bound:
            raise numbers.overflow(source, "numeric")
        return numbers.encode(value) if wide else value

    return to_decimal


def _int_writer(target: SqlType, source: str) -> Callable[[int], int]:
    if target.name == "bit":
        return lambda v: int(v != 0)
    low, high = t.INT_RANGES[target.name]

    def to_int(value: int) -> int:
        if low <= value <= high:
            return value
        if target.name in ("tinyint", "smallint") and source in t.INTEGERS | {"expression"}:
            raise SqlError(220, f"Arithmetic overflow error for data type {target.name}, value = {value}.", 16, 2)
        raise numbers.overflow(source if source != "int" else "expression", target.name)

    return to_int


def from_number(source: SqlType, target: SqlType) -> Function:
    """Conversion between two number types."""
    if target.name in t.FLOATS:
        return _to_float(source, target)
    if source.name in t.FLOATS:
        return _from_float(source, target)
    read, write = number_of(source), writer(target, "numeric" if source.name in t.DECIMALS else source.name)
    from_scale, to_scale = t.scale_of(source), t.scale_of(target)
    if target.name == "bit":
        return lambda v: int(read(v) != 0)
    if target.name in t.INTEGERS and source.name in t.DECIMALS:
        return lambda v: write(numbers.truncate(read(v), from_scale))
    if from_scale <= to_scale:
        factor = 10 ** (to_scale - from_scale)
        return lambda v: write(read(v) * factor)
    return lambda v: write(numbers.rescale(read(v), from_scale, to_scale))


def _to_float(source: SqlType, target: SqlType) -> Function:
    if source.name in t.FLOATS:
        return wire.single if target.name == "real" else float
    read, scale = number_of(source), t.scale_of(source)
    finish = wire.single if target.name == "real" else float
    if not scale:
        return lambda v: finish(read(v))
    unit = 10**scale
    return lambda v: finish(read(v) / unit)


def _from_float(source: SqlType, target: SqlType) -> Function:
    write = writer(target, source.name)
    if target.name == "bit":
        return lambda v: int(v != 0)
    if target.name in t.INTEGERS:
        return lambda v: write(int(v))
    scale = t.scale_of(target)
    return lambda v: write(numbers.from_decimal(Decimal(repr(v)), scale))
