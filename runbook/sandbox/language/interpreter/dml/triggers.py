"""Triggers fire: their body runs with the images as ``inserted`` and ``deleted``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.interpreter.batches import Runner
from runbook.sandbox.language.interpreter.frame import Frame
from runbook.sandbox.language.parser.fragments import parse_module
from runbook.sandbox.language.sinks import NullSink

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.dml.change import Change

NEST_LIMIT = 32


def fire(change: Change, event: str, deleted: str, inserted: str, columns: list[m.Column]) -> None:
    """Run the triggers of an event: the INSTEAD OF trigger, or all AFTER triggers in order."""
    target = change.target
    instead = target.instead.get(event)
    chosen = [instead] if instead is not None else target.triggers.get(event, [])
    for trigger in chosen:
        with change.frame.session.work.table([c.phys for c in target.table.stored()]) as empty:
            _fire_one(change, trigger, deleted or empty, inserted or empty, columns)


def _pseudo(change: Change, name: str, image: str) -> StoredTable:
    table = change.target.table
    shown = m.Table(table.id, table.schema, name, image, table.columns)
    return StoredTable(name, shown, "", pseudo=True)


def _fire_one(change: Change, trigger: m.Module, deleted: str, inserted: str, columns: list[m.Column]) -> None:
    outer, session = change.frame, change.frame.session
    if session.trigger_depth >= NEST_LIMIT:
        raise SqlError(217, "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).")
    frame = Frame(session, "trigger", outer)
    frame.procedure, frame.procedure_id = trigger.name, trigger.id
    frame.schema = change.target.relation.schema
    frame.pseudo = {"inserted": _pseudo(change, "inserted", inserted), "deleted": _pseudo(change, "deleted", deleted)}
    frame.updated = {c.name.casefold() for c in columns}
    frame.updated_mask = _mask(change.target.table, columns)
    sink = change.runner.sink if change.runner is not None else NullSink()
    runner = Runner(session, trigger.text, sink, frame)
    _run(change, runner, trigger)


def _run(change: Change, runner: object, trigger: m.Module) -> None:
    assert isinstance(runner, Runner)
    outer, session = change.frame, runner.session
    database, options, identity = session.database, session.options.xact_abort, session.state.identity
    trancount = session.trancount
    session.frame = runner.frame
    session.database = change.target.relation.database or database
    session.depth += 1
    session.trigger_depth += 1
    session.fired.append(trigger.id)
    session.options.xact_abort = True
    session.trancount = max(1, trancount)
    try:
        runner.scope(parse_module(trigger.text).body)
        if not session.trancount:
            raise SqlError(3609, "The transaction ended in the trigger. The batch has been aborted.")
    finally:
        runner.leave()
        session.fired.pop()
        session.trigger_depth -= 1
        session.depth -= 1
        session.database, session.frame = database, outer
        session.options.xact_abort = options
        if session.trancount:
            session.trancount = trancount
    del identity


def _mask(table: m.Table, columns: list[m.Column]) -> bytes:
    found = bytearray((max(c.id for c in table.columns) + 7) // 8)
    for column in columns:
        found[(column.id - 1) // 8] |= 1 << ((column.id - 1) % 8)
    return bytes(found)
