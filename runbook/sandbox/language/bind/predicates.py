"""Conditions: comparisons with the collation and the common type of both sides."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, condition, merge_collation, value_of
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.engine import collate, specs

_UNCOMPARED = frozenset({"text", "ntext", "image", "xml"})
_WORDS = {
    "=": "equal to",
    "<>": "not equal to",
    "<": "less than",
    ">": "greater than",
    "<=": "less than or equal to",
    ">=": "greater than or equal to",
}


def compare(op: str, left: Bound, right: Bound) -> Bound:
    """``left op right``."""
    a, b = unify(op, value_of(left), value_of(right))
    return condition(compare_sql(op, a, b), heavy=a.is_heavy or b.is_heavy)


def unify(op: str, left: Bound, right: Bound) -> tuple[Bound, Bound]:
    """Both sides under their common type; error 402 where they cannot be compared."""
    for side in (left, right):
        if side.type.name in _UNCOMPARED and not (left.is_null or right.is_null):
            raise SqlError(
                402 if side.type.name != "xml" else 305,
                f"The data types {left.type.name} and {right.type.name} are incompatible in the {_WORDS[op]} operator."
                if side.type.name != "xml"
                else "The xml data type cannot be compared or sorted, except when using the IS NULL operator.",
            )
    kind = t.common_type(left.type, right.type)
    if kind.name in t.BINARIES and t.family(left.type) != t.family(right.type):
        kind = t.VARBINARY_MAX
    if kind.name in t.DECIMALS:
        return _decimal_sides(left, right)
    return convert_side(left, kind), convert_side(right, kind)


def _decimal_sides(left: Bound, right: Bound) -> tuple[Bound, Bound]:
    """Literals take the scale of the column when they lose nothing, so that its index stays usable."""
    for column, other in ((left, right), (right, left)):
        if column.is_column and other.is_const and other.const is not None and column.type.name in t.DECIMALS:
            found = _exactly(other, column.type)
            if found is not None:
                return (left, found) if column is left else (found, right)
    kind = t.common_type(left.type, right.type)
    return convert_side(left, kind), convert_side(right, kind)


def _exactly(literal: Bound, kind: SqlType) -> Bound | None:
    if t.family(literal.type) != "number" or literal.type.name in t.FLOATS:
        return None
    if t.scale_of(literal.type) > (kind.scale or 0):
        return None
    try:
        found = convert(literal, kind)
    except SqlError:
        return None
    return found if found.is_const else None


def convert_side(side: Bound, kind: SqlType) -> Bound:
    """One side of a comparison under the common type."""
    if t.family(kind) == "string" and t.family(side.type) == "string":
        return side
    if kind.name in t.BINARIES and side.type.name in t.BINARIES:
        return side
    return convert(side, kind)


def compare_sql(op: str, left: Bound, right: Bound) -> str:
    """Text of a comparison whose sides already have one type."""
    name = left.type.name if not left.is_null else right.type.name
    if name in t.STRINGS:
        coll, _ = merge_collation(left, right)
        if op in ("=", "<>"):
            return f"({left.sql} {op} {right.sql} COLLATE {coll})"
        key = collate.sort_function(coll)
        return f"({key}({left.sql}) {op} {key}({right.sql}))"
    if name == "uniqueidentifier" and op not in ("=", "<>"):
        return f"({left.sql} {op} {right.sql} COLLATE GUID)"
    if name == "datetimeoffset":
        return f"({left.sql} {op} {right.sql} COLLATE DTO)"
    return f"({left.sql} {op} {right.sql})"


def order_sql(bound: Bound) -> str:
    """What ORDER BY sorts by."""
    name = bound.type.name
    if name in _UNCOMPARED:
        raise SqlError(
            306,
            "The text, ntext, and image data types cannot be compared or sorted, except when using IS NULL or "
            "LIKE operator.",
        )
    if name in t.STRINGS:
        return f"{collate.sort_function(bound.coll)}({bound.sql})"
    return f"{bound.sql}{group_suffix(bound)}" if name != "uniqueidentifier" else f"{bound.sql} COLLATE GUID"


def group_suffix(bound: Bound) -> str:
    """COLLATE for GROUP BY, DISTINCT and UNION."""
    if bound.type.name in t.STRINGS:
        return f" COLLATE {bound.coll}"
    return " COLLATE DTO" if bound.type.name == "datetimeoffset" else ""


# --- LIKE --------------------------------------------------------------------------------------------------


def like(operand: Bound, pattern: Bound, escape: Bound | None, *, negated: bool) -> Bound:
    """``operand [NOT] LIKE pattern [ESCAPE escape]``."""
    parts = [value_of(operand), value_of(pattern)] + ([value_of(escape)] if escape is not None else [])
    strings = [p if t.family(p.type) == "string" else convert(p, t.NVARCHAR_MAX) for p in parts]
    coll, _ = merge_collation(*strings[:2])
    key = specs.intern(("like", coll), lambda: _matcher(coll))
    sql = f"_n({key},{','.join(s.sql for s in strings)})"
    return condition(f"(NOT {sql})" if negated else sql)


def _matcher(coll: str) -> Any:
    def match(text: str, pattern: str, escape: str = "") -> int:
        regex = like_regex(pattern, escape, coll)
        return int(
            regex.fullmatch(text) is not None or (text.endswith(" ") and regex.fullmatch(text.rstrip(" ")) is not None)
        )

    return match


@lru_cache(maxsize=2048)
def like_regex(pattern: str, escape: str, coll: str) -> re.Pattern[str]:
    """A LIKE pattern as regular expression; error 506 for a bad escape character."""
    if len(escape) > 1:
        raise SqlError(506, f'The invalid escape character "{escape}" was specified in a LIKE predicate.')
    flags = re.DOTALL if coll in (collate.BIN, collate.CS_AS, collate.CS_AI) else re.DOTALL | re.IGNORECASE
    return re.compile(like_source(pattern, escape), flags)


def like_source(pattern: str, escape: str = "") -> str:
    """Text of the regular expression of a LIKE pattern."""
    out, i = [], 0
    while i < len(pattern):
        char = pattern[i]
        if escape and char == escape and i + 1 < len(pattern):
            i += 1
            out.append(re.escape(pattern[i]))
        elif char == "%":
            out.append(".*")
        elif char == "_":
            out.append(".")
        elif char == "[" and "]" in pattern[i + 2 :]:
            end = pattern.index("]", i + 2)
            out.append(_set(pattern[i + 1 : end]))
            i = end
        elif char == "[" and pattern[i + 1 : i + 2] == "]":
            out.append("(?!)")
            i += 1
        else:
            out.append(re.escape(char))
        i += 1
    return "".join(out)


def _set(inner: str) -> str:
    negated = inner.startswith("^")
    body = inner[1:] if negated else inner
    escaped = re.sub(r"([\\\]\[^&~|])", r"\\\1", body)
    if not escaped:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{escaped}]"
