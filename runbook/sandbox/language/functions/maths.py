"""Mathematical functions."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.functions.registry import check_count, handler, scalar
from runbook.sandbox.language.values import numbers
from runbook.sandbox.language.values.numeric import number_of, writer

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder


def _guarded(function: Callable[..., float]) -> Callable[..., float]:
    def compute(*args: float) -> float:
        try:
            found = function(*args)
        except OverflowError:
            raise numbers.overflow("expression", "float") from None
        except (ValueError, ZeroDivisionError):
            raise SqlError(3623, "An invalid floating point operation occurred.") from None
        if isinstance(found, complex) or math.isnan(found):
            raise SqlError(3623, "An invalid floating point operation occurred.")
        return float(found)

    return compute


for _name, _function in {
    "SQRT": math.sqrt,
    "EXP": math.exp,
    "LOG10": math.log10,
    "SIN": math.sin,
    "COS": math.cos,
    "TAN": math.tan,
    "ASIN": math.asin,
    "ACOS": math.acos,
    "ATAN": math.atan,
    "SQUARE": lambda v: v * v,
    "COT": lambda v: 1 / math.tan(v),
}.items():
    scalar(_name, [t.FLOAT], t.FLOAT, _guarded(_function))
scalar("ATN2", [t.FLOAT, t.FLOAT], t.FLOAT, _guarded(math.atan2))
scalar("LOG", [t.FLOAT, t.FLOAT], t.FLOAT, _guarded(math.log), least=1)
scalar("PI", [], t.FLOAT, lambda: math.pi)


def _number(binder: FunctionBinder, node: n.Call, scope: Scope, position: int = 0) -> Bound:
    bound = binder.value(node.args[position], scope)
    if t.family(bound.type) != "number" or bound.is_null:
        return convert(bound, t.FLOAT)
    return convert(bound, t.INT) if bound.type.name in ("bit", "tinyint", "smallint") else bound


def _exact(bound: Bound, key: object, function: Callable[[int, int], int], result: SqlType | None = None) -> Bound:
    """A function on the scaled integer; it gets the value and its scale and gives a value of the result's scale."""
    kind, target = bound.type, result or bound.type

    def make() -> Callable[[Any], Any]:
        read, write, scale = number_of(kind), writer(target), t.scale_of(kind)
        return lambda v: write(function(read(v), scale))

    number = specs.intern((key, kind, target), make)
    return Bound(f"_c({number},{bound.sql})", target, bound.nullable)


def _whole(kind: SqlType) -> SqlType:
    return t.decimal_type(kind.precision or 18, 0) if kind.name in t.DECIMALS else kind


def _floor(value: int, scale: int) -> int:
    return value // numbers.POWERS[scale]


