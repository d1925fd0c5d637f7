"""Flow of control, variables, messages."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import statements as s
from runbook.sandbox.language import types as t
from runbook.sandbox.language.catalog import lookup_session
from runbook.sandbox.language.functions.text import format_message
from runbook.sandbox.language.interpreter import cursors, errors, tables
from runbook.sandbox.language.interpreter.environment import SessionEnvironment
from runbook.sandbox.language.interpreter.frame import Broken, Continued, Jumped, Returned, ScopeEnded
from runbook.sandbox.language.interpreter.plans import is_compile
from runbook.sandbox.language.interpreter.select import evaluate, test
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import convert, dates

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner


def block(runner: Runner, statement: s.Block) -> None:
    """BEGIN ... END."""
    runner.body(statement.body)


def if_(runner: Runner, statement: s.If) -> None:
    """IF."""
    holds = test(runner.frame, statement.condition, statement.plans)
    runner.session.state.settle()
    if holds:
        runner.body([statement.then])
    elif statement.otherwise is not None:
        runner.body([statement.otherwise])


def while_(runner: Runner, statement: s.While) -> None:
    """WHILE."""
    while test(runner.frame, statement.condition, statement.plans):
        runner.session.check()
        try:
            runner.body([statement.body])
        except Continued:
            continue
        except Broken:
            break


def simple(_runner: Runner, statement: s.Simple) -> None:
    """BREAK and CONTINUE."""
    raise Broken if statement.word == "BREAK" else Continued


def goto(_runner: Runner, statement: s.Goto) -> None:
    """GOTO."""
    raise Jumped(statement.name)


def label(_runner: Runner, _statement: s.Label) -> None:
    """A label does nothing."""


def nothing(runner: Runner, _statement: s.Nothing) -> None:
    """Accepted statements."""
    runner.sink.done()


def return_(runner: Runner, statement: s.Return) -> None:
    """RETURN."""
    frame = runner.frame
    if statement.value is not None:
        kind = frame.types.get("@@return", t.INT)
        value, _ = evaluate(frame, statement.value, kind, statement.plans)
        if frame.kind == "function":
            frame.variables["@@return"] = value
        else:
            frame.status = value or 0
    raise Returned


def try_catch(runner: Runner, statement: s.TryCatch) -> None:
    """TRY ... CATCH."""
    session = runner.session
    depth = session.try_depth
    session.try_depth = depth + 1
    caught = None
    try:
        runner.body(statement.body)
    except SqlError as error:
        caught = error
    finally:
        session.try_depth = depth
    if caught is not None:
        _catch(runner, statement, caught, depth)


def _catch(runner: Runner, statement: s.TryCatch, caught: SqlError, depth: int) -> None:
    session = runner.session
    errors.located(caught, statement, runner)
    if is_compile(caught) and not getattr(caught, "left_scope", False):
        if depth:
            raise caught
        runner.sink.error(caught)
        runner.sink.done()
        raise ScopeEnded
    session.caught_errors.append(caught)
    session.state.error = caught.number
    try:
        runner.body(statement.handler)
    finally:
        session.caught_errors.remove(caught)


# --- variables ---------------------------------------------------------------------------------------------


def declare(runner: Runner, statement: s.Declare) -> None:
    """DECLARE."""
    for variable in statement.variables:
        declare_one(runner, variable, assign=True)


def declare_one(runner: Runner, variable: s.Declaration, *, assign: bool) -> None:
    """One variable; in a loop it is declared once, but assigned each time."""
    frame = runner.frame
    if variable.table is not None:
        tables.declare(frame, variable.name, variable.table)
        return
    if variable.cursor:
        cursors.declare_variable(frame, variable.name)
        return
    assert variable.type is not None
    environment = SessionEnvironment(frame)
    alias = environment.user_type(variable.type.parts) if variable.type.type is None else None
    if alias is not None and alias.table_id:
        tables.declare_typed(frame, variable.name, alias)
        return
    kind = environment.type_of(variable.type)
    if id(variable) not in frame.seen:
        frame.seen.add(id(variable))
        frame.declare(variable.name, kind)
    if assign and variable.initial is not None:
        frame.variables[variable.name], _ = evaluate(frame, variable.initial, kind)


def set_variable(runner: Runner, statement: s.SetVariable) -> None:
    """SET @x = value."""
    frame = runner.frame
    if statement.name in frame.cursors or (
        statement.name in frame.types and frame.types[statement.name].name == "cursor"
    ):
        raise unsupported("assigning one cursor variable to another")
    kind = frame.type_of(statement.name)
    frame.variables[statement.name], _ = evaluate(frame, statement.value, kind, statement.plans)
    runner.session.state.settle(1)


# --- messages ----------------------------------------------------------------------------------------------


def as_text(value: Any, kind: SqlType) -> str:
    """A value as PRINT and RAISERROR show it."""
    if value is None:
        return ""
    if t.family(kind) == "string":
        return str(value)
    return str(convert.cast_value(value, kind, t.NVARCHAR_MAX))


def print_(runner: Runner, statement: s.Print) -> None:
    """PRINT."""
    value, kind = evaluate(runner.frame, statement.value, None, statement.plans)
    text = as_text(value, kind) if value is not None else " "
    limit = 4000 if kind.name in t.N_STRINGS else 8000
    runner.sink.info(0, text[:limit], 0, 1, statement.line)
    runner.session.state.settle()


def raiserror(runner: Runner, statement: s.RaiseError) -> None:
    """RAISERROR."""
    values = [evaluate(runner.frame, a, None) for a in statement.args]
    if len(values) < 3:
        raise SqlError(102, "Incorrect syntax near ')'.", 15)
    (message, kind), (severity, _), (state, _) = values[:3]
    number = 50000
    if t.family(kind) == "number":
        number = int(message)
        if number < 50000 or number == 50000:
            raise SqlError(
                2732,
                f"Error number {number} is invalid. The number must be from 13000 through 2147483647 and it "
                "cannot be 50000.",
            )
        raise SqlError(
            18054,
            f"Error {number}, severity {severity}, state {state} was raised, but no message with that error "
            "number was found in sys.messages. If error is larger than 50000, make sure the user-defined message is "
            "added using sp_addmessage.",
        )
    text = format_message(as_text(message, kind), *(_argument(v, k) for v, k in values[3:]))[:2047]
    severity = int(severity or 0)
    if severity > 18 and "LOG" not in statement.options:
        raise SqlError(
            2754,
            "Error severity levels greater than 18 can only be specified by members of the sysadmin role, using "
            "the WITH LOG option.",
        )
    if severity <= 10:
        runner.sink.info(number if severity else 50000, text, max(0, severity), abs(int(state or 1)), statement.line)
        runner.session.state.settle()
        runner.session.state.error = number if "SETERROR" in statement.options else 0
        if "NOWAIT" in statement.options:
            runner.sink.flush()
        return
    error = SqlError(number, text, severity, max(1, abs(int(state or 1))), line=statement.line)
    error.is_raised = True  # type: ignore[attr-defined]
    raise error


def _argument(value: Any, kind: SqlType) -> Any:
    return value if value is None or kind.name in t.INTEGERS else as_text(value, kind)


def throw(runner: Runner, statement: s.Throw) -> None:
    """THROW."""
    session = runner.session
    if not statement.args:
        if not session.caught_errors:
            raise SqlError(
                10704,
                "To rethrow an error, a THROW statement must be used inside a CATCH block. Insert the THROW "
                "statement inside a CATCH block, or add error parameters to the THROW statement.",
                15,
            )
        caught = session.caught_errors[-1]
        error = SqlError(
            caught.number, caught.message, caught.severity, caught.state, line=caught.line, procedure=caught.procedure
        )
        error.is_located = True  # type: ignore[attr-defined]
    else:
        if len(statement.args) != 3:
            raise SqlError(102, "Incorrect syntax near 'THROW'.", 15)
        number, _ = evaluate(runner.frame, statement.args[0], t.INT)
        message, _ = evaluate(runner.frame, statement.args[1], t.nvarchar(2048))
        state, _ = evaluate(runner.frame, statement.args[2], t.INT)
        if number is None or number < 50000:
            raise SqlError(
                35100,
                f"Error number {number} in the THROW statement is outside the valid range. Specify an error "
                "number in the valid range of 50000 to 2147483647.",
            )
        error = SqlError(number, message or "", 16, state or 1, line=statement.line)
    error.is_thrown = True  # type: ignore[attr-defined]
    raise error


def waitfor(runner: Runner, statement: s.WaitFor) -> None:
    """WAITFOR DELAY and TIME."""
    value, kind = evaluate(runner.frame, statement.value, None)
    if value is None:
        value = 0
    elif t.family(kind) == "string":
        try:
            day, clock, _ = dates.parse(value)
        except SqlError:
            raise SqlError(148, f"Incorrect time syntax in time string '{value}' used with WAITFOR.", 15) from None
        if clock is None or clock < 0 or day is not None:
            raise SqlError(148, f"Incorrect time syntax in time string '{value}' used with WAITFOR.", 15)
        value = clock
    else:
        value = convert.cast_value(value, kind, t.DATETIME) % dates.DAY
    seconds = value / dates.SECOND
    if statement.kind == "TIME":
        now = datetime.datetime.now(datetime.UTC)
        passed = (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
        seconds = (seconds - passed) % 86400
    runner.session.wait(seconds)
    runner.sink.done()


def use(runner: Runner, statement: s.Use) -> None:
    """USE."""
    session = runner.session
    old = session.database
    database = session.instance.enter(session, statement.database)
    session.engine.attach(database)
    session.database = database.name
    session.state.settle()
    runner.frame.schema = lookup_session.default_schema(session)
    runner.sink.database(database.name, old)
    runner.sink.done()
