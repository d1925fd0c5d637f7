"""Expressions: one method for each kind of node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind import arithmetic, predicates
from runbook.sandbox.language.bind.bound import NO_CONST, Bound, Plan, condition, merge_collation, value_of
from runbook.sandbox.language.bind.conversion import cast, convert
from runbook.sandbox.language.bind.literals import case, literal
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.engine import collate, specs
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import convert as values
from runbook.sandbox.language.values import dates

if TYPE_CHECKING:
    from runbook.sandbox.language.bind.environment import Environment
    from runbook.sandbox.language.bind.queries import BoundQuery

_STYLED = frozenset({"date", "number", "binary", "string", "xml", "guid", "variant"})


class ExpressionBinder:
    """Binds expressions; queries inside are bound by the query binder, which extends this one."""

    def __init__(self, environment: Environment, plan: Plan) -> None:
        self.env = environment
        self.plan = plan
        self.live: set[str] = set()
        """Variables whose value changes while the statement runs."""

    def subquery(self, query: n.Query, scope: Scope) -> BoundQuery:
        """Bind a query inside an expression."""
        raise NotImplementedError

    def call(self, node: n.Call, scope: Scope) -> Bound:
        """Bind a function call."""
        raise NotImplementedError

    # -- entry points

    def expression(self, node: n.Node, scope: Scope) -> Bound:
        """A value or a condition."""
        if scope.groups and not scope.in_aggregate and not isinstance(node, (n.Name, n.Literal)):
            grouped = self._grouped(node, scope)
            if grouped is not None:
                return grouped
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise SqlError(102, f"Incorrect syntax near '{type(node).__name__}'.", 15)
        return handler(self, node, scope)

    def value(self, node: n.Node, scope: Scope) -> Bound:
        """A value."""
        return value_of(self.expression(node, scope))

    def condition(self, node: n.Node, scope: Scope) -> Bound:
        """A condition; error 4145 for a plain value."""
        bound = self.expression(node, scope)
        if not bound.is_condition:
            raise SqlError(
                4145, "An expression of non-boolean type specified in a context where a condition is expected.", 15
            )
        return bound

    def _grouped(self, node: n.Node, scope: Scope) -> Bound | None:
        """The node as a whole, when it is one of the GROUP BY expressions."""
        groups, scope.groups = scope.groups, None
        flags = scope.has_aggregate, scope.has_window
        try:
            bound = self.expression(node, scope)
        except SqlError:
            return None
        finally:
            scope.groups = groups
            scope.has_aggregate, scope.has_window = flags
        return bound if groups is not None and bound.sql in groups else None

    # -- leaves

    def _literal(self, node: n.Literal, _scope: Scope) -> Bound:
        return literal(node)

    def _name(self, node: n.Name, scope: Scope) -> Bound:
        bound, owner = scope.resolve(node.parts)
        if owner.groups is not None and not owner.in_aggregate and bound.sql not in owner.groups:
            where = (
                "ORDER BY clause"
                if owner.clause == "order"
                else ("HAVING clause" if owner.clause == "having" else "select list")
            )
            reason = "it is not contained in either an aggregate function or the GROUP BY clause."
            source = next((s for s in owner.sources if any(c.bound is bound for c in s.columns)), None)
            prefix = f"{source.alias}." if source is not None else ""
            number = {"order": 8127, "having": 8121}.get(owner.clause, 8120)
            raise SqlError(number, f"Column '{prefix}{node.parts[-1]}' is invalid in the {where} because {reason}")
        return bound

    def _variable(self, node: n.Variable, scope: Scope) -> Bound:
        if node.name.startswith("@@"):
            return self.call(n.Call((node.name.upper(),), []), scope)
        stand_in = self.env.substitution(node.name)
        if stand_in is not None:
            return stand_in
        kind, name = self.env.variable(node.name), node.name
        if name in self.live:
            key = specs.intern(("live", name), lambda: lambda session: session.frame.variables[name])
            return Bound(f"_live({key})", kind)
        return Bound(self.plan.param(_key(name), lambda frame: frame.variables[name]), kind)

    # -- operators

    def _unary(self, node: n.Unary, scope: Scope) -> Bound:
        operand = self.value(node.operand, scope)
        if t.family(operand.type) == "string":
            operand = convert(operand, t.INT)
        return arithmetic.negate(operand) if node.op == "-" else arithmetic.complement(operand)

    def _binary(self, node: n.Binary, scope: Scope) -> Bound:
        chain: list[n.Binary] = []
        left: n.Node = node
        while isinstance(left, n.Binary):
            chain.append(left)
            left = left.left
        bound = self.value(left, scope)
        for part in reversed(chain):
            bound = arithmetic.binary(part.op, bound, self.value(part.right, scope))
        return bound

    def _collate(self, node: n.Collate, scope: Scope) -> Bound:
        operand = self.value(node.operand, scope)
        if t.family(operand.type) != "string":
            raise SqlError(447, f"Expression type {operand.type.name} is invalid for COLLATE clause.")
        return replace(operand, coll=collate.collation_of(node.collation), strength=2)

    # -- conditions

    def _compare(self, node: n.Compare, scope: Scope) -> Bound:
        return predicates.compare(node.op, self.value(node.left, scope), self.value(node.right, scope))

    def _logic(self, node: n.Logic, scope: Scope) -> Bound:
        parts: list[n.Node] = []
        left: n.Node = node
        while isinstance(left, n.Logic) and left.op == node.op:
            parts.append(left.right)
            left = left.left
        texts = [self.condition(p, scope).sql for p in (left, *reversed(parts))]
        return condition("(" + f" {node.op} ".join(texts) + ")")

    def _not(self, node: n.Not, scope: Scope) -> Bound:
        return condition(f"(NOT {self.condition(node.operand, scope).sql})")

    def _is_null(self, node: n.IsNull, scope: Scope) -> Bound:
        operand = self.value(node.operand, scope)
        return condition(f"({operand.sql} IS {'NOT ' if node.negated else ''}NULL)", heavy=operand.is_heavy)

    def _distinct(self, node: n.Distinct, scope: Scope) -> Bound:
        left, right = predicates.unify("=", self.value(node.left, scope), self.value(node.right, scope))
        suffix = predicates.group_suffix(left)
        return condition(f"({left.sql} IS {'' if node.negated else 'NOT '}{right.sql}{suffix})")

    def _between(self, node: n.Between, scope: Scope) -> Bound:
        operand = self.value(node.operand, scope)
        low = predicates.compare(">=", operand, self.value(node.low, scope))
        high = predicates.compare("<=", operand, self.value(node.high, scope))
        text = f"({low.sql} AND {high.sql})"
        return condition(f"(NOT {text})" if node.negated else text)

    def _in_list(self, node: n.InList, scope: Scope) -> Bound:
        operand = self.value(node.operand, scope)
        items = [self.value(i, scope) for i in node.items]
        kind = operand.type
        for item in items:
            kind = t.common_type(kind, item.type)
        if t.family(kind) == "string" and all(t.family(i.type) == "string" or i.is_null for i in (operand, *items)):
            coll, _ = merge_collation(operand, *items)
            texts = ",".join(i.sql for i in items)
            sql = f"({operand.sql} COLLATE {coll} {'NOT ' if node.negated else ''}IN ({texts}))"
            return condition(sql)
        if kind.name in t.DECIMALS or kind.name in ("uniqueidentifier", "datetimeoffset"):
            return self._in_pairs(operand, items, negated=node.negated)
        sides = [convert(i, kind).sql for i in (operand, *items)]
        return condition(f"({sides[0]} {'NOT ' if node.negated else ''}IN ({','.join(sides[1:])}))")

    def _in_pairs(self, operand: Bound, items: list[Bound], *, negated: bool) -> Bound:
        text = "(" + " OR ".join(predicates.compare("=", operand, i).sql for i in items) + ")"
        return condition(f"(NOT {text})" if negated else text)

    def _in_query(self, node: n.InQuery, scope: Scope) -> Bound:
        operand = self.value(node.operand, scope)
        query = self.subquery(node.query, scope)
        query.expect_one_column()
        left, right = predicates.unify("=", operand, query.items[0].bound)
        if right.type.name != query.items[0].bound.type.name or right.sql != query.items[0].bound.sql:
            query.convert_items([right.type])
        suffix = predicates.group_suffix(replace(left, coll=merge_collation(left, right)[0]))
        return condition(f"({left.sql}{suffix} {'NOT ' if node.negated else ''}IN ({query.render()}))")

    def _like(self, node: n.Like, scope: Scope) -> Bound:
        escape = None if node.escape is None else self.value(node.escape, scope)
        operand, pattern = self.value(node.operand, scope), self.value(node.pattern, scope)
        return predicates.like(operand, pattern, escape, negated=node.negated)

    def _exists(self, node: n.Exists, scope: Scope) -> Bound:
        return condition(f"EXISTS({self.subquery(node.query, scope).render()})")

    def _quantified(self, node: n.Quantified, scope: Scope) -> Bound:
        operand = self.value(node.left, scope)
        query = self.subquery(node.query, scope)
        query.expect_one_column()
        alias = self.plan.alias()
        inner = replace(query.items[0].bound, sql=f"{alias}.c1", const=_no_const(), is_column=False)
        test = predicates.compare(node.op, operand, inner).sql
        source = f"SELECT 1 FROM ({query.render()}) AS {alias} WHERE"
        if node.quantifier == "ANY":
            first, last = f"EXISTS({source} {test})", "1 ELSE 0"
            sql = f"(CASE WHEN {first} THEN 1 WHEN EXISTS({source} {test} IS NULL) THEN NULL ELSE 0 END)"
        else:
            first, last = f"EXISTS({source} NOT {test})", "0 ELSE 1"
            sql = f"(CASE WHEN {first} THEN 0 WHEN EXISTS({source} {test} IS NULL) THEN NULL ELSE 1 END)"
        del last
        return condition(sql)

    # -- composite values

    def _case(self, node: n.Case, scope: Scope) -> Bound:
        tests = []
        for when, _ in node.whens:
            if node.operand is None:
                tests.append(self.condition(when, scope).sql)
            else:
                tests.append(predicates.compare("=", self.value(node.operand, scope), self.value(when, scope)).sql)
        results = [self.value(r, scope) for _, r in node.whens]
        if node.default is not None:
            results.append(self.value(node.default, scope))
        return case(tests, results)

    def _cast(self, node: n.Cast, scope: Scope) -> Bound:
        operand = self.value(node.operand, scope)
        target = self.env.type_of(node.type, self.plan)
        if not node.type.sized and target.length == 1:
            target = replace_length(target, 30)
        style = 0
        if node.style is not None:
            bound = self.value(node.style, scope)
            if bound.is_null:
                return Bound("NULL", target, const=None)
            if not bound.is_const:
                return self._late_style(operand, target, convert(bound, t.INT), node.attempt)
            style = int(bound.const)
        return cast(operand, target, style, attempt=node.attempt)

    def _late_style(self, operand: Bound, target: SqlType, style: Bound, attempt: bool) -> Bound:
        source = operand.type

        def make() -> Callable[[Any, Any], Any]:
            def run(value: Any, chosen: Any) -> Any:
                function = values.converter(source, target, chosen) or values.identity
                return values.attempt(function)(value) if attempt else function(value)

            return run

        key = specs.intern(("cvs", source, target, attempt), make)
        return Bound(f"_n({key},{operand.sql},{style.sql})", target)

    def _subquery(self, node: n.Subquery, scope: Scope) -> Bound:
        query = self.subquery(node.query, scope)
        query.expect_one_column()
        item = query.items[0].bound
        if query.at_most_one:
            sql = f"({query.render()})"
        else:
            alias, key = self.plan.alias(), specs.number(_several)
            inner = f"SELECT * FROM ({query.render()}) LIMIT 2"
            sql = f"(SELECT iif(count(*)>1,_d({key}),max({alias}.c1)) FROM ({inner}) AS {alias})"
        return Bound(sql, item.type, nullable=True, coll=item.coll, strength=item.strength, is_heavy=True)

    def _next_value(self, node: n.NextValue, scope: Scope) -> Bound:
        database, sequence = self.env.sequence(node.name, self.plan)
        if sequence.id in scope.sequences or node.over is not None:
            raise unsupported("NEXT VALUE FOR twice in a row, or with OVER")
        scope.sequences.add(sequence.id)
        if (database, sequence.id) not in self.plan.sequences:
            self.plan.sequences.append((database, sequence.id))
        self.plan.volatile = True
        key = f"{database}/{sequence.id}"
        sql = f"_nextval('{key.replace(chr(39), chr(39) * 2)}')"
        if t.is_wide(sequence.type):
            sql = cast(Bound(sql, t.BIGINT), sequence.type).sql
        return Bound(sql, sequence.type, nullable=False, is_heavy=True)

    def _at_time_zone(self, node: n.AtTimeZone, scope: Scope) -> Bound:
        zone = self.value(node.zone, scope)
        operand = self.value(node.operand, scope)
        if not zone.is_const or str(zone.const).upper() != "UTC":
            raise unsupported("AT TIME ZONE with another zone than UTC")
        if operand.type.name == "datetimeoffset":
            key = specs.number(_to_utc)
            return Bound(f"_c({key},{operand.sql})", operand.type, operand.nullable)
        scale = 3 if operand.type.name == "datetime" else operand.type.scale or 0
        return cast(operand, SqlType("datetimeoffset", None, None, scale))

    def _star(self, _node: n.Star, _scope: Scope) -> Bound:
        raise SqlError(102, "Incorrect syntax near '*'.", 15)

    def _window(self, _node: n.Window, _scope: Scope) -> Bound:
        raise SqlError(102, "Incorrect syntax near 'OVER'.", 15)


def _key(name: str) -> str:
    return "v" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in name[1:])


def _no_const() -> Any:
    return NO_CONST


def _several() -> Any:
    raise SqlError(
        512,
        "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , "
        ">, >= or when "
        "the subquery is used as an expression.",
    )


def _to_utc(stored: str) -> str:
    return dates.join_offset(dates.split_offset(stored)[0], 0)


def replace_length(kind: SqlType, length: int) -> SqlType:
    """The type with another length."""
    return SqlType(kind.name, length, kind.precision, kind.scale)


Handler = Callable[[ExpressionBinder, Any, Scope], Bound]
_E = ExpressionBinder
_HANDLERS: dict[type[n.Node], Handler] = {
    n.Literal: _E._literal,
    n.Name: _E._name,
    n.Variable: _E._variable,
    n.Unary: _E._unary,
    n.Binary: _E._binary,
    n.Collate: _E._collate,
    n.Compare: _E._compare,
    n.Logic: _E._logic,
    n.Not: _E._not,
    n.IsNull: _E._is_null,
    n.Distinct: _E._distinct,
    n.Between: _E._between,
    n.InList: _E._in_list,
    n.InQuery: _E._in_query,
    n.Like: _E._like,
    n.Exists: _E._exists,
    n.Quantified: _E._quantified,
    n.Case: _E._case,
    n.Cast: _E._cast,
    n.Subquery: _E._subquery,
    n.NextValue: _E._next_value,
    n.AtTimeZone: _E._at_time_zone,
    n.Call: lambda b, node, scope: b.call(node, scope),
    n.Star: _E._star,
    n.Window: _E._window,
}
