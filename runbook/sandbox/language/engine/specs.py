"""Python functions that SQL text refers to by number, so that a plan's text stays short and can be cached.

``_c(k, x)`` and ``_n(k, ...)`` give NULL for a NULL argument, ``_d(k, ...)`` passes NULLs on, ``_v(k, ...)`` may give
another value each time, ``_s(k, ...)`` gets the session as its first argument.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

FUNCTIONS: list[Callable[..., Any]] = []
_numbers: dict[Hashable, int] = {}
_lock = threading.Lock()


def intern(key: Hashable, make: Callable[[], Callable[..., Any]]) -> int:
    """Number of the function for ``key``; ``make`` is called the first time."""
    found = _numbers.get(key)
    if found is not None:
        return found
    function = make()
    with _lock:
        found = _numbers.get(key)
        if found is None:
            FUNCTIONS.append(function)
            found = _numbers[key] = len(FUNCTIONS) - 1
        return found


def number(function: Callable[..., Any]) -> int:
    """Number of a function that is its own key."""
    return intern(function, lambda: function)


def _c(k: int, x: Any) -> Any:
    return None if x is None else FUNCTIONS[k](x)


def _n(k: int, *args: Any) -> Any:
    for arg in args:
        if arg is None:
            return None
    return FUNCTIONS[k](*args)


def _d(k: int, *args: Any) -> Any:
    return FUNCTIONS[k](*args)


def register(connection: Any) -> None:
    """Give a SQLite connection the functions that need no session."""
    connection.create_scalar_function("_c", _c, 2, deterministic=True)
    connection.create_scalar_function("_n", _n, -1, deterministic=True)
    connection.create_scalar_function("_d", _d, -1, deterministic=True)
    connection.create_scalar_function("_v", _d, -1)
