"""DROP, schemas, types, synonyms, statistics, switching triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import fold, now
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, done, find_object, find_table, split_new
from runbook.sandbox.language.interpreter.ddl.principals import drop_principal
from runbook.sandbox.language.interpreter.ddl.tables import build
from runbook.sandbox.language.interpreter.environment import SessionEnvironment
from runbook.sandbox.language.lexer import quote_name
from runbook.sandbox.language.parser.base import unsupported

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner

_KINDS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "TABLE": (m.Table, ()),
    "VIEW": (m.Module, ("V",)),
    "PROCEDURE": (m.Module, ("P",)),
    "FUNCTION": (m.Module, ("FN", "IF", "TF")),
    "TRIGGER": (m.Module, ("TR",)),
    "SEQUENCE": (m.Sequence, ()),
    "SYNONYM": (m.Synonym, ()),
}


def drop(runner: Runner, statement: d.Drop) -> None:
    """DROP."""
    if statement.kind in ("USER", "ROLE"):
        for name in statement.names:
            drop_principal(runner, name[-1], statement.kind, if_exists=statement.if_exists)
    elif statement.kind in ("SCHEMA", "TYPE", "STATISTICS"):
        for name in statement.names:
            _DROPS[statement.kind](runner, name, statement.if_exists)
    elif statement.kind in _KINDS:
        for name in statement.names:
            _drop_one(runner, statement, name)
    else:
        raise unsupported(f"DROP {statement.kind}")
    done(runner)


def _missing(statement: d.Drop, name: tuple[str, ...]) -> SqlError:
    return SqlError(
        3701,
        f"Cannot drop the {statement.kind.lower()} '{'.'.join(name)}', because it does not exist or you do not "
        f"have permission.",
        11,
        5,
    )


def _drop_one(runner: Runner, statement: d.Drop, name: tuple[str, ...]) -> None:
    frame, session = runner.frame, runner.session
    if statement.kind == "TABLE" and name[-1].startswith("#"):
        stored = session.temp_tables.get(fold(name[-1]))
        if stored is None:
            if statement.if_exists:
                return
            raise _missing(statement, name)
        with session.transactions.writing():
            session.engine.execute(f"DROP TABLE {stored.sql}")
        del session.temp_tables[fold(name[-1])]
        return
    cls, kinds = _KINDS[statement.kind]
    found = find_object(frame, name, cls)
    if found is None or (kinds and found[1].kind not in kinds):
        other = find_object(frame, name, m.Table, m.Module, m.Sequence, m.Synonym)
        if other is not None:
            raise SqlError(
                3705,
                f"Cannot use DROP {statement.kind} with '{'.'.join(name)}' because '{'.'.join(name)}' is a "
                f"{_word(other[1])}. Use DROP {_word(other[1]).upper()}.",
            )
        if statement.if_exists:
            return
        raise _missing(statement, name)
    database, item = found
    with plans.databases(session, [database]), session.transactions.writing(database):
        _remove(DatabaseHome(frame, database), item)


def _word(item: Any) -> str:
    if isinstance(item, m.Module):
        return {"V": "view", "P": "procedure", "TR": "trigger"}.get(item.kind, "function")
    return type(item).__name__.lower()


def _remove(home: DatabaseHome, item: Any) -> None:
    catalog = home.catalog
    if isinstance(item, m.Table):
        for child, key in catalog.referencing(item.id):
            if child.id != item.id:
                raise SqlError(
                    3726,
                    f"Could not drop object '{catalog.full_name(item)}' because it is referenced by a FOREIGN KEY "
                    "constraint."
                    if key
                    else "",
                )
        home.engine.execute(f"DROP TABLE {home.dot}{item.phys}")
        home.engine.change(f"DELETE FROM {home.dot}sys_identity WHERE id=?", (item.id,))
    if isinstance(item, m.Sequence):
        home.engine.change(f"DELETE FROM {home.dot}sys_sequence WHERE id=?", (item.id,))
    for trigger in catalog.triggers(item.id):
        home.writer.remove("Module", trigger.id)
    home.writer.drop_dependents(catalog, item.id)
    home.writer.remove(type(item).__name__, item.id)


# --- schemas -----------------------------------------------------------------------------------------------


def create_schema(runner: Runner, statement: d.CreateSchema) -> None:
    """CREATE SCHEMA."""
    session = runner.session
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        if home.catalog.schema(statement.name) is not None:
            raise SqlError(
                2714,
                f"There is already an object named '{statement.name}' in the database.",
                16,
                6,
                also=[SqlError(2759, "CREATE SCHEMA failed due to previous errors.", 16, 0)],
            )
        owner = 1
        if statement.owner:
            principal = home.catalog.principal(statement.owner)
            if principal is None:
                raise SqlError(
                    15151,
                    f"Cannot find the user '{statement.owner}', because it does not exist or you do not have "
                    "permission.",
                )
            owner = principal.id
        home.writer.put(m.Schema(_next_schema(home), statement.name, owner))
    done(runner)


def _next_schema(home: DatabaseHome) -> int:
    used = {i for i in home.catalog.schemas if i < 16384}
    return max(used) + 1


def _drop_schema(runner: Runner, name: tuple[str, ...], if_exists: bool) -> None:
    session = runner.session
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        schema = home.catalog.schema(name[-1])
        if schema is None:
            if if_exists:
                return
            raise SqlError(
                15151, f"Cannot drop the schema '{name[-1]}', because it does not exist or you do not have permission."
            )
        inside = [o for o in home.catalog.objects.values() if o.schema == schema.id and not getattr(o, "type_id", 0)]
        if inside:
            raise SqlError(
                3729, f"Cannot drop schema '{schema.name}' because it is being referenced by object '{inside[0].name}'."
            )
        home.writer.remove("Schema", schema.id)


def transfer(runner: Runner, statement: d.TransferSchema) -> None:
    """ALTER SCHEMA ... TRANSFER."""
    frame, session = runner.frame, runner.session
    if statement.kind not in ("OBJECT", "TYPE"):
        raise unsupported(f"ALTER SCHEMA ... TRANSFER {statement.kind}")
    if statement.kind == "TYPE":
        raise unsupported("ALTER SCHEMA ... TRANSFER TYPE")
    found = find_object(frame, statement.name, m.Table, m.Module, m.Sequence, m.Synonym)
    if found is None:
        raise SqlError(
            15151,
            f"Cannot find the object '{'.'.join(statement.name)}', because it does not exist or you do not have "
            "permission.",
        )
    database, item = found
    with plans.databases(session, [database]), session.transactions.writing(database):
        home = DatabaseHome(frame, database)
        schema_id = home.schema_id(statement.schema)
        home.check_free(statement.schema, item.name)
        moved = m.from_dict(type(item), m.to_dict(item))
        moved.schema = schema_id
        home.writer.put(moved)
        for trigger in home.catalog.triggers(item.id):
            changed = m.from_dict(m.Module, m.to_dict(trigger))
            changed.schema = schema_id
            home.writer.put(changed)
    done(runner)


# --- types, synonyms, statistics ---------------------------------------------------------------------------


def create_type(runner: Runner, statement: d.CreateType) -> None:
    """CREATE TYPE."""
    frame, session = runner.frame, runner.session
    database, schema, name = split_new(frame, statement.name)
    with plans.databases(session, [database]), session.transactions.writing(database):
        home = DatabaseHome(frame, database)
        schema_id = home.schema_id(schema)
        if home.catalog.user_type(schema, name) is not None:
            raise SqlError(
                219, f"The type '{schema}.{name}' already exists, or you do not have permission to create it."
            )
        number = home.writer.next_in("UserType", 257)
        if statement.table is not None:
            table = build(home, schema_id, f"TT_{name[:8]}_{number:08X}", statement.table)
            table.type_id = number
            home.save(table)
            home.writer.put(m.UserType(number, schema_id, name, None, False, table.id))
        else:
            assert statement.base is not None
            base = SessionEnvironment(frame).type_of(statement.base)
            home.writer.put(m.UserType(number, schema_id, name, base, statement.nullable))
    done(runner)


def _drop_type(runner: Runner, name: tuple[str, ...], if_exists: bool) -> None:
    frame, session = runner.frame, runner.session
    found = SessionEnvironment(frame).user_type(name)
    if found is None:
        if if_exists:
            return
        raise SqlError(
            218,
            f"Could not find the type '{'.'.join(name)}'. Either it does not exist or you do not have the necessary "
            "permission.",
        )
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(frame, session.database)
        for table in home.catalog.tables():
            for column in table.columns:
                if column.user_type == found.id:
                    raise SqlError(
                        3732,
                        f"Cannot drop type '{'.'.join(name)}' because it is being referenced by object "
                        f"'{table.name}'. There may be other objects that reference this type.",
                    )
        if found.table_id:
            home.engine.execute(f"DROP TABLE {home.dot}{home.catalog.table(found.table_id).phys}")
            home.writer.remove("Table", found.table_id)
        home.writer.remove("UserType", found.id)


def create_synonym(runner: Runner, statement: d.CreateSynonym) -> None:
    """CREATE SYNONYM."""
    frame, session = runner.frame, runner.session
    database, schema, name = split_new(frame, statement.name)
    with plans.databases(session, [database]), session.transactions.writing(database):
        home = DatabaseHome(frame, database)
        schema_id = home.schema_id(schema)
        home.check_free(schema, name)
        target = ".".join(quote_name(p) if p else "" for p in statement.target)
        home.writer.put(m.Synonym(home.new_id(), schema_id, name, target, now(), now()))
    done(runner)


def create_statistics(runner: Runner, statement: d.CreateStatistics) -> None:
    """CREATE STATISTICS."""
    frame, session = runner.frame, runner.session
    found = find_table(frame, statement.table)
    if found is None or not isinstance(found[0], DatabaseHome):
        raise SqlError(
            1088,
            f'Cannot find the object "{".".join(statement.table)}" because it does not exist or you do not have '
            "permissions.",
            16,
            12,
        )
    database, table = found[0].database, found[1]
    columns = []
    for name in statement.columns:
        column = table.column(name)
        if column is None:
            raise SqlError(1911, f"Column name '{name}' does not exist in the target table or view.")
        columns.append(column.id)
    with plans.databases(session, [database]), session.transactions.writing(database):
        home = DatabaseHome(frame, database)
        number = home.writer.next_in("Statistic", 1)
        home.writer.put(m.Statistic(number, table.id, statement.name, columns))
    done(runner)


def _drop_statistics(runner: Runner, name: tuple[str, ...], if_exists: bool) -> None:
    del if_exists
    frame, session = runner.frame, runner.session
    found = find_table(frame, name[:-1])
    if found is not None and isinstance(found[0], DatabaseHome):
        database = found[0].database
        with plans.databases(session, [database]), session.transactions.writing(database):
            home = DatabaseHome(frame, database)
            for number, one in home.catalog.statistics.items():
                if one.table == found[1].id and fold(one.name) == fold(name[-1]):
                    home.writer.remove("Statistic", number)
                    return
    raise SqlError(
        3701,
        f"Cannot drop the statistics '{'.'.join(name)}', because it does not exist or you do not have permission.",
        11,
        6,
    )


_DROPS = {"SCHEMA": _drop_schema, "TYPE": _drop_type, "STATISTICS": _drop_statistics}


def scoped_configuration(runner: Runner, statement: d.ScopedConfiguration) -> None:
    """ALTER DATABASE SCOPED CONFIGURATION SET."""
    session = runner.session
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        home.writer.setting(f"scoped.{statement.name}", statement.value)
    done(runner)
