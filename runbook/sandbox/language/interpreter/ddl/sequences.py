"""Sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import types as t
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import now
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, done, find_object, split_new
from runbook.sandbox.language.interpreter.environment import SessionEnvironment

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner


def run(runner: Runner, statement: d.SequenceStatement) -> None:
    """CREATE and ALTER SEQUENCE."""
    if statement.alter:
        _alter(runner, statement)
    else:
        _create(runner, statement)
    done(runner)


def _create(runner: Runner, statement: d.SequenceStatement) -> None:
    frame, session = runner.frame, runner.session
    database, schema, name = split_new(frame, statement.name)
    kind = t.BIGINT if statement.type is None else SessionEnvironment(frame).type_of(statement.type)
    if kind.name not in t.INTEGERS - {"bit"} and not (kind.name in t.DECIMALS and not kind.scale):
        raise SqlError(
            11702,
            f"The sequence object '{name}' must be of data type int, bigint, smallint, tinyint, or decimal or "
            "numeric with a scale of 0, or any user-defined data type that is based on one of the above integer data "
            "types.",
        )
    options = statement.options
    increment = options.get("INCREMENT") or 1
    low, high = _range(kind)
    low = _given(options, "MINVALUE", low)
    high = _given(options, "MAXVALUE", high)
    start = options.get("START")
    start = (low if increment > 0 else high) if start is None else start
    _check(name, start, increment, low, high)
    with plans.databases(session, [database]), session.transactions.writing(database):
        home = DatabaseHome(frame, database)
        schema_id = home.schema_id(schema)
        home.check_free(schema, name)
        sequence = m.Sequence(
            home.new_id(),
            schema_id,
            name,
            kind,
            start,
            increment,
            low,
            high,
            bool(options.get("CYCLE")),
            options.get("CACHE", 1) != 0,
            options.get("CACHE") or None,
            now(),
            now(),
        )
        home.writer.put(sequence)
        home.engine.change(f"INSERT OR REPLACE INTO {home.dot}sys_sequence VALUES(?,?,0)", (sequence.id, start))


def _range(kind: SqlType) -> tuple[int, int]:
    if kind.name in t.INT_RANGES:
        return t.INT_RANGES[kind.name]
    high = 10 ** min(kind.precision or 18, 18) - 1
    return -high, high


def _given(options: dict[str, int | None], name: str, otherwise: int) -> int:
    found = options.get(name)
    return otherwise if found is None else found


def _check(name: str, start: int, increment: int, low: int, high: int) -> None:
    if increment == 0:
        raise SqlError(11700, f"The increment for sequence object '{name}' cannot be zero.")
    if low >= high:
        raise SqlError(11705, f"The minimum value for sequence object '{name}' must be less than its maximum value.")
    if not low <= start <= high:
        raise SqlError(
            11703,
            f"The start value for sequence object '{name}' must be between the minimum and maximum value of the "
            "sequence object.",
        )


def _alter(runner: Runner, statement: d.SequenceStatement) -> None:
    frame, session = runner.frame, runner.session
    found = find_object(frame, statement.name, m.Sequence)
    if found is None:
        raise SqlError(
            15151,
            f"Cannot alter the sequence object '{'.'.join(statement.name)}', because it does not exist or you do "
            "not have permission.",
        )
    database, old = found
    options = statement.options
    with plans.databases(session, [database]), session.transactions.writing(database):
        home = DatabaseHome(frame, database)
        changed = m.from_dict(m.Sequence, m.to_dict(old))
        low, high = _range(changed.type)
        if "MINVALUE" in options:
            changed.minimum = _given(options, "MINVALUE", low)
        if "MAXVALUE" in options:
            changed.maximum = _given(options, "MAXVALUE", high)
        changed.increment = options.get("INCREMENT") or changed.increment
        if "CYCLE" in options:
            changed.cycle = bool(options["CYCLE"])
        if "CACHE" in options:
            changed.cached, changed.cache_size = options["CACHE"] != 0, options["CACHE"] or None
        if "RESTART" in options:
            start = options["RESTART"]
            changed.start = changed.start if start is None else start
            home.engine.change(
                f"INSERT OR REPLACE INTO {home.dot}sys_sequence VALUES(?,?,0)", (changed.id, changed.start)
            )
        _check(changed.name, changed.start, changed.increment, changed.minimum, changed.maximum)
        changed.modified = now()
        home.writer.put(changed)