def _ceiling(value: int, scale: int) -> int:
    return -(-value // numbers.POWERS[scale])


def _in_scale(function: Callable[[int, int], int]) -> Callable[[int, int], int]:
    return lambda value, scale: function(value, scale) * 10**scale


def _rounding(name: str, exact: Callable[[int, int], int], inexact: Callable[[float], float]) -> None:
    def bind(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
        check_count(name, len(node.args), 1, 1)
        bound = _number(binder, node, scope)
        if bound.type.name in t.INTEGERS:
            return bound
        if bound.type.name in t.FLOATS:
            return Bound(f"_c({specs.number(inexact)},{bound.sql})", t.FLOAT, bound.nullable)
        if bound.type.name in t.MONEY:
            return _exact(bound, name, _in_scale(exact))
        return _exact(bound, name, exact, _whole(bound.type))

    handler(name)(bind)


_rounding("FLOOR", _floor, lambda v: float(math.floor(v)))
_rounding("CEILING", _ceiling, lambda v: float(math.ceil(v)))


@handler("ABS")
def _abs(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("ABS", len(node.args), 1, 1)
    bound = _number(binder, node, scope)
    if bound.type.name in t.FLOATS:
        return Bound(f"abs({bound.sql})", t.FLOAT, bound.nullable)
    return _exact(bound, "ABS", lambda v, _s: abs(v))


@handler("SIGN")
def _sign(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("SIGN", len(node.args), 1, 1)
    bound = _number(binder, node, scope)
    if bound.type.name in t.FLOATS:
        return convert(Bound(f"sign({bound.sql})", t.INT), t.FLOAT)
    unit = t.scale_of(bound.type)
    return _exact(bound, "SIGN", lambda v, _s: ((v > 0) - (v < 0)) * 10**unit)


def _angle(name: str, convert_angle: Callable[[float], float]) -> None:
    def bind(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
        check_count(name, len(node.args), 1, 1)
        bound = _number(binder, node, scope)
        kind = t.decimal_type(38, 18) if bound.type.name in t.DECIMALS else bound.type
        done = Bound(f"_c({specs.number(convert_angle)},{convert(bound, t.FLOAT).sql})", t.FLOAT, bound.nullable)
        return convert(done, kind)

    handler(name)(bind)


_angle("DEGREES", math.degrees)
_angle("RADIANS", math.radians)


def _round_exact(value: int, digits: int, scale: int, truncate: bool) -> int:
    if digits >= scale:
        return value
    unit = numbers.POWERS[scale - digits]
    if truncate:
        return (abs(value) // unit) * unit * (1 if value >= 0 else -1)
    return numbers.rescale(value, scale - digits, 0) * unit


def _round_float(value: float, digits: int, truncate: int = 0) -> float:
    unit = 10.0**digits
    scaled = value * unit
    if truncate:
        return math.trunc(scaled) / unit
    return math.copysign(math.floor(abs(scaled) + 0.5), scaled) / unit if abs(scaled) < 2**53 else value


@handler("ROUND")
def _round(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("ROUND", len(node.args), 2, 3)
    bound = _number(binder, node, scope)
    rest = [convert(binder.value(a, scope), t.INT) for a in node.args[1:]]
    args = ",".join([bound.sql, *(r.sql for r in rest)])
    kind = bound.type
    if kind.name in t.FLOATS:
        return Bound(f"_n({specs.number(_round_float)},{args})", t.FLOAT)

    def make() -> Callable[..., Any]:
        read, write, scale = number_of(kind), writer(kind), t.scale_of(kind)
        return lambda v, digits, cut=0: write(_round_exact(read(v), digits, scale, bool(cut)))

    return Bound(f"_n({specs.intern(('ROUND', kind), make)},{args})", kind)


@handler("POWER")
def _power(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("POWER", len(node.args), 2, 2)
    base, exponent = _number(binder, node, scope), convert(_number(binder, node, scope, 1), t.FLOAT)
    kind = base.type
    if kind.name in t.FLOATS:
        return Bound(f"_n({specs.number(_guarded(_pow))},{base.sql},{exponent.sql})", t.FLOAT)
    target = t.decimal_type(38, kind.scale or 0) if kind.name in t.DECIMALS else kind

    def make() -> Callable[[Any, float], Any]:
        read, write, scale = number_of(kind), writer(target), t.scale_of(kind)

        def run(value: Any, power: float) -> Any:
            number = read(value)
            if power == int(power) and power >= 0:
                return write(numbers.rescale(number ** int(power), scale * int(power), scale))
            return write(round(_guarded(_pow)(number / 10**scale, power) * 10**scale))

        return run

    return Bound(f"_n({specs.intern(('POWER', kind), make)},{base.sql},{exponent.sql})", target)


def _pow(base: float, exponent: float) -> float:
    return math.pow(base, exponent)


def _rand(seed: int) -> float:
    return random.Random(seed).random()  # noqa: S311 - RAND is no secret


@handler("RAND")
def _bind_rand(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    """One value for the whole statement, as SQL Server does."""
    check_count("RAND", len(node.args), 0, 1)
    if node.args:
        return Bound(f"_n({specs.number(_rand)},{convert(binder.value(node.args[0], scope), t.INT).sql})", t.FLOAT)
    return Bound(binder.plan.param(f"rand{id(node)}", lambda _f: random.random()), t.FLOAT, False)  # noqa: S311
