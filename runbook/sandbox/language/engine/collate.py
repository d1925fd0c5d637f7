"""Collations of SQL Server on SQLite: equality, order, LIKE.

Blanks at the end never count. ``CI_AS`` folds case as SQL_Latin1_General_CP1_CI_AS does. The functions given to
SQLite as collations need only be right for equality; order comes from :func:`sort_key`.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from runbook.sandbox.contract import SqlError

CI_AS, CS_AS, CI_AI, CS_AI, BIN = "CI_AS", "CS_AS", "CI_AI", "CS_AI", "BIN"
DATABASE_DEFAULT = "SQL_Latin1_General_CP1_CI_AS"


def fold_ci(text: str) -> str:
    """Equal under CI_AS means equal here."""
    return text.rstrip(" ").casefold()


def _strip_accents(text: str) -> str:
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _trim(text: str) -> str:
    return text.rstrip(" ")


FOLDS: dict[str, Callable[[str], str]] = {
    CI_AS: fold_ci,
    CS_AS: _trim,
    BIN: _trim,
    CI_AI: lambda v: _strip_accents(fold_ci(v)),
    CS_AI: lambda v: _strip_accents(_trim(v)),
}


def _compare_ci(left: str, right: str) -> int:
    if left == right:
        return 0
    a, b = left.rstrip(" ").casefold(), right.rstrip(" ").casefold()
    return (a > b) - (a < b)


def _comparer(fold: Callable[[str], str]) -> Callable[[str, str], int]:
    def compare(left: str, right: str) -> int:
        a, b = fold(left), fold(right)
        return (a > b) - (a < b)

    return compare


def _guid_key(text: str) -> bytes:
    raw = uuid.UUID(text).bytes
    return raw[10:] + raw[8:10] + raw[7:5:-1] + raw[5:3:-1] + raw[3::-1]


def _compare_offset(left: str, right: str) -> int:
    a, b = left[:19], right[:19]
    return (a > b) - (a < b)


def _compare_sorted(left: str, right: str) -> int:
    a, b = sort_key(left), sort_key(right)
    return (a > b) - (a < b)


def _compare_guid(left: str, right: str) -> int:
    a, b = _guid_key(left), _guid_key(right)
    return (a > b) - (a < b)


COLLATIONS: dict[str, Callable[[str, str], int]] = {
    CI_AS: _compare_ci,
    CS_AS: _comparer(_trim),
    BIN: _comparer(_trim),
    CI_AI: _comparer(FOLDS[CI_AI]),
    CS_AI: _comparer(FOLDS[CS_AI]),
    "SORTED": _compare_sorted,
    "GUID": _compare_guid,
    "DTO": _compare_offset,
}

# Signs stand before digits, digits before letters.
_SIGNS = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
_ORDER = {ord(c): chr(i + 1) for i, c in enumerate(_SIGNS)}


def sort_key(text: str) -> str:
    """A text whose code point order is the order of CI_AS: letters without accents first, accents decide ties."""
    folded = text.rstrip(" ").casefold().translate(_ORDER)
    if folded.isascii():
        return folded + "\0"
    return _strip_accents(folded) + "\0" + folded


def sort_key_cs(text: str) -> str:
    """As :func:`sort_key`, with lower case before upper case in ties."""
    return sort_key(text) + "\0" + text.rstrip(" ").swapcase()


def sort_function(collation: str) -> str:
    """Name of the SQL function that gives the sort key under a collation."""
    return {CI_AS: "_sk", CI_AI: "_sk", CS_AS: "_skcs", CS_AI: "_skcs"}.get(collation, "_skbin")


def guid_key(text: str) -> bytes:
    """Order of uniqueidentifier: the last six bytes count most."""
    return _guid_key(text)


@lru_cache(maxsize=256)
def collation_of(name: str) -> str:
    """The family of a collation by its T-SQL name; error 448 when there is none of that name."""
    upper = name.upper()
    if upper in ("DATABASE_DEFAULT", "CATALOG_DEFAULT"):
        return CI_AS
    if upper.endswith(("_BIN", "_BIN2", "_BIN2_UTF8")):
        return BIN
    parts = upper.replace("_UTF8", "").replace("_SC", "").replace("_WS", "").replace("_KS", "")
    for ending in (CI_AS, CS_AS, CI_AI, CS_AI):
        if parts.endswith(ending):
            return ending
    raise SqlError(448, f"Invalid collation '{name}'.")


def register(connection: Any) -> None:
    """Give a SQLite connection the collations; every connection that opens a database file needs them."""
    for name, function in COLLATIONS.items():
        connection.create_collation(name, function)
    for name, key in (("_sk", sort_key), ("_skcs", sort_key_cs), ("_skbin", _trim)):
        connection.create_scalar_function(name, _null_safe(key), 1, deterministic=True)


def _null_safe(function: Callable[[str], str]) -> Callable[[str | None], str | None]:
    return lambda value: None if value is None else function(value)
