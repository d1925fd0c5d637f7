"""Batches: parse, run statement after statement, deal with errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Sink, SqlError
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.catalog import lookup_session
from runbook.sandbox.language.interpreter import errors, flow
from runbook.sandbox.language.interpreter.frame import (
    BatchEnded,
    Broken,
    Continued,
    Frame,
    Jumped,
    Returned,
    ScopeEnded,
    StalePlan,
)
from runbook.sandbox.language.interpreter.tables import drop_local
from runbook.sandbox.language.parser import parse_batch
from runbook.sandbox.language.sinks import NullSink

if TYPE_CHECKING:
    from runbook.sandbox.language.session import LanguageSession


def parse(session: LanguageSession, sql: str, sink: Sink) -> Sequence[s.Statement] | None:
    """Statements of a batch; a syntax error goes to the sink and gives None."""
    try:
        return parse_batch(sql)
    except SqlError as error:
        report(session, error, sink)
        return None


def report(session: LanguageSession, error: SqlError, sink: Sink) -> None:
    """Send an error and remember its number."""
    session.state.error = error.number
    sink.error(error)


def run_batch(session: LanguageSession, sql: str, sink: Sink) -> None:
    """A batch from the client."""
    frame = Frame(session)
    frame.schema = lookup_session.default_schema(session)
    session.frame = frame
    run_text(session, sql, sink, frame)


def run_text(session: LanguageSession, sql: str, sink: Sink, frame: Frame) -> None:
    """Parse and run a batch in a frame; errors end at the sink."""
    statements = parse(session, sql, sink)
    if statements is None:
        sink.done()
        return
    runner = Runner(session, sql, sink, frame)
    try:
        runner.scope(statements)
    except BatchEnded:
        pass
    finally:
        runner.leave()
        session.frame = frame


def run_inner(session: LanguageSession, database: str, sql: str, sink: Sink | None) -> None:
    """Run T-SQL in a database within a session that may be running something already."""
    frame = Frame(session, "dynamic", session.frame)
    outer_frame, outer_database = session.frame, session.database
    session.frame, session.database = frame, database
    try:
        runner = Runner(session, sql, sink or NullSink(), frame)
        runner.scope(parse_batch(sql))
    finally:
        session.frame, session.database = outer_frame, outer_database


HANDLERS: dict[type[s.Statement], Callable[[Any, Any], None]] = {}
"""Which function runs which statement; the dispatcher fills it."""
QUIET: set[type[s.Statement]] = set()
"""Statements that are neither logged nor open to faults: what they contain is."""


class Runner:
    """Runs the statements of one scope: batch, procedure, trigger or function."""

    def __init__(self, session: LanguageSession, text: str, sink: Sink, frame: Frame) -> None:
        self.session = session
        self.text = text
        self.sink = sink
        self.frame = frame

    def scope(self, statements: Sequence[s.Statement]) -> None:
        """Run the scope to its end."""
        self.frame.hoist = lambda name: hoist(self, statements, name)
        try:
            self.body(statements)
        except (Returned, ScopeEnded):
            pass
        except (Broken, Continued):
            raise SqlError(135, "Cannot use a BREAK statement outside the scope of a WHILE statement.", 15) from None
        except Jumped as jump:
            raise SqlError(
                133, f"A GOTO statement references the label '{jump.label}' but the label has not been declared.", 15
            ) from None

    def body(self, statements: Sequence[s.Statement]) -> None:
        """Statements one after another, with GOTO among them."""
        at = 0
        while at < len(statements):
            try:
                self.statement(statements[at])
                at += 1
            except Jumped as jump:
                found = _label(statements, jump.label)
                if found is None:
                    raise
                at = found

    def statement(self, statement: s.Statement) -> None:
        """One statement with its errors: caught by TRY, or reported here."""
        session = self.session
        session.check()
        try:
            execute(self, statement)
        except SqlError as error:
            self.fail(error, statement)

    def fail(self, error: SqlError, statement: s.Statement) -> None:
        """An error outside of TRY is reported; then the statement, its scope or the batch ends."""
        errors.handle(self, error, statement)

    def leave(self) -> None:
        """Drop what belonged to the scope."""
        drop_local(self.frame)


def hoist(runner: Runner, statements: Sequence[s.Statement], name: str) -> bool:
    """Declare a variable whose DECLARE stands before the running statement but did not run."""
    for statement in every(statements):
        if not isinstance(statement, s.Declare) or statement.start >= runner.frame.position:
            continue
        for variable in statement.variables:
            if variable.name == name:
                flow.declare_one(runner, variable, assign=False)
                return True
    return False


def every(statements: Sequence[s.Statement]) -> Iterator[s.Statement]:
    """All statements of a scope, those in blocks too."""
    for statement in statements:
        yield statement
        if isinstance(statement, s.Block):
            yield from every(statement.body)
        elif isinstance(statement, s.If):
            yield from every([statement.then, *([statement.otherwise] if statement.otherwise else [])])
        elif isinstance(statement, s.While):
            yield from every([statement.body])
        elif isinstance(statement, s.TryCatch):
            yield from every([*statement.body, *statement.handler])


def _label(statements: Sequence[s.Statement], name: str) -> int | None:
    for i, statement in enumerate(statements):
        if isinstance(statement, s.Label) and statement.name == name:
            return i
    return None


def execute(runner: Runner, statement: s.Statement) -> None:
    """Dispatch by the kind of statement."""
    handler = HANDLERS[type(statement)]
    session = runner.session
    runner.frame.begin_statement()
    runner.frame.position = statement.start
    if type(statement) in QUIET or (session.depth and not isinstance(statement, s.Admin)):
        _carry_out(runner, statement, handler)
        return
    text = runner.text[statement.start : statement.end]
    with session.instance.statement(session, text) as hit:
        if hit.lie:
            runner.sink.done()
            return
        _carry_out(runner, statement, handler)


def _carry_out(runner: Runner, statement: s.Statement, handler: Callable[[Any, Any], None]) -> None:
    """Run the handler; anew when a database was replaced after the statement was bound and before it was held."""
    while True:
        try:
            handler(runner, statement)
        except StalePlan:
            runner.session.check()
        else:
            return


__all__ = ["BatchEnded", "Broken", "Continued", "Returned", "Runner", "ScopeEnded", "execute", "report", "run_batch"]
