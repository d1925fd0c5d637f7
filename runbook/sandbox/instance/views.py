"""Rows of server-level views, msdb tables and table-valued functions, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Column, LanguageSession
from runbook.sandbox.instance import (
    views_agent,
    views_backup,
    views_databases,
    views_empty,
    views_files,
    views_locks,
    views_security,
    views_server,
    views_sessions,
)
from runbook.sandbox.instance.columns import Rows, columns, table

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Build = Callable[["SandboxInstance", LanguageSession, Sequence[Any]], list[dict[str, Any]]]


VIEWS: dict[str, tuple[Sequence[str], Build]] = {
    name: found
    for module in (
        views_databases,
        views_files,
        views_sessions,
        views_locks,
        views_server,
        views_security,
        views_agent,
        views_backup,
    )
    for name, found in module.VIEWS.items()
}


def names() -> list[str]:
    """All views the instance has rows for, lower case."""
    return sorted({*VIEWS, *views_empty.VIEWS})


def rows(instance: SandboxInstance, view: str, session: LanguageSession, args: Sequence[Any] = ()) -> Rows | None:
    """Columns and rows; None when the view is not the instance's."""
    name = _canonical(view)
    if name in VIEWS:
        specs, build = VIEWS[name]
        return table(specs, build(instance, session, args))
    if name in views_empty.VIEWS:
        return columns(*views_empty.VIEWS[name]), []
    return None


def columns_of(view: str) -> Sequence[Column] | None:
    """Its columns alone; None when the view is not the instance's."""
    name = _canonical(view)
    specs = VIEWS[name][0] if name in VIEWS else views_empty.VIEWS.get(name)
    return None if specs is None else columns(*specs)


def _canonical(view: str) -> str:
    """Without brackets; server-level views are the same in every database, msdb tables belong to msdb."""
    parts = [p.strip("[]") for p in view.lower().split(".")]
    if len(parts) == 3 and parts[1] == "sys":
        parts = parts[1:]
    if len(parts) == 3 and parts[0] == "msdb" and not parts[1]:
        parts[1] = "dbo"
    return ".".join(parts)
