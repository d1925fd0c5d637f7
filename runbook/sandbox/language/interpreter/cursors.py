"""Cursors: the rows are read when the cursor opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Column, SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language import types as t
from runbook.sandbox.language.interpreter.select import evaluate, row_converter, rows_of
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import convert

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.interpreter.frame import Frame

_REFUSED = frozenset({"DYNAMIC", "KEYSET", "SCROLL_LOCKS", "OPTIMISTIC"})
_KNOWN = frozenset(
    {"LOCAL", "GLOBAL", "FORWARD_ONLY", "SCROLL", "STATIC", "FAST_FORWARD", "READ_ONLY", "TYPE_WARNING", "INSENSITIVE"}
)


class Cursor:
    """A declared cursor."""

    def __init__(self, query: n.Query, options: list[str]) -> None:
        self.query = query
        self.scroll = bool({"SCROLL", "STATIC", "INSENSITIVE"} & set(options))
        self.columns: list[Column] = []
        self.rows: list[Any] = []
        self.position = -1
        self.is_open = False
        self.plans: dict[Any, Any] = {}

    def move(self, direction: str, count: int) -> Any | None:
        """Fetch a row; None beyond the ends."""
        last = len(self.rows)
        target = {
            "NEXT": self.position + 1,
            "PRIOR": self.position - 1,
            "FIRST": 0,
            "LAST": last - 1,
            "ABSOLUTE": count - 1 if count > 0 else last + count,
            "RELATIVE": self.position + count,
        }[direction]
        self.position = max(-1, min(target, last))
        return self.rows[target] if 0 <= target < last else None


def _checked(options: list[str]) -> list[str]:
    for option in options:
        if option in _REFUSED:
            raise unsupported(f"a {option} cursor")
        if option not in _KNOWN:
            raise SqlError(102, f"Incorrect syntax near '{option}'.", 15)
    return options


def declare(runner: Runner, statement: s.DeclareCursor) -> None:
    """DECLARE c CURSOR."""
    options = _checked(statement.options)
    cursors = runner.frame.cursors if "LOCAL" in options else runner.session.cursors
    if statement.name in cursors:
        raise SqlError(16915, f"A cursor with the name '{statement.name}' already exists.")
    cursors[statement.name] = Cursor(statement.query, options)


def declare_variable(frame: Frame, name: str) -> None:
    """``DECLARE @c CURSOR``."""
    frame.cursors.setdefault(name, None)


def set_cursor(runner: Runner, statement: s.SetCursor) -> None:
    """``SET @c = CURSOR FOR ...``."""
    if statement.name not in runner.frame.cursors:
        raise SqlError(137, f'Must declare the scalar variable "{statement.name}".', 15, 2)
    runner.frame.cursors[statement.name] = Cursor(statement.query, _checked(statement.options))


def _find(runner: Runner, name: str) -> Cursor:
    frame: Frame | None = runner.frame
    found = frame.cursors.get(name) if frame is not None else None
    if found is None and runner.frame.kind == "dynamic" and runner.frame.parent is not None:
        found = runner.frame.parent.cursors.get(name)
    found = found or runner.session.cursors.get(name)
    if found is None:
        raise SqlError(16916, f"A cursor with the name '{name}' does not exist.")
    assert isinstance(found, Cursor)
    return found


def action(runner: Runner, statement: s.CursorAction) -> None:
    """OPEN, CLOSE, DEALLOCATE."""
    cursor = _find(runner, statement.name)
    if statement.action == "OPEN":
        if cursor.is_open:
            raise SqlError(16905, "The cursor is already open.")
        columns, rows = rows_of(runner.frame, cursor.query, None)
        cursor.columns, cursor.rows, cursor.position, cursor.is_open = columns, list(rows), -1, True
        runner.session.state.cursor_rows = len(cursor.rows)
    elif statement.action == "CLOSE":
        if not cursor.is_open:
            raise SqlError(16917, "Cursor is not open.")
        cursor.is_open, cursor.rows = False, []
    else:
        for cursors in (runner.frame.cursors, runner.session.cursors):
            if cursors.get(statement.name) is cursor:
                del cursors[statement.name]
    runner.session.state.settle()


def fetch(runner: Runner, statement: s.Fetch) -> None:
    """FETCH."""
    cursor, session = _find(runner, statement.name), runner.session
    if not cursor.is_open:
        raise SqlError(16917, "Cursor is not open.")
    count = 0
    if statement.position is not None:
        count = int(evaluate(runner.frame, statement.position, t.INT)[0] or 0)
    if statement.direction != "NEXT" and not cursor.scroll:
        raise SqlError(
            16911, f"fetch: The fetch type {statement.direction.title()} cannot be used with forward only cursors."
        )
    row = cursor.move(statement.direction, count)
    session.state.fetch_status = 0 if row is not None else -1
    session.state.settle(int(row is not None))
    if statement.into:
        _assign(runner, cursor, statement.into, row)
        return
    runner.sink.columns(cursor.columns)
    if row is not None:
        convert_row = row_converter(cursor.columns)
        runner.sink.row(convert_row(row) if convert_row else row)
    runner.sink.done(None if session.options.nocount else int(row is not None))


def _assign(runner: Runner, cursor: Cursor, names: list[str], row: Any | None) -> None:
    if len(names) != len(cursor.columns):
        raise SqlError(
            16924, "Cursorfetch: The number of variables declared in the INTO list must match that of selected columns."
        )
    if row is None:
        return
    for name, column, value in zip(names, cursor.columns, row, strict=True):
        kind = runner.frame.type_of(name)
        runner.frame.variables[name] = convert.cast_value(value, column.type, kind)
