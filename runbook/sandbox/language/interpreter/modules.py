"""CREATE of views, procedures, functions, triggers; calls of scalar functions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import fold, now
from runbook.sandbox.language.functions.binder import FunctionBinder
from runbook.sandbox.language.interpreter import plans, tables
from runbook.sandbox.language.interpreter.batches import Runner
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, find_object, split_new
from runbook.sandbox.language.interpreter.environment import SessionEnvironment
from runbook.sandbox.language.interpreter.frame import Frame
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.fragments import parse_module
from runbook.sandbox.language.sinks import NullSink

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.session import LanguageSession

NEST_LIMIT = 32
_WORDS = {"V": "view", "P": "procedure", "FN": "function", "IF": "function", "TF": "function", "TR": "trigger"}


def create(runner: Runner, statement: d.CreateModule) -> None:
    """CREATE, ALTER, CREATE OR ALTER."""
    frame, session = runner.frame, runner.session
    if statement.name[-1].startswith("#"):
        raise unsupported("a temporary procedure")
    if statement.kind == "TR" and len(statement.name) == 1 and len(statement.parent) > 1:
        statement.name = (statement.parent[-2], statement.name[0])
    database, schema, name = split_new(frame, statement.name)
    if fold(database) != fold(session.database):
        raise SqlError(
            166,
            f"'CREATE/ALTER {_WORDS[statement.kind].upper()}' does not allow specifying the database name as a "
            "prefix to the object name.",
            15,
        )
    with plans.databases(session, [database]), session.transactions.writing(database):
        home = DatabaseHome(frame, database)
        module = _model(home, statement, schema, name)
        if statement.kind == "TR":
            _trigger(home, statement, module)
        if statement.kind == "V":
            module.columns = view_columns(frame, statement)
        elif statement.kind == "IF":
            _check_inline(frame, statement)
        home.writer.put(module)
    session.state.settle()
    runner.sink.done()


def _model(home: DatabaseHome, statement: d.CreateModule, schema: str, name: str) -> m.Module:
    schema_id = home.schema_id(schema)
    held = home.catalog.find(schema, name)
    moment = now()
    if held is None and home.catalog.constraint(schema, name) is not None:
        home.check_free(schema, name)
    if held is not None:
        same = isinstance(held, m.Module) and _WORDS[held.kind] == _WORDS[statement.kind]
        if statement.mode == "create" or not same:
            home.check_free(schema, name)
        changed = m.from_dict(m.Module, m.to_dict(held))
        assert isinstance(changed, m.Module)
        changed.text, changed.modified, changed.kind = statement.definition, moment, statement.kind
        changed.options = statement.options
        return changed
    if statement.mode == "alter":
        raise SqlError(208, f"Invalid object name '{'.'.join(statement.name)}'.", 16, 6)
    return m.Module(
        home.new_id(), schema_id, name, statement.kind, statement.definition, moment, moment, options=statement.options
    )


def _trigger(home: DatabaseHome, statement: d.CreateModule, module: m.Module) -> None:
    found = find_object(home.frame, statement.parent, m.Table, m.Module)
    if found is None:
        raise SqlError(
            8197, f"The object '{'.'.join(statement.parent)}' does not exist or is invalid for this operation.", 16, 4
        )
    parent = found[1]
    if isinstance(parent, m.Module) and not statement.instead_of:
        raise SqlError(
            8197, f"The object '{'.'.join(statement.parent)}' does not exist or is invalid for this operation.", 16, 6
        )
    if statement.instead_of:
        for other in home.catalog.triggers(parent.id):
            if other.instead_of and other.id != module.id and set(other.events) & set(statement.events):
                raise SqlError(
                    2111,
                    f"Cannot create trigger '{module.name}' on object '{parent.name}' because an INSTEAD OF "
                    f"{statement.events[0]} trigger already exists on this object.",
                )
    module.parent, module.events, module.instead_of = parent.id, statement.events, statement.instead_of
    module.schema = parent.schema


def view_columns(frame: Frame, statement: d.CreateModule) -> list[list[Any]]:
    """Names and types of a view's columns; binding shows what is wrong with the query."""
    assert statement.query is not None
    if statement.query.order_by and not _limited(statement):
        raise SqlError(
            1033,
            "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and common "
            "table expressions, unless TOP, OFFSET or FOR XML is also specified.",
            15,
        )
    binder = FunctionBinder(SessionEnvironment(frame, substitutions={}), Plan())
    bound = binder.subquery(statement.query, None)
    names = statement.columns or [i.name for i in bound.items]
    if len(names) != len(bound.items):
        raise SqlError(
            8158 if len(names) < len(bound.items) else 8159,
            f"'{statement.name[-1]}' has {'more' if len(names) < len(bound.items) else 'fewer'} columns than were "
            "specified in the column list.",
        )
    seen = set()
    for i, name in enumerate(names, 1):
        if not name:
            raise SqlError(4511, f"Create View or Function failed because no column name was specified for column {i}.")
        if fold(name) in seen:
            raise SqlError(
                4506,
                "Column names in each view or function must be unique. Column name "
                f"'{name}' in view or function '{statement.name[-1]}' is specified more than once.",
            )
        seen.add(fold(name))
    return [[name, asdict(i.bound.type), i.bound.nullable] for name, i in zip(names, bound.items, strict=True)]


