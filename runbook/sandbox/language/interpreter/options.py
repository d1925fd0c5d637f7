"""SET options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import statements as s
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Plan
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.interpreter.environment import SessionEnvironment, unknown_object
from runbook.sandbox.language.interpreter.select import evaluate
from runbook.sandbox.language.parser.base import unsupported

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.session import LanguageSession

_KEPT = frozenset(
    [
        "ANSI_NULLS",
        "ANSI_PADDING",
        "ANSI_WARNINGS",
        "ARITHABORT",
        "CONCAT_NULL_YIELDS_NULL",
        "QUOTED_IDENTIFIER",
        "ANSI_NULL_DFLT_ON",
        "ANSI_DEFAULTS",
    ]
)
_IGNORED = frozenset(
    [
        "NUMERIC_ROUNDABORT",
        "ARITHIGNORE",
        "CURSOR_CLOSE_ON_COMMIT",
        "FORCEPLAN",
        "ANSI_NULL_DFLT_OFF",
        "DEADLOCK_PRIORITY",
        "DATEFORMAT",
        "LANGUAGE",
        "TEXTSIZE",
        "QUERY_GOVERNOR_COST_LIMIT",
        "CONTEXT_INFO",
        "REMOTE_PROC_TRANSACTIONS",
        "DISABLE_DEF_CNST_CHK",
    ]
)
_MUST_BE = {"NUMERIC_ROUNDABORT": "OFF", "ARITHIGNORE": "OFF", "CURSOR_CLOSE_ON_COMMIT": "OFF", "DATEFORMAT": "MDY"}
_ONLY = {"ROWCOUNT": 0, "DATEFIRST": 7}
"""Options of which the sandbox knows one value only."""
_LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "SNAPSHOT")


def set_option(runner: Runner, statement: s.SetOption) -> None:
    """SET option ON|OFF|value."""
    for name in statement.names:
        _set(runner, statement, name)
    runner.session.state.settle()


def _set(runner: Runner, statement: s.SetOption, name: str) -> None:
    options, value = runner.session.options, statement.value
    switch = {"NOCOUNT": "nocount", "XACT_ABORT": "xact_abort", "IMPLICIT_TRANSACTIONS": "implicit_transactions"}.get(
        name
    )
    if switch is not None:
        setattr(options, switch, value == "ON")
    elif name == "LOCK_TIMEOUT":
        options.lock_timeout = _number(runner, statement)
    elif name == "TRANSACTION ISOLATION LEVEL":
        if value not in _LEVELS:
            raise SqlError(102, f"Incorrect syntax near '{value}'.", 15)
        options.isolation = value
    elif name == "IDENTITY_INSERT":
        _identity_insert(runner, statement)
    elif name in _ONLY:
        if _number(runner, statement) != _ONLY[name]:
            raise unsupported(f"SET {name}")
    elif name in _KEPT:
        _kept(runner, name, value)
    else:
        _other(runner, statement, name)


def _kept(runner: Runner, name: str, value: str) -> None:
    on = runner.session.options.on
    if value == "ON":
        on.add(name)
        return
    if name in ("ANSI_NULLS", "CONCAT_NULL_YIELDS_NULL", "QUOTED_IDENTIFIER"):
        raise unsupported(f"SET {name} OFF")
    on.discard(name)


def _other(runner: Runner, statement: s.SetOption, name: str) -> None:
    value = statement.value
    if name in ("NOEXEC", "PARSEONLY", "FMTONLY", "SHOWPLAN_ALL", "SHOWPLAN_TEXT", "SHOWPLAN_XML"):
        if value == "ON":
            raise unsupported(f"SET {name} ON")
        return
    if name.startswith("STATISTICS"):
        if value == "ON" and name not in ("STATISTICS IO", "STATISTICS TIME"):
            raise unsupported(f"SET {name} ON")
        return
    if name == "TEXTSIZE":
        runner.session.options.textsize = _number(runner, statement) or 4096
        return
    if name == "CONTEXT_INFO" and statement.argument is not None:
        found, _ = evaluate(runner.frame, statement.argument, t.varbinary(128))
        runner.session.state.context_info = found
        return
    if name == "LANGUAGE":
        chosen = value or str(evaluate(runner.frame, statement.argument, t.SYSNAME)[0] if statement.argument else "")
        if chosen.lower() not in ("us_english", "english"):
            raise unsupported(f"SET LANGUAGE {chosen}")
        return
    if name not in _IGNORED:
        raise SqlError(195, f"'{name}' is not a recognized SET option.", 15, 5)
    if name in _MUST_BE and value and value != _MUST_BE[name]:
        raise unsupported(f"SET {name} {value}")


def _number(runner: Runner, statement: s.SetOption) -> int:
    if statement.argument is None:
        raise SqlError(102, f"Incorrect syntax near '{statement.value}'.", 15)
    return int(evaluate(runner.frame, statement.argument, t.INT)[0] or 0)


def _identity_insert(runner: Runner, statement: s.SetOption) -> None:
    session = runner.session
    relation = SessionEnvironment(runner.frame).relation(statement.target, Plan())
    if not isinstance(relation, StoredTable):
        raise unknown_object(statement.target)
    name = ".".join(statement.target)
    if relation.table.identity() is None:
        raise SqlError(8106, f"Table '{name}' does not have the identity property. Cannot perform SET operation.")
    key = relation.key
    held = session.options.identity_insert
    if held is not None and _held_name(session, held) is None:
        held = session.options.identity_insert = None
    if statement.value == "ON":
        if held is not None and held != key:
            raise SqlError(
                8107,
                f"IDENTITY_INSERT is already ON for table '{_held_name(session, held)}'. Cannot perform SET "
                f"operation for table '{name}'.",
            )
        session.options.identity_insert = key
    elif held == key:
        session.options.identity_insert = None


def _held_name(session: LanguageSession, held: tuple[str, str, int]) -> str | None:
    """The name of the table, None when it is gone."""
    name, file, number = held
    try:
        _, prefix, catalog = session.open(name)
    except SqlError:
        return None
    table = catalog.objects.get(number)
    return f"{name}.{catalog.full_name(table)}" if f"{prefix}." == file and isinstance(table, m.Table) else None
