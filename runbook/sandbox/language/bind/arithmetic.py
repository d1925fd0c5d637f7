"""Operators + - * / % & | ^ ~ with the result types of T-SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, merge_collation
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.values import convert as values
from runbook.sandbox.language.values import dates, numbers
from runbook.sandbox.language.values.numeric import number_of, writer

_WORDS = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "%": "modulo",
    "&": "'&'",
    "|": "'|'",
    "^": "'^'",
}


def _invalid(op: str, left: SqlType, right: SqlType) -> SqlError:
    name = _WORDS[op]
    return SqlError(402, f"The data types {left.name} and {right.name} are incompatible in the {name} operator.")


def binary(op: str, left: Bound, right: Bound) -> Bound:
    """One arithmetic operator."""
    families = {t.family(left.type), t.family(right.type)}
    if left.is_bare_null and right.is_bare_null:
        return Bound("NULL", t.NULL_TYPE, const=None)
    if left.is_bare_null or right.is_bare_null:
        families = {t.family((right if left.is_bare_null else left).type)}
    if op == "+" and families == {"string"}:
        return concat(left, right)
    if op == "+" and families == {"binary"}:
        return _concat_binary(left, right)
    if "date" in families:
        return _with_dates(op, left, right)
    if families == {"binary", "number"}:
        return _binary_number(op, left, right)
    if not families <= {"number", "string"} or families == {"string"}:
        if families == {"string"} and op in "-*/%":
            raise SqlError(8117, f"Operand data type {left.type.name} is invalid for {_WORDS[op]} operator.")
        raise _invalid(op, left.type, right.type)
    return _numbers(op, left, right)


def concat(left: Bound, right: Bound) -> Bound:
    """Character strings put together."""
    kind = t.common_type(left.type, right.type)
    if kind.name in ("text", "ntext"):
        raise _invalid("+", left.type, right.type)
    lengths = [x.length for x in (left.type, right.type) if x.name in t.STRINGS]
    national = kind.name in t.N_STRINGS
    length = (
        t.MAX
        if t.MAX in lengths
        else t.bound_length("nvarchar" if national else "varchar", sum(x or 0 for x in lengths))
    )
    result = SqlType("nvarchar" if national else "varchar", length)
    coll, strength = merge_collation(left, right)
    sql = f"({left.sql}||{right.sql})"
    if length != t.MAX and sum(x or 0 for x in lengths) > length:
        sql = f"substr({sql},1,{length})"
    heavy = left.is_heavy or right.is_heavy
    return Bound(sql, result, left.nullable or right.nullable, coll, strength, is_heavy=heavy)


def _join(left: bytes, right: bytes) -> bytes:
    return left + right


def _concat_binary(left: Bound, right: Bound) -> Bound:
    lengths = [8 if x.name == "timestamp" else x.length or t.MAX for x in (left.type, right.type)]
    length = t.MAX if t.MAX in lengths else min(8000, sum(lengths))
    sql = f"_n({specs.number(_join)},{left.sql},{right.sql})"
    return Bound(sql, t.varbinary(length), left.nullable or right.nullable, is_heavy=left.is_heavy or right.is_heavy)


def _binary_number(op: str, left: Bound, right: Bound) -> Bound:
    number = left if t.family(left.type) == "number" else right
    if op not in "&|^+-" or number.type.name not in t.INTEGERS:
        raise _invalid(op, left.type, right.type)
    kind = number.type if number.type.name != "bit" else t.INT
    return _numbers(op, convert(left, kind), convert(right, kind))


# --- dates -------------------------------------------------------------------------------------------------


def _with_dates(op: str, left: Bound, right: Bound) -> Bound:
    kinds = [x for x in (left, right) if t.family(x.type) == "date" and not x.is_bare_null]
    if op not in "+-" or any(k.type.name not in ("datetime", "smalldatetime") for k in kinds):
        kind = next(k.type for k in kinds if k.type.name not in ("datetime", "smalldatetime") or op not in "+-")
        if op in "+-":
            other = right.type if kind == left.type else left.type
            raise SqlError(206, f"Operand type clash: {other.name} is incompatible with {kind.name}", 16, 2)
        raise SqlError(8117, f"Operand data type {kind.name} is invalid for {_WORDS[op]} operator.")
    result = t.common_type(*(k.type for k in kinds)) if len(kinds) > 1 else kinds[0].type
    first, second = convert(left, result), convert(right, result)
    key = specs.intern(("datearith", op, result.name), lambda: _date_function(op, result.name))
    return Bound(f"_n({key},{first.sql},{second.sql})", result, left.nullable or right.nullable)


def _date_function(op: str, name: str) -> Callable[[int, int], int]:
    finish = values.converter(t.DATETIME2, SqlType(name)) or values.identity

    def compute(left: int, right: int) -> int:
        moved = right - dates.BASE_1900
        found = left + moved if op == "+" else left - moved
        if not 0 <= found < dates.END:
            raise SqlError(517, f"Adding a value to a '{name}' column caused an overflow.")
        return int(finish(found))

    return compute


# --- numbers -----------------------------------------------------------------------------------------------


def _numbers(op: str, left: Bound, right: Bound) -> Bound:
    kind = _number_type(left, right)
    if op in "&|^":
        return _bitwise(op, left, right, kind)
    if kind.name in t.FLOATS:
        return _floats(op, convert(left, kind), convert(right, kind), kind)
    if kind.name in t.INTEGERS:
        kind = t.INT if kind.name == "bit" else kind
        return _integers(op, convert(left, kind), convert(right, kind), kind)
    if kind.name in t.MONEY:
        return _exact(op, convert(left, kind), convert(right, kind), kind)
    return _decimals(op, _decimal_side(left, right), _decimal_side(right, left))


def _number_type(left: Bound, right: Bound) -> SqlType:
    kinds = [x.type for x in (left, right) if t.family(x.type) == "number" and not x.is_bare_null]
    return t.common_type(kinds[0], kinds[1]) if len(kinds) > 1 else kinds[0]


def _decimal_side(bound: Bound, other: Bound) -> Bound:
    """An operand as decimal; an integer literal has only the digits it shows."""
    if bound.type.name in t.DECIMALS:
        return bound
    if t.family(bound.type) == "string":
        return convert(bound, other.type)
    precision, scale = t.as_decimal(bound.type)
    if bound.is_const and bound.const is not None and bound.type.name in t.INTEGERS:
        precision = max(1, len(str(abs(bound.const))))
    return (
        convert(bound, t.decimal_type(precision, scale))
        if not bound.is_bare_null
        else bound.typed(t.decimal_type(1, 0))
    )


def _bitwise(op: str, left: Bound, right: Bound, kind: SqlType) -> Bound:
    if kind.name not in t.INTEGERS:
        raise _invalid(op, left.type, right.type)
    a, b = convert(left, kind).sql, convert(right, kind).sql
    sql = f"(({a}|{b})-({a}&{b}))" if op == "^" else f"({a}{op}{b})"
    return Bound(sql, kind, left.nullable or right.nullable)


def _range_check(name: str) -> Callable[[Any], int]:
    low, high = t.INT_RANGES[name]

    def check(value: Any) -> int:
        if isinstance(value, int) and low <= value <= high:
            return value
        raise numbers.overflow("expression", name)

    return check


def _divide(left: int, right: int) -> int:
    if right == 0:
        raise SqlError(8134, "Divide by zero error encountered.")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _modulo(left: int, right: int) -> int:
    if right == 0:
        raise SqlError(8134, "Divide by zero error encountered.")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def range_checked(sql: str, kind: SqlType, nullable: bool) -> Bound:
    """Integer arithmetic done by SQLite, its result checked against the type (8115)."""
    key = specs.intern(("range", kind.name), lambda: _range_check(kind.name))
    return Bound(f"_c({key},{sql})", kind, nullable)


def _integers(op: str, left: Bound, right: Bound, kind: SqlType) -> Bound:
    nullable = left.nullable or right.nullable
    if op == "%" and right.is_const and right.const:
        return Bound(f"({left.sql}%{right.sql})", kind, nullable)
    if op == "/" and right.is_const and right.const and right.const > 0:
        return Bound(f"({left.sql}/{right.sql})", kind, nullable)
    if op in "/%":
        function = _divide if op == "/" else _modulo
        return range_checked(f"_n({specs.number(function)},{left.sql},{right.sql})", kind, nullable)
    return range_checked(f"({left.sql}{op}{right.sql})", kind, nullable)


def _finite(value: float) -> float:
    if value - value != 0:
        raise numbers.overflow("expression", "float")
    return value


def _divide_float(left: float, right: float) -> float:
    if right == 0:
        raise SqlError(8134, "Divide by zero error encountered.")
    return _finite(left / right)


def _floats(op: str, left: Bound, right: Bound, kind: SqlType) -> Bound:
    nullable = left.nullable or right.nullable
    if op == "%":
        raise SqlError(402, "The data types float and float are incompatible in the modulo operator.")
    if op == "/":
        sql = f"_n({specs.number(_divide_float)},{left.sql},{right.sql})"
    else:
        sql = f"_c({specs.number(_finite)},{left.sql}{op}{right.sql})"
    if kind.name == "real":
        return convert(Bound(sql, t.FLOAT, nullable), kind)
    return Bound(sql, kind, nullable)


def result_decimal(op: str, left: SqlType, right: SqlType) -> SqlType:
    """Precision and scale of a result, cut to 38 digits as the documentation says."""
    (p1, s1), (p2, s2) = t.as_decimal(left), t.as_decimal(right)
    if op in "+-":
        scale = max(s1, s2)
        precision = max(p1 - s1, p2 - s2) + scale + 1
    elif op == "*":
        scale, precision = s1 + s2, p1 + p2 + 1
    elif op == "/":
        scale = max(6, s1 + p2 + 1)
        precision = p1 - s1 + s2 + scale
    else:
        scale = max(s1, s2)
        precision = min(p1 - s1, p2 - s2) + scale
    if precision <= 38:
        return t.decimal_type(max(precision, 1), scale)
    whole = precision - scale
    if op in "+-":
        return t.decimal_type(38, max(0, min(scale, 38 - min(whole - 1, 38))))
    cut = 38 - whole
    return t.decimal_type(38, min(scale, 6) if cut < 6 else min(scale, cut))


def _decimals(op: str, left: Bound, right: Bound) -> Bound:
    kind = result_decimal(op, left.type, right.type)
    narrow = not (t.is_wide(kind) or t.is_wide(left.type) or t.is_wide(right.type))
    if narrow and op in "+-*":
        sides = [left.sql, right.sql]
        if op in "+-":
            for i, side in enumerate((left, right)):
                gap = (kind.scale or 0) - (side.type.scale or 0)
                sides[i] = f"{side.sql}*{10**gap}" if gap else side.sql
        return Bound(f"({sides[0]}{op}{sides[1]})", kind, left.nullable or right.nullable)
    return _exact(op, left, right, kind)


def _exact(op: str, left: Bound, right: Bound, kind: SqlType) -> Bound:
    a, b = left.type, right.type
    key = specs.intern(("exact", op, a, b, kind), lambda: _exact_function(op, a, b, kind))
    return Bound(f"_n({key},{left.sql},{right.sql})", kind, left.nullable or right.nullable)


def _exact_function(op: str, left: SqlType, right: SqlType, kind: SqlType) -> Callable[[Any, Any], Any]:
    read_left, read_right = number_of(left), number_of(right)
    write = writer(kind, "expression")
    s1, s2, scale = t.scale_of(left), t.scale_of(right), t.scale_of(kind)
    wide = max(s1, s2)

    def compute(first: Any, second: Any) -> Any:
        a, b = read_left(first), read_right(second)
        if op == "*":
            return write(numbers.rescale(a * b, s1 + s2, scale))
        if op == "/":
            if b == 0:
                raise SqlError(8134, "Divide by zero error encountered.")
            return write(_divide(a * 10 ** (scale + s2), b * 10**s1))
        a, b = a * 10 ** (wide - s1), b * 10 ** (wide - s2)
        found = a + b if op == "+" else a - b if op == "-" else _modulo(a, b)
        return write(numbers.rescale(found, wide, scale))

    return compute


def negate(operand: Bound) -> Bound:
    """Unary minus."""
    kind = operand.type
    if kind.name in t.INTEGERS:
        result = t.INT if kind.name in ("bit", "tinyint") and kind.name == "bit" else kind
        return range_checked(f"(-{operand.sql})", t.SMALLINT if kind.name == "tinyint" else result, operand.nullable)
    if kind.name in t.FLOATS:
        return Bound(f"(-{operand.sql})", kind, operand.nullable)
    if kind.name in t.DECIMALS or kind.name in t.MONEY:
        if not t.is_wide(kind):
            return Bound(f"(-{operand.sql})", kind, operand.nullable)
        zero = Bound("0", t.decimal_type(1, kind.scale or 0))
        return _exact("-", zero, operand, kind)
    raise SqlError(8117, f"Operand data type {kind.name} is invalid for minus operator.")


def complement(operand: Bound) -> Bound:
    """Bitwise NOT."""
    kind = operand.type
    if kind.name not in t.INTEGERS:
        raise SqlError(8117, f"Operand data type {kind.name} is invalid for '~' operator.")
    sql = {"bit": f"(1-{operand.sql})", "tinyint": f"(255-{operand.sql})"}.get(kind.name, f"(~{operand.sql})")
    return Bound(sql, kind, operand.nullable)
