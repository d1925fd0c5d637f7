"""ALTER TABLE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language.bind.bound import Plan
from runbook.sandbox.language.bind.conversion import assign
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import fold
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.ddl.build import column_sql
from runbook.sandbox.language.interpreter.ddl.constraints import ConstraintBuilder
from runbook.sandbox.language.interpreter.ddl.home import (
    DatabaseHome,
    copy_table,
    find_constraint,
    find_table,
    table_label,
)
from runbook.sandbox.language.interpreter.ddl.indexes import rebuild_indexes
from runbook.sandbox.language.interpreter.ddl.tables import in_primary, order
from runbook.sandbox.language.interpreter.ddl.triggers import set_triggers
from runbook.sandbox.language.lexer import lex
from runbook.sandbox.language.parser.fragments import parse_expression

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner


def alter(runner: Runner, statement: d.AlterTable) -> None:
    """ALTER TABLE."""
    frame = runner.frame
    found = find_table(frame, statement.name)
    if found is None:
        raise SqlError(
            4902,
            f'Cannot find the object "{".".join(statement.name)}" because it does not exist or you do not have '
            "permissions.",
        )
    home, _ = found
    databases = [home.database] if isinstance(home, DatabaseHome) else []
    with plans.databases(frame.session, databases), frame.session.transactions.writing(*databases):
        again = find_table(frame, statement.name)
        assert again is not None
        builder = ConstraintBuilder(again[0], copy_table(again[1]))
        _ACTIONS[statement.action](builder, statement)
        _store(builder, again[1])
    runner.session.state.settle()
    runner.sink.done()


def _store(builder: ConstraintBuilder, before: m.Table) -> None:
    home = builder.home
    if isinstance(home, DatabaseHome):
        home.save(builder.table)
        return
    for name, stored in list(home.session.temp_tables.items()):
        if stored.table is before:
            home.session.temp_tables[name] = StoredTable(stored.name, builder.table)


def _add(builder: ConstraintBuilder, statement: d.AlterTable) -> None:
    assert statement.body is not None
    body = statement.body
    trusted = statement.with_check is not False
    for definition in body.columns:
        _add_column(builder, definition)
    for constraint in sorted(body.constraints, key=order):
        if constraint.kind == "PRIMARY KEY":
            _check_not_null(builder, constraint)
        builder.add(constraint, trusted=trusted)


def _check_not_null(builder: ConstraintBuilder, constraint: d.ConstraintDef) -> None:
    for name, _ in constraint.columns:
        if builder.table.column(name) is None:
            raise SqlError(1911, f"Column name '{name}' does not exist in the target table or view.")


def _add_column(builder: ConstraintBuilder, definition: d.ColumnDef) -> None:
    table, home = builder.table, builder.home
    column = builder.add_column(definition)
    later = [c for c in definition.constraints if c.kind != "DEFAULT"]
    if column.computed:
        for constraint in later:
            builder.add(constraint)
        return
    if definition.nullable is None and in_primary(column.name, later):
        column.nullable = False
    target = f"{home.dot}{table.phys}"
    home.engine.execute(f"ALTER TABLE {target} ADD COLUMN {column_sql(column)}")
    default = next((c for c in definition.constraints if c.kind == "DEFAULT"), None)
    if default is not None:
        builder.add(default)
    _fill_new(builder, column, default)
    for constraint in later:
        builder.add(constraint)


def _fill_new(builder: ConstraintBuilder, column: m.Column, default: d.ConstraintDef | None) -> None:
    """Rows that exist already: identity, rowversion, or the default of a NOT NULL column."""
    table, home = builder.table, builder.home
    target = f"{home.dot}{table.phys}"
    if column.identity:
        home.session.counters.begin_identity(home.dot, table)
        home.engine.change(f"UPDATE {target} SET {column.phys} = _ident()")
        home.session.counters.end_identity(keep=True)
    elif column.type.name == "timestamp":
        home.session.counters.use_row_version(home.dot)
        home.engine.change(f"UPDATE {target} SET {column.phys} = _rowver()")
    elif default is not None and (not column.nullable or default.with_values):
        plan = Plan()
        bound = plans.binder_for(home.frame, plan).value(parse_expression(default.expression), Scope())
        value = assign(bound, column.type, table.name, column.name)
        home.engine.change(f"UPDATE {target} SET {column.phys} = {value.sql}", plans.parameters(plan, home.frame))
    elif not column.nullable and home.engine.value(f"SELECT 1 FROM {target} LIMIT 1") is not None:
        raise SqlError(
            4901,
            "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT definition "
            "specified, or the "
            "column being added is an identity or timestamp column, or alternatively if none of the previous "
            "conditions are "
            f"satisfied the table must be empty to allow addition of this column. Column '{column.name}' "
            f"cannot be added to "
            f"non-empty table '{table.name}' because it does not satisfy these conditions.",
        )


def _alter_column(builder: ConstraintBuilder, statement: d.AlterTable) -> None:
    assert statement.column is not None
    table, definition = builder.table, statement.column
    old = table.column(definition.name)
    if old is None:
        raise SqlError(
            4924,
            f"ALTER TABLE ALTER COLUMN failed because column '{definition.name}' does not exist in table "
            f"'{table.name}'.",
        )
    if old.computed or old.type.name == "timestamp":
        raise SqlError(
            4928, f"Cannot alter column '{old.name}' because it is '{'COMPUTED' if old.computed else 'timestamp'}'."
        )
    probe = ConstraintBuilder(builder.home, m.Table(0, table.schema, table.name, table.phys, []))
    new = probe.add_column(definition)
    if old.type != new.type:
        _depends(builder, old, allow_longer=_is_longer(old, new))
    if old.nullable and not new.nullable:
        _no_nulls(builder, old, "ALTER TABLE ALTER COLUMN")
    before = (old.type, old.collation)
    old.nullable, old.user_type, old.type_name = new.nullable, new.user_type, new.type_name
    if definition.collation:
        old.collation = new.collation
    if before != (new.type, old.collation) or old.type != new.type:
        _rewrite(builder, old, new)
    rebuild_indexes(builder, old)


def _is_longer(old: m.Column, new: m.Column) -> bool:
    if old.type.name != new.type.name or old.type.length is None:
        return False
    return new.type.length == -1 or (old.type.length != -1 and (new.type.length or 0) >= old.type.length)


def _depends(builder: ConstraintBuilder, column: m.Column, *, allow_longer: bool) -> None:
    """Errors 5074 and 4922: constraints and indexes stand in the way of a new type."""
    table = builder.table
    blocking = [
        f"The object '{i.name}'" if i.kind else f"The index '{i.name}'"
        for i in table.indexes
        if any(k == column.id for k, _ in i.keys) and not allow_longer
    ]
    blocking += [f"The object '{f.name}'" for f in table.foreign_keys if column.id in f.columns]
    blocking += [f"The object '{c.name}'" for c in table.checks if c.column == column.id or _names(c.text, column)]
    blocking += [f"The column '{c.name}'" for c in table.columns if c.computed and _names(c.computed, column)]
    if column.default is not None and not allow_longer:
        blocking.append(f"The object '{column.default.name}'")
    if blocking:
        last = SqlError(
            4922,
            f"ALTER TABLE ALTER COLUMN {column.name} failed because one or more objects access this column.",
            16,
            9,
        )
        first, *rest = [SqlError(5074, f"{b} is dependent on column '{column.name}'.") for b in blocking]
        raise SqlError(first.number, first.message, also=[*rest, last])


def _names(text: str, column: m.Column) -> bool:
    tokens = lex(text)
    wanted = fold(column.name)
    return any(k in ("word", "quoted") and fold(v) == wanted for k, v in zip(tokens.kinds, tokens.values, strict=True))


def _no_nulls(builder: ConstraintBuilder, column: m.Column, verb: str) -> None:
    home = builder.home
    del verb
    found = home.engine.value(f"SELECT 1 FROM {home.dot}{builder.table.phys} WHERE {column.phys} IS NULL LIMIT 1")
    if found is not None:
        raise SqlError(
            515,
            f"Cannot insert the value NULL into column '{column.name}', table '{_label(builder)}'; column does not "
            "allow nulls. UPDATE fails.",
            16,
            2,
        )


def _label(builder: ConstraintBuilder) -> str:
    return table_label(builder.home, builder.table)


def _rewrite(builder: ConstraintBuilder, column: m.Column, new: m.Column) -> None:
    """A new SQLite column with the converted values takes the place of the old one."""
    table, home = builder.table, builder.home
    target = f"{home.dot}{table.phys}"
    for index in table.indexes:
        if any(k == column.id for k, _ in index.keys):
            builder.drop_index(index)
    phys = f"c{table.next_column}"
    table.next_column += 1
    plan = Plan()
    binder = plans.binder_for(home.frame, plan)
    source = builder.scope(binder).sources[0].find(column.name)
    assert source is not None
    value = assign(source, new.type, _label(builder), column.name)
    old_phys, column.phys, column.type = column.phys, phys, new.type
    home.engine.execute(f"ALTER TABLE {target} ADD COLUMN {column_sql(column)}")
    home.engine.change(f"UPDATE {target} SET {phys} = {value.sql}")
    home.engine.execute(f"ALTER TABLE {target} DROP COLUMN {old_phys}")


def _drop(builder: ConstraintBuilder, statement: d.AlterTable) -> None:
    for kind, name, if_exists in statement.names:
        if kind == "COLUMN":
            _drop_column(builder, name, if_exists=if_exists)
        else:
            _drop_constraint(builder, name, if_exists=if_exists)


def _drop_constraint(builder: ConstraintBuilder, name: str, *, if_exists: bool) -> None:
    table = builder.table
    found = find_constraint(table, name)
    if found is None:
        if if_exists:
            return
        raise SqlError(
            3728,
            f"'{name}' is not a constraint.",
            also=[SqlError(3727, "Could not drop constraint. See previous errors.", 16, 0)],
        )
    if isinstance(found, m.Index):
        _unreferenced(builder, found)
        builder.drop_index(found)
        table.indexes.remove(found)
    elif isinstance(found, m.Check):
        table.checks.remove(found)
    elif isinstance(found, m.ForeignKey):
        table.foreign_keys.remove(found)
    else:
        for column in table.columns:
            if column.default is found:
                column.default = None


def _unreferenced(builder: ConstraintBuilder, index: m.Index) -> None:
    if not isinstance(builder.home, DatabaseHome):
        return
    for child, key in builder.home.catalog.referencing(builder.table.id):
        if key.index == index.id:
            raise SqlError(
                3725,
                f"The constraint '{index.name}' is being referenced by table '{child.name}', foreign key "
                f"constraint '{key.name}'.",
                16,
                0,
                also=[SqlError(3727, "Could not drop constraint. See previous errors.", 16, 0)],
            )


def _drop_column(builder: ConstraintBuilder, name: str, *, if_exists: bool) -> None:
    table, home = builder.table, builder.home
    column = table.column(name)
    if column is None:
        if if_exists:
            return
        raise SqlError(
            4924, f"ALTER TABLE DROP COLUMN failed because column '{name}' does not exist in table '{table.name}'."
        )
    if len(table.columns) == 1:
        raise SqlError(
            4923,
            f"ALTER TABLE DROP COLUMN failed because '{name}' is the only data column in table '{table.name}'. A "
            "table must have at least one data column.",
        )
    try:
        _depends(builder, column, allow_longer=False)
    except SqlError as error:
        last = SqlError(
            4922, f"ALTER TABLE DROP COLUMN {name} failed because one or more objects access this column.", 16, 9
        )
        raise SqlError(error.number, error.message, also=[*error.also[:-1], last]) from None
    table.columns.remove(column)
    if not column.computed:
        home.engine.execute(f"ALTER TABLE {home.dot}{table.phys} DROP COLUMN {column.phys}")


def _switch(builder: ConstraintBuilder, statement: d.AlterTable) -> None:
    """CHECK and NOCHECK CONSTRAINT."""
    enable, table = statement.action == "check", builder.table
    chosen: list[Any] = [*table.checks, *table.foreign_keys]
    if statement.names[0][0] != "ALL":
        chosen = []
        for _, name, _ in statement.names:
            found = find_constraint(table, name)
            if not isinstance(found, (m.Check, m.ForeignKey)):
                raise SqlError(
                    4917,
                    f"Constraint '{name}' does not exist.",
                    also=[SqlError(4916, "Could not enable or disable the constraint. See previous errors.")],
                )
            chosen.append(found)
    for constraint in chosen:
        _switch_one(builder, constraint, enable=enable, verify=statement.with_check is True)


def _switch_one(builder: ConstraintBuilder, constraint: Any, *, enable: bool, verify: bool) -> None:
    constraint.disabled = not enable
    if not enable:
        constraint.not_trusted = True
        return
    if not verify:
        return
    if isinstance(constraint, m.Check):
        builder.verify_check(constraint)
    else:
        assert isinstance(builder.home, DatabaseHome)
        parent = builder.home.catalog.table(constraint.table)
        builder.verify_foreign_key(constraint, builder.table if parent.id == builder.table.id else parent)
    constraint.not_trusted = False


def _switch_triggers(builder: ConstraintBuilder, statement: d.AlterTable) -> None:
    assert isinstance(builder.home, DatabaseHome)
    names = None if statement.names[0][0] == "ALL" else [name for _, name, _ in statement.names]
    set_triggers(builder.home, builder.table.id, names, enable=statement.action.startswith("enable"))


def _nothing(_builder: ConstraintBuilder, _statement: d.AlterTable) -> None:
    """REBUILD and SET (LOCK_ESCALATION) change nothing that shows."""


_ACTIONS = {
    "add": _add,
    "alter column": _alter_column,
    "drop": _drop,
    "check": _switch,
    "nocheck": _switch,
    "enable trigger": _switch_triggers,
    "disable trigger": _switch_triggers,
    "rebuild": _nothing,
    "set": _nothing,
}
