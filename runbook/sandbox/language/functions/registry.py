"""Where functions are registered: a handler binds a call, most of them made by :func:`scalar` or :func:`of_session`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, merge_collation
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.engine import specs

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder

Handler = Callable[["FunctionBinder", n.Call, Scope], Bound]
Kind = SqlType | str
"""A type an argument is converted to, or ``string`` (kept when it is one), or ``any``."""
Result = SqlType | Callable[[list[Bound]], SqlType]

FUNCTIONS: dict[str, Handler] = {}


def handler(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler under these names."""

    def decorate(function: Handler) -> Handler:
        for name in names:
            FUNCTIONS[name] = function
        return function

    return decorate


def check_count(name: str, count: int, least: int, most: int) -> None:
    """Errors 174 and 189 for a wrong number of arguments."""
    if least <= count <= most:
        return
    if least == most:
        raise SqlError(174, f"The {name.lower()} function requires {least} argument(s).", 15)
    raise SqlError(189, f"The {name.lower()} function requires {least} to {most} arguments.", 15)


def argument(bound: Bound, kind: Kind) -> Bound:
    """An argument as the function wants it."""
    if isinstance(kind, SqlType):
        return convert(bound, kind)
    if kind == "string" and t.family(bound.type) != "string":
        if bound.type.name in t.BINARIES or bound.type.name == "xml":
            return convert(bound, t.VARCHAR_MAX) if bound.type.name != "xml" else bound.typed(t.NVARCHAR_MAX)
        return convert(bound, t.VARCHAR_MAX) if not bound.is_null else bound.typed(t.varchar(1))
    return bound


def scalar(
    name: str,
    kinds: Sequence[Kind],
    result: Result,
    function: Callable[..., Any],
    *,
    least: int | None = None,
    nulls: bool = False,
    volatile: bool = False,
    nullable: bool | None = None,
) -> None:
    """A function in Python over physical values. ``nulls``: it wants to see NULLs; otherwise NULL gives NULL."""
    key = specs.number(function)
    caller = "_v" if volatile else "_d" if nulls else "_n"
    fewest = len(kinds) if least is None else least

    def bind(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
        check_count(name, len(node.args), fewest, len(kinds))
        args = [argument(binder.value(a, scope), k) for a, k in zip(node.args, kinds, strict=False)]
        kind = result(args) if callable(result) else result
        coll, strength = merge_collation(*args)
        can_be_null = nullable if nullable is not None else nulls or any(a.nullable for a in args) or True
        sql = f"{caller}({','.join([str(key), *(a.sql for a in args)])})"
        return Bound(sql, kind, can_be_null, coll, strength, is_heavy=volatile or any(a.is_heavy for a in args))

    FUNCTIONS[name] = bind


def of_session(
    name: str,
    kinds: Sequence[Kind],
    result: Result,
    function: Callable[..., Any],
    *,
    least: int | None = None,
) -> None:
    """A function whose first argument is the session."""
    key = specs.number(function)
    fewest = len(kinds) if least is None else least

    def bind(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
        check_count(name, len(node.args), fewest, len(kinds))
        args = [argument(binder.value(a, scope), k) for a, k in zip(node.args, kinds, strict=False)]
        kind = result(args) if callable(result) else result
        return Bound(f"_s({','.join([str(key), *(a.sql for a in args)])})", kind)

    FUNCTIONS[name] = bind


def current(name: str, kind: SqlType, getter: Callable[[Any], Any], *, nullable: bool = True) -> None:
    """A function without arguments whose value is fixed when the statement begins; the getter sees the frame."""

    def bind(binder: FunctionBinder, node: n.Call, _scope: Scope) -> Bound:
        check_count(name, len(node.args), 0, 0)
        key = "f" + "".join(c if c.isalnum() else "_" for c in name)
        return Bound(binder.plan.param(key, getter), kind, nullable)

    FUNCTIONS[name] = bind


def same_string(args: list[Bound]) -> SqlType:
    """The type of the first argument, as variable-length string."""
    kind = args[0].type
    name = "nvarchar" if kind.name in t.N_STRINGS else "varchar"
    length = t.MAX if kind.length in (None, t.MAX) else kind.length
    return SqlType(name, length)


def long_string(args: list[Bound]) -> SqlType:
    """A string of the first argument's kind, as long as a string that is not max can be."""
    kind = args[0].type
    national = kind.name in t.N_STRINGS
    if kind.length in (None, t.MAX):
        return t.NVARCHAR_MAX if national else t.VARCHAR_MAX
    return t.nvarchar(4000) if national else t.varchar(8000)
