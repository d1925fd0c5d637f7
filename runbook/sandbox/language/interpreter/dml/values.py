"""Written values: conversion to the column, NOT NULL, defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language.bind.bound import Bound
from runbook.sandbox.language.bind.conversion import assign
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.functions.binder import FunctionBinder
from runbook.sandbox.language.interpreter.dml.target import Target
from runbook.sandbox.language.parser.fragments import parse_expression


def null_error(column: m.Column, target: Target, verb: str) -> SqlError:
    """Error 515."""
    return SqlError(
        515,
        f"Cannot insert the value NULL into column '{column.name}', table '{target.label}'; column does not "
        f"allow nulls. "
        f"{verb} fails.",
        16,
        2,
    )


def _refuse_null(column: m.Column, target: Target, verb: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value is None:
            raise null_error(column, target, verb)
        return value

    return check


def written(bound: Bound, column: m.Column, target: Target, verb: str) -> str:
    """SQLite text of a value on its way into a column."""
    found = assign(bound, column.type, target.label, column.name)
    if column.nullable or not (found.nullable or found.is_null):
        return found.sql
    key = specs.intern(("notnull", target.label, column.name, verb), lambda: _refuse_null(column, target, verb))
    return f"_d({key},{found.sql})"


def default_of(binder: FunctionBinder, column: m.Column) -> Bound:
    """What a column gets when nothing is given: its default or NULL."""
    if column.default is None:
        return Bound("NULL", column.type, const=None)
    return binder.value(parse_expression(column.default.text), Scope())


def is_default(node: n.Node) -> bool:
    """Whether a value is the word DEFAULT."""
    return isinstance(node, n.Name) and node.parts == ("default",)


def automatic(column: m.Column) -> str:
    """SQLite text for columns that fill themselves; empty for others."""
    if column.identity:
        return "_ident()"
    return "_rowver()" if column.type.name == "timestamp" else ""


def check_writable(column: m.Column | None, name: str, target: Target, seen: set[int]) -> m.Column:
    """Errors 207, 264, 271, 273 for a column that cannot be written."""
    if column is None:
        raise SqlError(207, f"Invalid column name '{name}'.")
    if column.id in seen:
        raise SqlError(
            264,
            f"The column name '{column.name}' is specified more than once in the SET clause or column list of an "
            "INSERT. A column cannot be assigned more than one value in the same clause. Modify the clause to make "
            "sure that a column is updated only once.",
        )
    if column.computed:
        raise SqlError(
            271,
            f'The column "{column.name}" cannot be modified because it is either a computed column or is the '
            "result of a UNION operator.",
        )
    if column.type.name == "timestamp":
        raise row_version_given()
    seen.add(column.id)
    del target
    return column


def row_version_given() -> SqlError:
    """Error 273."""
    return SqlError(
        273,
        "Cannot insert an explicit value into a timestamp column. Use INSERT with a column list to exclude the "
        "timestamp "
        "column, or insert a DEFAULT into the timestamp column.",
    )
