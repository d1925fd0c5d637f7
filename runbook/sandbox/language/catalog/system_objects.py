"""The system views as objects: sys.all_objects, sys.all_columns, sys.system_views list them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog import registry
from runbook.sandbox.language.catalog.describe import two
from runbook.sandbox.language.values import dates

_CREATED = dates.day_ticks(2017, 8, 22)
EXTRA = [
    "databases",
    "dm_exec_sessions",
    "dm_exec_requests",
    "dm_exec_connections",
    "dm_os_sys_info",
    "dm_os_host_info",
    "configurations",
    "master_files",
    "server_principals",
    "sql_logins",
    "dm_exec_sql_text",
    "dm_tran_locks",
    "dm_os_volume_stats",
    "servers",
]
"""Views of the instance, by name."""


@lru_cache(maxsize=1)
def _named() -> tuple[tuple[int, str, int], ...]:
    names = [(name, 3 if schema == "information_schema" else 4) for schema, name in registry.all_names()]
    known = {name for name, _ in names}
    names += [(name, 4) for name in EXTRA if name not in known]
    return tuple((-(100 + i), name.upper() if schema == 3 else name, schema) for i, (name, schema) in enumerate(names))


@lru_cache(maxsize=1)
def _rows() -> tuple[tuple[Any, ...], ...]:
    return tuple(
        (name, number, None, schema, 0, two("V"), "VIEW", _CREATED, _CREATED, 1, 0, 0)
        for number, name, schema in _named()
    )


def system_views() -> list[tuple[Any, ...]]:
    """Object rows of the system views."""
    return list(_rows())


@lru_cache(maxsize=1)
def _columns() -> tuple[tuple[int, m.Column], ...]:
    found = []
    for number, name, schema in _named():
        spec = registry.VIEWS.get(("information_schema." if schema == 3 else "sys.") + name.lower())
        if spec is not None:
            found += [(number, m.Column(i, c.name, c.type, c.nullable, "")) for i, c in enumerate(spec.columns, 1)]
    return tuple(found)


def system_columns() -> list[tuple[int, m.Column]]:
    """Columns of the system views of this part."""
    return list(_columns())
