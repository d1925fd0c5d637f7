"""INSERT ... VALUES of many rows of literals: converted in Python, written by one prepared statement."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.literals import literal
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.engine.connection import ConstraintFailed
from runbook.sandbox.language.interpreter.dml.target import Target
from runbook.sandbox.language.interpreter.dml.unique import violation
from runbook.sandbox.language.interpreter.dml.values import null_error
from runbook.sandbox.language.values import binary, convert, strings

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder

_STRINGS = {"string": SqlType("varchar", 8000), "nstring": SqlType("nvarchar", 4000)}


@dataclass
class LiteralRows:
    """Physical values in the order of the given columns."""

    rows: list[tuple[Any, ...]]

    def positional(self, sql: str, params: dict[str, Any]) -> tuple[str, list[tuple[Any, ...]]]:
        """The text and its rows, with the statement's own parameters behind the values."""
        names = list(dict.fromkeys(re.findall(r":(p_\w+)", sql)))
        if not names or not self.rows:
            return sql, self.rows
        width = len(self.rows[0])
        for i, name in enumerate(names, width + 1):
            sql = re.sub(rf":{name}\b", f"?{i}", sql)
        extra = tuple(params[name] for name in names)
        return sql, [row + extra for row in self.rows]

    def insert(self, runner: Any, sql: str, plan: Any, params: dict[str, Any]) -> int:
        """Write all rows."""
        engine = runner.session.engine
        sql, rows = self.positional(sql, params)
        engine.execute("SAVEPOINT literals")
        try:
            engine.change_many(sql, rows)
            engine.execute("RELEASE literals")
        except ConstraintFailed as error:
            engine.execute("ROLLBACK TO literals")
            with runner.session.work.table([c.phys for c in plan.target.table.stored()]) as work:
                self._show(engine, work, plan)
                raise violation(runner.frame, plan.target, error.message, f"SELECT * FROM {work}") from None
        return len(self.rows)

    def _show(self, engine: Any, work: str, plan: Any) -> None:
        """The refused rows, for the message."""
        names = ", ".join(c.phys for c in plan.given)
        marks = ", ".join("?" * len(plan.given))
        engine.change_many(f"INSERT INTO {work}({names}) VALUES ({marks})", self.rows)


def literal_rows(
    _binder: FunctionBinder, target: Target, given: list[m.Column], source: n.Values
) -> LiteralRows | None:
    """The rows, or None when something else than literals is among them."""
    columns: list[list[Any]] = []
    for i, column in enumerate(given):
        cells = [row[i] for row in source.rows]
        if not all(type(c) is n.Literal for c in cells):
            return None
        values = _column(cells, column, target)
        if values is None:
            return None
        columns.append(values)
    return LiteralRows(list(zip(*columns, strict=True)))


def _column(cells: list[Any], column: m.Column, target: Target) -> list[Any] | None:
    kinds = {c.kind for c in cells} - {"null"}
    if "null" in {c.kind for c in cells} and not column.nullable and "INSERT" not in target.instead:
        raise null_error(column, target, "INSERT")
    if not kinds:
        return [None] * len(cells)
    function = _converter(kinds, cells, column, target)
    if function is None:
        return None
    try:
        return [None if c.value is None else function(c) for c in cells]
    except SqlError as error:
        error.is_compile = False  # type: ignore[attr-defined]
        raise


def _converter(kinds: set[str], cells: list[Any], column: m.Column, target: Target) -> Callable[[Any], Any] | None:
    if kinds == {"int"}:
        return _plain(t.INT, column, target)
    if kinds <= {"string", "nstring"}:
        long = any(len(c.value or "") > 4000 for c in cells)
        source = _STRINGS["nstring" if "nstring" in kinds else "string"]
        return _plain(SqlType(source.name, t.MAX) if long else source, column, target)
    if kinds == {"float"}:
        return _plain(t.FLOAT, column, target)
    if kinds == {"binary"}:
        return _plain(t.VARBINARY_MAX, column, target)
    if kinds <= {"int", "decimal"}:
        return lambda cell: _single(cell, column)
    return None


def _single(cell: Any, column: m.Column) -> Any:
    bound = literal(cell)
    return convert.cast_value(bound.const, bound.type, column.type)


def _plain(source: SqlType, column: m.Column, target: Target) -> Callable[[Any], Any]:
    convert.check_implicit(source, column.type)
    checked = strings.assigner(source, column.type, target.label, column.name)
    function = checked or convert.converter(source, column.type)
    chosen = function or convert.identity
    if source.name in t.STRINGS:
        return lambda cell: chosen(cell.value if cell.kind == "nstring" else binary.ansi(cell.value))
    return lambda cell: chosen(cell.value)
