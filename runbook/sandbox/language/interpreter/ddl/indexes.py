"""CREATE, ALTER and DROP INDEX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import fold
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.ddl.constraints import ConstraintBuilder
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, SessionHome, copy_table, find_object, find_table
from runbook.sandbox.language.parser.base import unsupported

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner


def _builder(runner: Runner, parts: tuple[str, ...], missing: SqlError) -> ConstraintBuilder:
    found = find_table(runner.frame, parts)
    if found is None:
        view = find_object(runner.frame, parts, m.Module) if not parts[-1].startswith("#") else None
        if view is not None:
            raise unsupported("an index on a view")
        raise missing
    return ConstraintBuilder(found[0], copy_table(found[1]))


def _store(builder: ConstraintBuilder) -> None:
    home = builder.home
    if isinstance(home, DatabaseHome):
        home.save(builder.table)
        return
    for name, stored in list(home.session.temp_tables.items()):
        if stored.table.id == builder.table.id:
            home.session.temp_tables[name] = StoredTable(stored.name, builder.table)


def _databases(builder: ConstraintBuilder) -> list[str]:
    return [] if isinstance(builder.home, SessionHome) else [builder.home.database]


def create(runner: Runner, statement: d.CreateIndex) -> None:
    """CREATE INDEX."""
    session = runner.session
    name = ".".join(statement.table)
    missing = SqlError(
        1088, f'Cannot find the object "{name}" because it does not exist or you do not have permissions.', 16, 12
    )
    names = _databases(_builder(runner, statement.table, missing))
    with plans.databases(session, names), session.transactions.writing(*names):
        builder = _builder(runner, statement.table, missing)
        options = statement.definition.options
        existing = next((i for i in builder.table.indexes if fold(i.name) == fold(statement.definition.name)), None)
        if options.get("DROP_EXISTING") == "ON" and existing is not None:
            builder.drop_index(existing)
            builder.table.indexes.remove(existing)
        builder.add(statement.definition)
        _store(builder)
    session.state.settle()
    runner.sink.done()


def alter(runner: Runner, statement: d.AlterIndex) -> None:
    """ALTER INDEX: REBUILD enables a disabled index, DISABLE drops its pages."""
    session = runner.session
    name = ".".join(statement.table)
    missing = SqlError(
        1088, f'Cannot find the object "{name}" because it does not exist or you do not have permissions.', 16, 9
    )
    names = _databases(_builder(runner, statement.table, missing))
    if statement.action not in ("REBUILD", "REORGANIZE", "DISABLE", "SET"):
        raise unsupported(f"ALTER INDEX ... {statement.action}")
    with plans.databases(session, names), session.transactions.writing(*names):
        builder = _builder(runner, statement.table, missing)
        chosen = [i for i in builder.table.indexes if not statement.name or fold(i.name) == fold(statement.name)]
        if not chosen and statement.name:
            raise SqlError(2727, f"Cannot find index '{statement.name}'.", 11)
        for index in chosen:
            _alter_one(builder, index, statement.action)
        _store(builder)
    session.state.settle()
    runner.sink.done()


def _alter_one(builder: ConstraintBuilder, index: m.Index, action: str) -> None:
    if action == "DISABLE":
        if index.clustered:
            raise unsupported("disabling a clustered index")
        builder.drop_index(index)
        index.disabled = True
    elif action == "REBUILD" and index.disabled:
        index.disabled = False
        builder.make_index(index)


def drop(runner: Runner, statement: d.DropIndex) -> None:
    """DROP INDEX."""
    session = runner.session
    for name, table in statement.items:
        label = f"{'.'.join(table)}.{name}"
        missing = SqlError(
            3701, f"Cannot drop the index '{label}', because it does not exist or you do not have permission.", 11, 7
        )
        try:
            names = _databases(_builder(runner, table, missing))
        except SqlError:
            if statement.if_exists:
                continue
            raise
        with plans.databases(session, names), session.transactions.writing(*names):
            _drop_one(_builder(runner, table, missing), name, missing, if_exists=statement.if_exists)
    session.state.settle()
    runner.sink.done()


def _drop_one(builder: ConstraintBuilder, name: str, missing: SqlError, *, if_exists: bool) -> None:
    index = next((i for i in builder.table.indexes if fold(i.name) == fold(name)), None)
    if index is None:
        if if_exists:
            return
        raise missing
    if index.kind:
        word = "PRIMARY KEY" if index.kind == "PK" else "UNIQUE KEY"
        raise SqlError(
            3723,
            f"An explicit DROP INDEX is not allowed on index '{builder.table.name}.{name}'. It is being used for "
            f"{word} constraint enforcement.",
            16,
            4,
        )
    builder.drop_index(index)
    builder.table.indexes.remove(index)
    _store(builder)


def rebuild_indexes(builder: ConstraintBuilder, column: m.Column) -> None:
    """Make the indexes over a column again: its SQLite column, collation or nullability has changed."""
    for index in builder.table.indexes:
        if any(k == column.id for k, _ in index.keys):
            builder.drop_index(index)
            builder.make_index(index)
