"""Statements that are sent often with other values: the server parses and plans such a text once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """A text for the driver, and what goes along with it."""

    sql: str
    values: tuple[str | int, ...] = ()

    @property
    def text(self) -> str:
        """What the server is to do."""
        return str(self.values[0]) if self.values else self.sql


def with_values(sql: str, types: Mapping[str, str], values: Sequence[str | int]) -> Call:
    """``sql`` with parameters of these names and types, in the order of their values. None of them is NULL: the driver
    would ask the server for its type, each time."""
    declared = ", ".join(f"{name} {kind}" for name, kind in types.items())
    marks = ", ".join("?" * (2 + len(values)))
    return Call(f"{{CALL sys.sp_executesql ({marks})}}", (sql, declared, *values))
