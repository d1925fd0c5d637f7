"""Calls: built-in functions, aggregates, windows, user-defined functions."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from typing import Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language.bind import apply
from runbook.sandbox.language.bind.bound import Bound
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.environment import Inline
from runbook.sandbox.language.bind.queries import BoundQuery
from runbook.sandbox.language.bind.query import QueryBinder
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.bind.xmlpath import xml_path
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.functions import aggregates, logic, maths, moment_parts, moments, system, text
from runbook.sandbox.language.functions.registry import FUNCTIONS
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.fragments import parse_module

_MODULES = (logic, maths, moments, moment_parts, system, text)
_WINDOWED = {**aggregates.RANKING, **aggregates.OFFSETS, **aggregates.DISTRIBUTION}
KNOWN = frozenset(
    [
        "FORMAT",
        "GROUPING",
        "GROUPING_ID",
        "PERCENTILE_CONT",
        "PERCENTILE_DISC",
        "JSON_VALUE",
        "JSON_QUERY",
        "JSON_MODIFY",
        "JSON_OBJECT",
        "JSON_ARRAY",
        "DECOMPRESS",
        "ENCRYPTBYKEY",
        "DECRYPTBYKEY",
        "ENCRYPTBYPASSPHRASE",
        "DECRYPTBYPASSPHRASE",
        "SIGNBYCERT",
        "CERTENCODED",
        "FREETEXT",
        "CONTAINS",
        "GET_FILESTREAM_TRANSACTION_CONTEXT",
        "TEXTPTR",
        "TEXTVALID",
        "PUBLISHINGSERVERNAME",
        "LEAST",
        "GREATEST",
        "REGEXP_LIKE",
        "BIT_COUNT",
        "EVENTDATA",
        "PWDCOMPARE",
        "PWDENCRYPT",
        "SQL_VARIANT_PROPERTY",
        "FILE_ID",
        "FILE_NAME",
        "FILEGROUP_NAME",
        "FILEGROUP_ID",
        "PERMISSIONS",
    ]
)


class FunctionBinder(QueryBinder):
    """The whole binder."""

    def call(self, node: n.Call, scope: Scope) -> Bound:
        """A function call."""
        name = node.builtin
        if not name and len(node.name) == 2 and node.name[0].lower() == "sys":
            name, node = node.name[1].upper(), _renamed(node)
        if not name:
            return self._user_function(node, scope)
        if name in aggregates.AGGREGATES:
            return aggregates.aggregate(self, node, scope)
        if name in _WINDOWED:
            return aggregates.windowed(self, node, scope)
        handler = FUNCTIONS.get(name)
        if handler is not None:
            if node.over is not None:
                raise SqlError(
                    4113,
                    f"The function '{name}' is not a valid windowing function, and cannot be used with the "
                    "OVER clause.",
                )
            return handler(self, node, scope)
        if name in KNOWN:
            raise unsupported(f"the function {name}")
        raise SqlError(195, f"'{node.name[0]}' is not a recognized built-in function name.", 15, 10)

    def apply(self, node: n.Join, scope: Scope) -> str:
        """CROSS and OUTER APPLY."""
        return apply.apply(self, node, scope)

    def function_table(self, node: n.FunctionTable, scope: Scope, outside: Scope | None) -> str:
        """A table function."""
        return apply.function_table(self, node, scope, outside)

    def xml_path(self, bound: BoundQuery, clause: n.ForXml) -> BoundQuery:
        """FOR XML PATH."""
        return xml_path(self.plan, bound, clause)

    def _user_function(self, node: n.Call, scope: Scope) -> Bound:
        inline = self.env.user_function(node.name, self.plan)
        if inline is None or inline.module.kind != "FN":
            name = ".".join(node.name)
            raise SqlError(
                4121,
                f'Cannot find either column "{node.name[0]}" or the user-defined function or aggregate '
                f'"{name}", or the name is ambiguous.',
            )
        parsed = parse_module(inline.module.text)
        if len(node.args) > len(parsed.parameters):
            raise SqlError(
                8144, f"Procedure or function {'.'.join(node.name)} has too many arguments specified.", 16, 3
            )
        if len(node.args) < len(parsed.parameters):
            raise SqlError(
                313,
                "An insufficient number of arguments were supplied for the procedure or function "
                f"{'.'.join(node.name)}.",
                16,
                3,
            )
        environment = self.env.inside(inline.database, inline.schema, {})
        args = []
        for parameter, arg in zip(parsed.parameters, node.args, strict=True):
            chosen = parameter.default if isinstance(arg, n.Name) and arg.parts == ("default",) else arg
            if chosen is None:
                raise SqlError(
                    201,
                    f"Procedure or function '{inline.module.name}' expects parameter '{parameter.name}', which "
                    "was not supplied.",
                    16,
                    4,
                )
            args.append(convert(self.value(chosen, scope), environment.type_of(parameter.type)))
        assert parsed.returns is not None
        key = specs.intern(_identity(inline), lambda: _caller(inline))
        sql = f"_s({','.join([str(key), *(a.sql for a in args)])})"
        return Bound(sql, environment.type_of(parsed.returns), is_heavy=True)

    def has_aggregate(self, node: n.Node) -> bool:
        """Whether an aggregate without OVER stands in an expression, outside of subqueries."""
        if isinstance(node, (n.Query, n.Literal, n.Name, n.Variable)):
            return False
        if isinstance(node, n.Call) and node.builtin in aggregates.AGGREGATES and node.over is None:
            return True
        return any(self.has_aggregate(child) for child in _children(node))


def _identity(inline: Inline) -> Hashable:
    """All that a call makes use of: another function may have the same database, id and text."""
    module = inline.module
    return "udf", inline.database, module.id, module.schema, module.name, module.text


def _caller(inline: Inline) -> Any:
    def run(session: Any, *args: Any) -> Any:
        return session.call_function(inline.database, inline.module, args)

    return run


def _renamed(node: n.Call) -> n.Call:
    return n.Call((node.name[1].upper(),), node.args, node.distinct, node.star, node.over, node.within)


def _children(node: Any) -> list[n.Node]:
    found: list[n.Node] = []
    for one in fields(node):
        value = getattr(node, one.name)
        for item in value if isinstance(value, list) else [value]:
            for part in item if isinstance(item, tuple) else [item]:
                if isinstance(part, n.Node):
                    found.append(part)
    return found