def _limited(statement: d.CreateModule) -> bool:
    query = statement.query
    assert query is not None
    return query.offset is not None or getattr(query.body, "top", None) is not None or query.for_xml is not None


def _check_inline(frame: Frame, statement: d.CreateModule) -> None:
    assert statement.query is not None
    environment = SessionEnvironment(frame)
    values = {p.name: Bound("NULL", environment.type_of(p.type)) for p in statement.parameters}
    FunctionBinder(SessionEnvironment(frame, substitutions=values), Plan()).subquery(statement.query, None)


# --- scalar functions --------------------------------------------------------------------------------------


def call_scalar(session: LanguageSession, database: str, module: m.Module, args: tuple[Any, ...]) -> Any:
    """Run a scalar function; called from inside a query."""
    parsed = parse_module(module.text)
    if args and "RETURNS NULL ON NULL INPUT" in parsed.options and None in args:
        return None
    with _function(session, database, module, parsed, args) as (frame, runner):
        assert parsed.returns is not None
        frame.types["@@return"] = SessionEnvironment(frame, database).type_of(parsed.returns)
        frame.variables["@@return"] = None
        runner.scope(parsed.body)
        return frame.variables["@@return"]


def table_rows(
    session: LanguageSession, database: str, module: m.Module, args: tuple[Any, ...]
) -> list[tuple[Any, ...]]:
    """Run a multi-statement function and read its table."""
    parsed = parse_module(module.text)
    with _function(session, database, module, parsed, args) as (frame, runner):
        assert parsed.table_body is not None
        tables.declare(frame, parsed.returns_table, parsed.table_body)
        runner.scope(parsed.body)
        table = frame.tables[parsed.returns_table]
        names = ", ".join(c.phys for c in table.table.columns)
        return session.engine.rows(f"SELECT {names} FROM {table.sql}")


@contextlib.contextmanager
def _function(
    session: LanguageSession, database: str, module: m.Module, parsed: d.CreateModule, args: tuple[Any, ...]
) -> Iterator[tuple[Frame, Runner]]:
    """A frame for a function; what @@ROWCOUNT and the like show stays as it was."""
    if session.depth >= NEST_LIMIT:
        raise SqlError(217, "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).")
    outer, outer_database, state = session.frame, session.database, session.state
    frame = Frame(session, "function", outer)
    frame.procedure, frame.procedure_id = module.name, module.id
    frame.schema = session.open(database)[2].schema_name(module.schema)
    environment = SessionEnvironment(frame, database)
    for parameter, value in zip(parsed.parameters, args, strict=True):
        frame.declare(parameter.name, environment.type_of(parameter.type), value)
    session.frame, session.database, session.state = frame, database, replace(state)
    session.depth += 1
    runner = Runner(session, module.text, NullSink(), frame)
    try:
        yield frame, runner
    finally:
        runner.leave()
        session.depth -= 1
        session.frame, session.database, session.state = outer, outer_database, state
