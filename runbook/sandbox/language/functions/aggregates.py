"""Aggregates and window functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind import arithmetic, predicates
from runbook.sandbox.language.bind.bound import Bound
from runbook.sandbox.language.bind.conversion import cast, convert
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import convert as values
from runbook.sandbox.language.values import numbers
from runbook.sandbox.language.values.numeric import writer

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder

AGGREGATES = frozenset(
    [
        "COUNT",
        "COUNT_BIG",
        "SUM",
        "AVG",
        "MIN",
        "MAX",
        "STRING_AGG",
        "STDEV",
        "STDEVP",
        "VAR",
        "VARP",
        "CHECKSUM_AGG",
        "APPROX_COUNT_DISTINCT",
    ]
)
RANKING = {"ROW_NUMBER": "row_number", "RANK": "rank", "DENSE_RANK": "dense_rank", "NTILE": "ntile"}
OFFSETS = {"LAG": "lag", "LEAD": "lead", "FIRST_VALUE": "first_value", "LAST_VALUE": "last_value"}
DISTRIBUTION = {"PERCENT_RANK": "percent_rank", "CUME_DIST": "cume_dist"}
SAFE_DIGITS = 12
"""Sums of decimals up to this precision cannot leave 64 bits before six million rows; SQLite adds those itself."""


def aggregate(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    """An aggregate, with or without OVER."""
    name = node.builtin
    if node.over is None:
        if not scope.allows_aggregate:
            raise SqlError(
                147,
                "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a "
                "HAVING clause or a select list, and the column being aggregated is an outer reference.",
                15,
            )
        if scope.in_aggregate:
            raise SqlError(
                130, "Cannot perform an aggregate function on an expression containing an aggregate or a subquery."
            )
        scope.has_aggregate = True
        scope.in_aggregate += 1
    try:
        args = [] if node.star else [binder.value(a, scope) for a in node.args]
        within = [] if node.within is None else _orders(binder, node.within, scope)
    finally:
        if node.over is None:
            scope.in_aggregate -= 1
    over = "" if node.over is None else window(binder, node.over, scope)
    if node.over is not None:
        scope.has_window = True
    if node.distinct and over:
        raise SqlError(10759, "Use of DISTINCT is not allowed with the OVER clause.", 15)
    return _BUILDERS[name](_Parts(name, args, node.distinct, over, within))


class _Parts:
    """A bound aggregate call."""

    def __init__(self, name: str, args: list[Bound], distinct: bool, over: str, within: list[str]) -> None:
        self.name = name
        self.args = args
        self.distinct = "DISTINCT " if distinct else ""
        self.over = over
        self.within = within

    def only(self) -> Bound:
        """The single argument."""
        if len(self.args) != 1:
            raise SqlError(174, f"The {self.name} function requires 1 argument(s).", 15)
        return self.args[0]

    def sql(self, function: str, bound: Bound, suffix: str = "") -> str:
        """``function([DISTINCT] x) [OVER ...]``."""
        return f"{function}({self.distinct}{bound.sql}{suffix}){self.over}"


def _orders(binder: FunctionBinder, items: list[n.OrderItem], scope: Scope) -> list[str]:
    return [predicates.order_sql(binder.value(o.expression, scope)) + (" DESC" if o.descending else "") for o in items]


def window(binder: FunctionBinder, node: n.Window, scope: Scope) -> str:
    """``OVER (...)``."""
    parts = []
    if node.partition:
        bound = [binder.value(p, scope) for p in node.partition]
        parts.append("PARTITION BY " + ", ".join(b.sql + predicates.group_suffix(b) for b in bound))
    if node.order:
        parts.append("ORDER BY " + ", ".join(_orders(binder, node.order, scope)))
    if node.frame:
        if not node.order:
            raise SqlError(10756, "Window frame with ROWS or RANGE must have an ORDER BY clause.", 15)
        parts.append(node.frame)
    return f" OVER ({' '.join(parts)})"


def _number(parts: _Parts) -> Bound:
    bound = parts.only()
    family = t.family(bound.type)
    if family != "number" or bound.type.name == "bit":
        if bound.is_null:
            return bound.typed(t.INT)
        verb = {"SUM": "sum", "AVG": "avg"}.get(parts.name, parts.name.lower())
        raise SqlError(8117, f"Operand data type {bound.type.name} is invalid for {verb} operator.")
    return bound


def _count(parts: _Parts) -> Bound:
    kind = t.INT if parts.name == "COUNT" else t.BIGINT
    if not parts.args:
        return Bound(f"count(*){parts.over}", kind, False)
    bound = parts.only()
    if parts.distinct or parts.name.startswith("APPROX"):
        parts.distinct = "DISTINCT "
    return Bound(parts.sql("count", bound, predicates.group_suffix(bound)), kind, False)


def _sum(parts: _Parts) -> Bound:
    bound = _number(parts)
    kind = bound.type
    if kind.name in t.FLOATS:
        return Bound(parts.sql("sum", bound), t.FLOAT)
    if kind.name in t.INTEGERS:
        result = t.BIGINT if kind.name == "bigint" else t.INT
        return arithmetic.range_checked(parts.sql("sum", bound), result, True)
    if kind.name in t.MONEY:
        return Bound(parts.sql("sum", bound), t.MONEY_TYPE)
    result = t.decimal_type(38, kind.scale or 0)
    whole = _whole_number(bound)
    if whole is not None and not parts.over:
        return Bound(parts.sql("_sumint", whole), result)
    if (kind.precision or 18) <= SAFE_DIGITS:
        return Bound(f"_c({specs.number(numbers.encode)},{parts.sql('sum', bound)})", result)
    return Bound(parts.sql("_sumint", bound), result)


def _whole_number(bound: Bound) -> Bound | None:
    """The integer inside ``CAST(integer AS decimal(p, 0))``."""
    if not t.is_wide(bound.type) or bound.type.scale or not bound.sql.startswith("_c("):
        return None
    for source in (t.BIGINT, t.INT):
        key = specs.intern(("cv", source, bound.type, 0, False), partial(_cast, source, bound.type))
        prefix = f"_c({key},"
        if bound.sql.startswith(prefix) and (bound.type.precision or 0) >= t.INT_DIGITS[source.name]:
            return replace(bound, sql=bound.sql[len(prefix) : -1])
    return None


def _cast(source: SqlType, target: SqlType) -> Callable[[Any], Any]:
    return values.converter(source, target) or values.identity


def _avg(parts: _Parts) -> Bound:
    bound = _number(parts)
    kind = bound.type
    if kind.name in t.FLOATS:
        return Bound(parts.sql("avg", bound), t.FLOAT)
    if kind.name in t.INTEGERS:
        total = f"{parts.sql('sum', bound)},{parts.sql('count', bound)}"
        result = t.BIGINT if kind.name == "bigint" else t.INT
        return Bound(f"_n({specs.number(_mean)},{total})", result)
    result = t.MONEY_TYPE if kind.name in t.MONEY else t.decimal_type(38, max(6, kind.scale or 0))
    adder = "sum" if (kind.precision or 18) <= SAFE_DIGITS else "_sumint"
    key = specs.intern(("avg", kind, adder), lambda: _averager(kind, result, encoded=adder == "_sumint"))
    return Bound(f"_n({key},{parts.sql(adder, bound)},{parts.sql('count', bound)})", result)


def _mean(total: int, count: int) -> int | None:
    if not count:
        return None
    quotient = abs(total) // count
    return quotient if total >= 0 else -quotient


def _averager(kind: SqlType, result: SqlType, *, encoded: bool) -> Callable[[Any, int], Any]:
    write, scale, target = writer(result), t.scale_of(kind), t.scale_of(result)

    def average(total: Any, count: int) -> Any:
        value = (numbers.decode(total) if encoded else total) * 10 ** (target - scale)
        return write(_mean(value, count) or 0)

    return average


def _extreme(parts: _Parts) -> Bound:
    bound = parts.only()
    name = bound.type.name
    if name in ("text", "ntext", "image", "xml", "bit"):
        raise SqlError(8117, f"Operand data type {name} is invalid for {parts.name.lower()} operator.")
    suffix = " COLLATE SORTED" if name in t.STRINGS and bound.coll != "BIN" else predicates.group_suffix(bound)
    if name == "uniqueidentifier":
        suffix = " COLLATE GUID"
    return replace(bound, sql=parts.sql(parts.name.lower(), bound, suffix), nullable=True, is_column=False)


def _string_agg(parts: _Parts) -> Bound:
    if len(parts.args) != 2:
        raise SqlError(174, "The string_agg function requires 2 argument(s).", 15)
    if parts.over:
        raise SqlError(
            4113,
            "The function 'STRING_AGG' is not a valid windowing function, and cannot be used with the OVER clause.",
        )
    text, separator = parts.args
    if t.family(text.type) != "string":
        text = cast(text, t.nvarchar(4000))
    separator = separator if t.family(separator.type) == "string" else convert(separator, t.VARCHAR_MAX)
    order = f" ORDER BY {', '.join(parts.within)}" if parts.within else ""
    national = text.type.name in t.N_STRINGS
    kind = SqlType(
        "nvarchar" if national else "varchar", t.MAX if text.type.length == t.MAX else (4000 if national else 8000)
    )
    sql = f"group_concat({text.sql},ifnull({separator.sql},''){order})"
    return Bound(sql, kind, True, text.coll, text.strength)


def _statistic(parts: _Parts) -> Bound:
    if parts.over:
        raise unsupported(f"{parts.name} with OVER")
    bound = convert(_number(parts), t.FLOAT)
    return Bound(parts.sql("_" + parts.name.lower(), bound), t.FLOAT)


def _checksum_agg(parts: _Parts) -> Bound:
    if parts.over:
        raise unsupported("CHECKSUM_AGG with OVER")
    return Bound(parts.sql("_checksum_agg", convert(_number(parts), t.INT)), t.INT)


_BUILDERS: dict[str, Callable[[_Parts], Bound]] = {
    "COUNT": _count,
    "COUNT_BIG": _count,
    "APPROX_COUNT_DISTINCT": _count,
    "SUM": _sum,
    "AVG": _avg,
    "MIN": _extreme,
    "MAX": _extreme,
    "STRING_AGG": _string_agg,
    "STDEV": _statistic,
    "STDEVP": _statistic,
    "VAR": _statistic,
    "VARP": _statistic,
    "CHECKSUM_AGG": _checksum_agg,
}


def windowed(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    """Ranking, offset and distribution functions."""
    name = node.builtin
    if node.over is None:
        raise SqlError(10753, f"The function '{name}' must have an OVER clause.", 15)
    if name not in ("FIRST_VALUE", "LAST_VALUE") and name not in OFFSETS and not node.over.order and name != "NTILE":
        raise SqlError(4112, f"The function '{name}' must have an OVER clause with ORDER BY.", 15)
    scope.has_window = True
    over = window(binder, node.over, scope)
    args = [binder.value(a, scope) for a in node.args]
    if name in RANKING:
        inner = convert(args[0], t.BIGINT).sql if args else ""
        return Bound(f"{RANKING[name]}({inner}){over}", t.BIGINT, False)
    if name in DISTRIBUTION:
        return Bound(f"{DISTRIBUTION[name]}(){over}", t.FLOAT, False)
    texts = [args[0].sql]
    if len(args) > 1:
        texts.append(convert(args[1], t.BIGINT).sql)
    if len(args) > 2:
        texts.append(convert(args[2], args[0].type).sql)
    return replace(args[0], sql=f"{OFFSETS[name]}({','.join(texts)}){over}", nullable=True, is_column=False)


# --- Python aggregates of a connection ---------------------------------------------------------------------


class _IntegerSum:
    """Exact sum of scaled integers or of encoded decimals; as a window function rows leave again."""

    def __init__(self) -> None:
        self.total = self.count = 0

    def step(self, value: Any) -> None:
        """A row comes."""
        if value is not None:
            self.total += value if isinstance(value, int) else numbers.decode(value)
            self.count += 1

    def inverse(self, value: Any) -> None:
        """A row leaves the window."""
        if value is not None:
            self.total -= value if isinstance(value, int) else numbers.decode(value)
            self.count -= 1

    def value(self) -> str | None:
        """The sum so far, as wide decimal."""
        if abs(self.total) >= 10**38:
            raise numbers.overflow("expression", "numeric")
        return numbers.encode(self.total) if self.count else None

    final = value


class _Xor:
    def __init__(self) -> None:
        self.found: int | None = None

    def step(self, value: int | None) -> None:
        """One row."""
        if value is not None:
            self.found = (self.found or 0) ^ value

    def final(self) -> int | None:
        """The exclusive or of all rows."""
        return self.found


def _moments(kind: str) -> type[Any]:
    sample, root = not kind.endswith("p"), kind.startswith("std")

    class Moments:
        def __init__(self) -> None:
            self.count, self.mean, self.square = 0, 0.0, 0.0

        def step(self, value: float | None) -> None:
            """One row, by Welford's method."""
            if value is None:
                return
            self.count += 1
            delta = value - self.mean
            self.mean += delta / self.count
            self.square += delta * (value - self.mean)

        def final(self) -> float | None:
            """Variance or deviation."""
            size = self.count - 1 if sample else self.count
            if size <= 0:
                return None
            variance = self.square / size
            return math.sqrt(variance) if root else variance

    return Moments


def register(connection: Any) -> None:
    """Give a connection the aggregates."""
    connection.create_window_function("_sumint", _IntegerSum, 1)
    found: dict[str, type[Any]] = {"_checksum_agg": _Xor}
    found |= {f"_{kind}": _moments(kind) for kind in ("stdev", "stdevp", "var", "varp")}
    for name, cls in found.items():
        connection.create_aggregate_function(name, cls, 1)
