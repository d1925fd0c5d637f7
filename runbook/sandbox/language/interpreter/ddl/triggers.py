"""Switching triggers on and off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import fold, now
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, done, find_object

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner


def switch_triggers(runner: Runner, statement: d.TriggerSwitch) -> None:
    """ENABLE and DISABLE TRIGGER."""
    frame, session = runner.frame, runner.session
    found = find_object(frame, statement.parent, m.Table, m.Module)
    if found is None:
        raise SqlError(
            1088,
            f'Cannot find the object "{".".join(statement.parent)}" because it does not exist or you do not have '
            "permissions.",
            16,
            11,
        )
    database, item = found
    with plans.databases(session, [database]), session.transactions.writing(database):
        home = DatabaseHome(frame, database)
        names = [n[-1] for n in statement.names] or None
        set_triggers(home, item.id, names, enable=statement.enable)
    done(runner)


def set_triggers(home: DatabaseHome, parent: int, names: list[str] | None, *, enable: bool) -> None:
    """Enable or disable triggers of an object; None means all."""
    triggers = home.catalog.triggers(parent)
    if names is not None:
        wanted = {fold(n) for n in names}
        missing = wanted - {fold(t.name) for t in triggers}
        if missing:
            raise SqlError(
                4920, f"ALTER TABLE failed because trigger '{sorted(missing)[0]}' on the table does not exist.", 16, 0
            )
        triggers = [t for t in triggers if fold(t.name) in wanted]
    for trigger in triggers:
        changed = m.from_dict(m.Module, m.to_dict(trigger))
        changed.disabled, changed.modified = not enable, now()
        home.writer.put(changed)
