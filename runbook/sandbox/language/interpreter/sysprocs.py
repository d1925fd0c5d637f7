"""System procedures of the language itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.interpreter.environment import SessionEnvironment
from runbook.sandbox.language.lexer import lex
from runbook.sandbox.language.parser import BatchParser
from runbook.sandbox.language.values import convert

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.interpreter.procedures import Argument

Procedure = Callable[["Runner", "list[Argument]"], int]
PROCEDURES: dict[str, Procedure] = {}


def procedure(*names: str) -> Callable[[Procedure], Procedure]:
    """Register a procedure."""

    def decorate(function: Procedure) -> Procedure:
        for name in names:
            PROCEDURES[name] = function
        return function

    return decorate


def find(name: str) -> Procedure | None:
    """A procedure by its lower-case name."""
    return PROCEDURES.get(name)


def pick(args: list[Argument], *names: str) -> dict[str, Argument]:
    """Arguments by parameter name (without @), from positions and names."""
    found: dict[str, Argument] = {}
    for i, arg in enumerate(args):
        key = arg.name.lstrip("@").lower() if arg.name else (names[i] if i < len(names) else "")
        if key not in names:
            raise SqlError(8145, f"{arg.name or 'argument'} is not a parameter for this procedure.", 16, 2)
        found[key] = arg
    return found


def text_of(found: dict[str, Argument], name: str, default: str | None = None) -> str | None:
    """A string argument."""
    arg = found.get(name)
    if arg is None or arg.value is None:
        return default
    return str(convert.cast_value(arg.value, arg.kind, t.NVARCHAR_MAX))


def number_of(found: dict[str, Argument], name: str, default: int) -> int:
    """A whole-number argument."""
    arg = found.get(name)
    if arg is None or arg.value is None:
        return default
    return int(convert.cast_value(arg.value, arg.kind, t.INT))


def parameter_list(runner: Runner, text: str) -> list[tuple[str, SqlType, bool, n.Node | None]]:
    """``@a int, @b nvarchar(10) OUTPUT`` of sp_executesql and sp_prepare."""
    parser = BatchParser(lex(text))
    found = parser._parameters()
    if not parser.ended:
        parser.fail()
    environment = SessionEnvironment(runner.frame)
    return [(p.name, environment.type_of(p.type), p.output, p.default) for p in found]
