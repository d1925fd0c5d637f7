"""CROSS and OUTER APPLY, and table functions.

SQLite has no LATERAL. What APPLY is used for can mostly be said otherwise: a filter on another table is a join, a
single row is one scalar subquery for each column, a list of VALUES is a join with their numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runbook.sandbox.contract import Column, SqlError
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import NO_CONST, Bound
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.environment import Inline
from runbook.sandbox.language.bind.queries import BoundQuery, SelectQuery, common_of
from runbook.sandbox.language.bind.scope import Scope, Source, SourceColumn
from runbook.sandbox.language.bind.sources import grouped as join
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.functions import rowsets
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.fragments import parse_module

if TYPE_CHECKING:
    from runbook.sandbox.language.bind.sources import SourceBinder


def grouped(text: str) -> str:
    """See the source binder."""
    return join(text)


def apply(binder: SourceBinder, node: n.Join, scope: Scope) -> str:
    """``left CROSS|OUTER APPLY right``."""
    left = binder.from_clause(node.left, scope)
    outer = node.kind.startswith("OUTER")
    right = node.right
    if isinstance(right, n.FunctionTable):
        return _apply_function(binder, left, right, scope, outer=outer)
    if isinstance(right, n.Derived):
        return _apply_query(binder, left, right.query, right.alias, right.columns, scope, outer=outer)
    text = binder.from_clause(right, scope)
    return f"{left} LEFT JOIN {text} ON 1" if outer else f"{left} CROSS JOIN {text}"


def _apply_query(
    binder: SourceBinder,
    left: str,
    query: n.Query,
    alias: str,
    columns: list[str],
    scope: Scope,
    *,
    outer: bool,
) -> str:
    if isinstance(query.body, n.Values):
        return _apply_values(binder, left, query.body, alias, columns, scope, outer=outer)
    between = Scope(parent=scope)
    bound = binder.subquery(query, between)
    return _joined(binder, left, bound, alias, columns, scope, between, outer=outer)


def _joined(
    binder: SourceBinder,
    left: str,
    bound: BoundQuery,
    alias: str,
    columns: list[str],
    scope: Scope,
    between: Scope,
    *,
    outer: bool,
) -> str:
    names = columns or [i.name for i in bound.items]
    if not between.correlated:
        text = binder.derived_text(bound, alias, names, (), scope)
        return f"{left} LEFT JOIN {text} ON 1" if outer else f"{left} CROSS JOIN {text}"
    if isinstance(bound, SelectQuery) and _is_plain(bound):
        return _as_join(binder, left, bound, alias, names, scope, outer=outer)
    if bound.at_most_one:
        return _as_scalars(binder, left, bound, alias, names, scope, outer=outer)
    raise unsupported("APPLY with a correlated query of this form")


def _is_plain(bound: SelectQuery) -> bool:
    special = bound.distinct or bound.group_by or bound.having or bound.limit or bound.offset or bound.percent
    return not special and not bound.ties and not bound.prefix and not _aggregates(bound)


def _aggregates(bound: SelectQuery) -> bool:
    return bound.at_most_one and bool(bound.source)


def _as_join(
    binder: SourceBinder, left: str, bound: SelectQuery, alias: str, names: list[str], scope: Scope, *, outer: bool
) -> str:
    if outer and any(not i.bound.is_column for i in bound.items) and bound.source:
        raise unsupported("OUTER APPLY with expressions in a correlated query")
    columns = [
        SourceColumn(name, replace(item.bound, nullable=item.bound.nullable or outer, const=NO_CONST))
        for name, item in zip(names, bound.items, strict=True)
    ]
    scope.add(Source(alias, columns))
    test = " AND ".join(x for x in (bound.where, bound.check) if x)
    if not bound.source:
        if test and outer:
            raise unsupported("OUTER APPLY of a query without FROM")
        binder.require(test)
        return left
    kind = "LEFT JOIN" if outer else "JOIN"
    return f"{left} {kind} {grouped(bound.source)} ON {test or '1'}"


def _as_scalars(
    binder: SourceBinder, left: str, bound: BoundQuery, alias: str, names: list[str], scope: Scope, *, outer: bool
) -> str:
    text = bound.render()
    columns = []
    for i, (name, item) in enumerate(zip(names, bound.items, strict=True), 1):
        sql = f"(SELECT c{i} FROM ({text}))"
        columns.append(SourceColumn(name, Bound(sql, item.bound.type, True, item.bound.coll, 1, is_heavy=True)))
    scope.add(Source(alias, columns))
    always_one = isinstance(bound, SelectQuery) and not bound.limit and not bound.where and not bound.source
    if not outer and not (always_one or _counts(bound)):
        binder.require(f"EXISTS({text})")
    return left


def _counts(bound: BoundQuery) -> bool:
    """Whether the query gives exactly one row: an aggregate without GROUP BY and HAVING."""
    return isinstance(bound, SelectQuery) and not bound.limit and not bound.having and not bound.group_by


def _apply_values(
    binder: SourceBinder,
    left: str,
    values: n.Values,
    alias: str,
    columns: list[str],
    scope: Scope,
    *,
    outer: bool,
) -> str:
    rows = [[binder.value(v, scope) for v in row] for row in values.rows]
    numbers = binder.plan.alias()
    found = []
    for i, name in enumerate(columns):
        kind = common_of([row[i] for row in rows])
        whens = " ".join(f"WHEN {k} THEN {convert(row[i], kind).sql}" for k, row in enumerate(rows, 1))
        nullable = outer or any(row[i].nullable for row in rows)
        found.append(SourceColumn(name, Bound(f"(CASE {numbers}.n {whens} END)", kind, nullable, rows[0][i].coll, 1)))
    scope.add(Source(alias, found))
    lines = " UNION ALL ".join(f"SELECT {k} AS n" for k in range(1, len(rows) + 1))
    return f"{left} CROSS JOIN ({lines}) AS {numbers}"


# --- functions ---------------------------------------------------------------------------------------------


def _apply_function(binder: SourceBinder, left: str, node: n.FunctionTable, scope: Scope, *, outer: bool) -> str:
    made = rowsets.find(node.call.name)
    alias = node.alias or node.call.name[-1]
    if made is not None:
        text = _rowset(binder, made, node, alias, scope, scope)
        return f"{left} LEFT JOIN {text} ON 1" if outer else f"{left} CROSS JOIN {text}"
    inline = binder.env.user_function(node.call.name, binder.plan)
    if inline is not None and inline.module.kind == "IF":
        between = Scope(parent=scope)
        bound = expand(binder, inline, node.call.args, between)
        return _joined(binder, left, bound, alias, node.columns, scope, between, outer=outer)
    if inline is not None:
        raise unsupported("APPLY of a multi-statement function")
    args = [
        binder.value(a, scope) if not _is_default(a) else Bound("NULL", t.NULL_TYPE, const=None) for a in node.call.args
    ]
    relation = binder.env.table_function(node.call.name, len(args), binder.plan)
    if relation is None:
        raise unknown(node.call.name)
    text, test = binder.matched(relation, alias, args, scope)
    return f"{left} {'LEFT' if outer else 'INNER'} JOIN {text} ON {test or '1'}"


def _is_default(node: n.Node) -> bool:
    return isinstance(node, n.Name) and node.parts == ("default",)


def unknown(name: tuple[str, ...]) -> SqlError:
    """Error 208 for a table function; those of the system are refused by name."""
    if (len(name) > 1 and name[-2].lower() == "sys") or name[-1].lower().startswith(("fn_", "dm_")):
        return unsupported(f"the table function {name[-1].lower()}")
    return SqlError(208, f"Invalid object name '{'.'.join(name)}'.")


def function_table(binder: SourceBinder, node: n.FunctionTable, scope: Scope, outside: Scope | None) -> str:
    """A table function that does not depend on its neighbours."""
    alias = node.alias or node.call.name[-1]
    made = rowsets.find(node.call.name)
    if made is not None:
        return _rowset(binder, made, node, alias, scope, outside or Scope())
    inline = binder.env.user_function(node.call.name, binder.plan)
    if inline is not None:
        if inline.module.kind == "IF":
            bound = expand(binder, inline, node.call.args, outside or Scope())
            return binder.derived_text(bound, alias, node.columns or [i.name for i in bound.items], (), scope)
        return _table_valued(binder, inline, node, alias, scope, outside or Scope())
    args = [
        Bound("NULL", t.NULL_TYPE, const=None) if _is_default(a) else binder.value(a, outside or Scope())
        for a in node.call.args
    ]
    relation = binder.env.table_function(node.call.name, len(args), binder.plan)
    if relation is None:
        raise unknown(node.call.name)
    text, test = binder.matched(relation, alias, args, scope)
    binder.require(test)
    return text


def _table_valued(
    binder: SourceBinder, inline: Inline, node: n.FunctionTable, alias: str, scope: Scope, outside: Scope
) -> str:
    """A multi-statement function: its table is filled before the query runs."""
    parsed = parse_module(inline.module.text)
    environment = binder.env.inside(inline.database, inline.schema, {})
    args = []
    for name, parameter, arg in _given(inline, parsed, node.call.args):
        del name
        args.append(convert(binder.value(arg, outside), environment.type_of(parameter.type)))
    assert parsed.table_body is not None
    columns = [Column(c.name, environment.type_of(c.type)) for c in parsed.table_body.columns if c.type is not None]
    if len(columns) != len(parsed.table_body.columns):
        raise unsupported("a computed column in the table of a function")
    return binder.rows(binder.env.filled(inline, columns, args, binder.plan), alias, (), scope)


def _given(inline: Inline, parsed: d.CreateModule, args: list[n.Node]) -> list[tuple[str, d.Parameter, n.Node]]:
    """Parameters with what is given for them; errors 8144, 313, 201."""
    name = inline.module.name
    if len(args) > len(parsed.parameters):
        raise SqlError(8144, f"Procedure or function {name} has too many arguments specified.", 16, 3)
    if len(args) < len(parsed.parameters):
        raise SqlError(
            313, f"An insufficient number of arguments were supplied for the procedure or function {name}.", 16, 3
        )
    found = []
    for parameter, arg in zip(parsed.parameters, args, strict=True):
        node = parameter.default if _is_default(arg) else arg
        if node is None:
            raise SqlError(201, f"Procedure or function '{name}' expects parameter '{parameter.name}'.")
        found.append((parameter.name, parameter, node))
    return found


def expand(binder: SourceBinder, inline: Inline, args: list[n.Node], scope: Scope) -> BoundQuery:
    """The query of an inline function with the arguments in place of its parameters."""
    parsed = parse_module(inline.module.text)
    assert parsed.query is not None
    values = {}
    for name, parameter, node in _given(inline, parsed, args):
        bound = convert(binder.value(node, scope), binder.env.type_of(parameter.type, binder.plan))
        values[name] = replace(bound, strength=0, is_column=False)
    environment = binder.env.inside(inline.database, inline.schema, values)
    found: BoundQuery = binder.nested(environment).subquery(parsed.query, scope if _refers(values) else None)
    return found


def _refers(values: dict[str, Bound]) -> bool:
    return any(not v.is_const for v in values.values())


def _rowset(
    binder: SourceBinder, made: rowsets.Rowset, node: n.FunctionTable, alias: str, scope: Scope, argument_scope: Scope
) -> str:
    args = [convert(binder.value(a, argument_scope), k) for a, k in zip(node.call.args, made.kinds, strict=False)]
    if not made.minimum <= len(node.call.args) <= len(made.kinds):
        raise SqlError(174, f"The {node.call.name[-1].lower()} function requires {made.minimum} argument(s).", 15)
    sql_alias = binder.plan.alias()
    key = specs.number(made.function)
    columns = made.columns if len(args) == len(made.kinds) or not made.optional else made.columns[: -made.optional]
    names = node.columns or [name for name, _, _ in columns]
    found = [
        SourceColumn(name, Bound(sql.format(a=sql_alias), kind, True, is_column=True, strength=1))
        for name, (_, kind, sql) in zip(names, columns, strict=True)
    ]
    scope.add(Source(alias, found, (), sql_alias))
    return f"json_each(_n({key},{','.join(a.sql for a in args)})) AS {sql_alias}"
