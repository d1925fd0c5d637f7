"""Queries: SELECT, set operations, CTEs, ORDER BY and paging."""

from __future__ import annotations

from collections.abc import Callable

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind import predicates
from runbook.sandbox.language.bind.bound import Bound
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.queries import BoundQuery, Item, SelectQuery, SetQuery, common_of
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.bind.sources import SourceBinder
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.parser.base import unsupported


class QueryBinder(SourceBinder):
    """Binds queries."""

    def subquery(self, query: n.Query, scope: Scope | None) -> BoundQuery:
        """A query with its CTEs, ORDER BY and paging."""
        mark = len(self.ctes)
        prefix = self._with(query, scope)
        try:
            bound = self._body(query.body, scope, query)
        finally:
            del self.ctes[mark:]
        if prefix:
            assert isinstance(bound, (SelectQuery, SetQuery))
            bound.prefix = prefix
        if query.for_xml is not None:
            return self.xml_path(bound, query.for_xml)
        return bound

    def xml_path(self, bound: BoundQuery, clause: n.ForXml) -> BoundQuery:
        """FOR XML PATH; see the function binder."""
        raise NotImplementedError

    def _body(self, body: n.Node, scope: Scope | None, query: n.Query) -> BoundQuery:
        if isinstance(body, n.Select):
            return self._select(body, scope, query)
        if isinstance(body, n.SetOperation):
            return self._set(body, scope, query)
        if isinstance(body, n.Values):
            return self._values(body, scope)
        assert isinstance(body, n.Query)
        found = self._wrapped(self.subquery(body, scope))
        found.order_by = [self._set_order(order, found) for order in query.order_by]
        found.limit, found.offset = self._paging(query, scope)
        return found

    def _wrapped(self, inner: BoundQuery) -> SelectQuery:
        alias = self.plan.alias()
        items = [Item(i.name, self.output(alias, k, i.bound)) for k, i in enumerate(inner.items, 1)]
        return SelectQuery(items, source=f"({inner.render()}) AS {alias}")

    def _values(self, body: n.Values, scope: Scope | None) -> BoundQuery:
        rows = [[self.value(v, scope or Scope()) for v in row] for row in body.rows]
        if len({len(row) for row in rows}) != 1:
            raise SqlError(10709, "The number of columns for each row in a table value constructor must be the same.")
        kinds = [common_of([row[i] for row in rows]) for i in range(len(rows[0]))]
        texts = [
            "SELECT "
            + ", ".join(f"{convert(v, k).sql} AS c{i}" for i, (v, k) in enumerate(zip(row, kinds, strict=True), 1))
            for row in rows
        ]
        alias = self.plan.alias()
        items = [
            Item(f"c{i}", self.output(alias, i, Bound("", kind, any(row[i - 1].nullable for row in rows))))
            for i, kind in enumerate(kinds, 1)
        ]
        return SelectQuery(items, source=f"({' UNION ALL '.join(texts)}) AS {alias}", at_most_one=len(rows) == 1)

    # -- set operations

    def _set(self, body: n.SetOperation, scope: Scope | None, query: n.Query) -> BoundQuery:
        left, right = self._set_side(body.left, scope), self._set_side(body.right, scope)
        if len(left.items) != len(right.items):
            raise SqlError(
                205,
                "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of "
                "expressions "
                "in their target lists.",
            )
        pairs = list(zip(left.items, right.items, strict=True))
        kinds = [common_of([a.bound, b.bound]) for a, b in pairs]
        left.convert_items(kinds)
        right.convert_items(kinds)
        items = [
            Item(
                a.name,
                Bound(
                    f"u.c{i}",
                    kind,
                    a.bound.nullable or b.bound.nullable,
                    a.bound.coll,
                    a.bound.strength,
                    is_heavy=a.bound.is_heavy or b.bound.is_heavy,
                ),
            )
            for i, ((a, b), kind) in enumerate(zip(pairs, kinds, strict=True), 1)
        ]
        found = SetQuery(items, op=body.op, left=left, right=right)
        for order in query.order_by:
            found.order_by.append(self._set_order(order, found))
        found.limit, found.offset = self._paging(query, scope)
        return found

    def _set_side(self, node: n.Node, scope: Scope | None) -> BoundQuery:
        if isinstance(node, n.Query):
            return self._wrapped(self.subquery(node, scope))
        return self._body(node, scope, n.Query(node))

    def _set_order(self, order: n.OrderItem, found: BoundQuery) -> str:
        node = order.expression
        if isinstance(node, n.Name) and len(node.parts) > 1:
            node = n.Name(node.parts[-1:])
        item = self._named_item(node, found.items)
        if item is None:
            raise SqlError(
                104,
                "ORDER BY items must appear in the select list if the statement contains a UNION, INTERSECT or "
                "EXCEPT operator.",
            )
        return predicates.order_sql(item.bound) + (" DESC" if order.descending else "")

    # -- ORDER BY and paging

    def _named_item(self, node: n.Node, items: list[Item]) -> Item | None:
        """The output column an ORDER BY item names by alias or position."""
        if isinstance(node, n.Literal) and node.kind == "int":
            if not 1 <= node.value <= len(items):
                raise SqlError(
                    108,
                    f"The ORDER BY position number {node.value} is out of range of the number of items in the "
                    f"select list.",
                    15,
                )
            return items[int(node.value) - 1]
        if isinstance(node, n.Name) and len(node.parts) == 1:
            folded = node.parts[0].casefold()
            return next((i for i in items if i.name.casefold() == folded), None)
        return None

    def order(self, orders: list[n.OrderItem], items: list[Item], scope: Scope, *, distinct: bool = False) -> list[str]:
        """ORDER BY of a SELECT: aliases first, then columns of the sources."""
        found = []
        scope.clause = "order"
        for order in orders:
            item = self._named_item(order.expression, items)
            bound = item.bound if item is not None else self.value(order.expression, scope)
            if item is None and bound.is_const:
                raise SqlError(408, "A constant expression was encountered in the ORDER BY list, position 1.")
            if distinct and item is None and all(i.bound.sql != bound.sql for i in items):
                raise SqlError(
                    145, "ORDER BY items must appear in the select list if SELECT DISTINCT is specified.", 15
                )
            found.append(predicates.order_sql(bound) + (" DESC" if order.descending else ""))
        return found

    def _paging(self, query: n.Query, scope: Scope | None) -> tuple[str, str]:
        if query.offset is None:
            return "", ""
        offset = self.count(query.offset, scope, "OFFSET")
        limit = "" if query.fetch is None else self.count(query.fetch, scope, "FETCH")
        return limit, offset

    def count(self, node: n.Node, scope: Scope | None, clause: str) -> str:
        """A row count for LIMIT or OFFSET."""
        bound = convert(self.value(node, scope or Scope()), t.BIGINT)
        if bound.is_const and isinstance(bound.const, int) and bound.const >= 0:
            return str(bound.const)
        return f"_d({specs.number(_CHECKS[clause])},{bound.sql})"

    # -- SELECT

    def _select(self, body: n.Select, outer: Scope | None, query: n.Query) -> SelectQuery:
        scope = Scope(parent=outer)
        found = SelectQuery([], distinct=body.distinct)
        if body.source is not None:
            found.source, found.check = self.checked_from(body.source, scope)
        if body.where is not None:
            scope.allows_aggregate = False
            found.where = self.condition(body.where, scope).sql
            scope.allows_aggregate = True
        self._group(body, scope, found)
        scope.clause = "select"
        found.items = self._items(body.items, scope)
        if body.having is not None:
            scope.clause = "having"
            found.having = self.condition(body.having, scope).sql
        found.order_by = self.order(query.order_by, found.items, scope, distinct=body.distinct)
        self._finish_groups(body, scope, found)
        found.limit, found.offset = self._paging(query, outer)
        if body.top is not None:
            self._top(body.top, found, scope)
        if not body.group_by and (scope.has_aggregate or not body.source):
            found.at_most_one = True
        return found

    def _group(self, body: n.Select, scope: Scope, found: SelectQuery) -> None:
        if body.grouping_sets is not None:
            raise unsupported("ROLLUP or CUBE")
        if not body.group_by:
            if self._aggregates(body):
                scope.groups = set()
            return
        bound = [self.value(g, scope) for g in body.group_by]
        for one in bound:
            if one.is_const:
                raise SqlError(
                    164, "Each GROUP BY expression must contain at least one column that is not an outer reference.", 15
                )
        found.group_by = [b.sql + predicates.group_suffix(b) for b in bound]
        scope.groups = {b.sql for b in bound}

    def _aggregates(self, body: n.Select) -> bool:
        """Whether a SELECT without GROUP BY is an aggregate query."""
        return body.having is not None or any(self.has_aggregate(i.expression) for i in body.items)

    def has_aggregate(self, node: n.Node) -> bool:
        """Whether an aggregate stands in an expression, not counting subqueries; see the function binder."""
        raise NotImplementedError

    def _finish_groups(self, body: n.Select, scope: Scope, found: SelectQuery) -> None:
        if scope.has_aggregate and scope.groups is None and not body.group_by:
            scope.groups = set()
        if body.having is not None and not body.group_by and not scope.has_aggregate:
            found.group_by = ["NULL"]

    def _items(self, items: list[n.SelectItem], scope: Scope) -> list[Item]:
        found: list[Item] = []
        for item in items:
            if isinstance(item.expression, n.Star):
                found += self._star_items(item.expression, scope)
                continue
            bound = self.value(item.expression, scope)
            name = item.alias
            if name is None:
                name = item.expression.parts[-1] if isinstance(item.expression, n.Name) else ""
            found.append(Item(name, bound))
        return found

    def _star_items(self, star: n.Star, scope: Scope) -> list[Item]:
        sources = [s for s in scope.sources if not star.qualifier or s.answers_to(star.qualifier)]
        if not sources:
            if star.qualifier:
                raise SqlError(
                    107,
                    f"The column prefix '{'.'.join(star.qualifier)}' does not match with a table name or alias "
                    "name used in the query.",
                    15,
                )
            raise SqlError(263, "Must specify table to select from.")
        found = []
        for source in sources:
            for column in source.columns:
                if scope.groups is not None and column.bound.sql not in scope.groups:
                    self._name(n.Name((source.alias, column.name)), scope)
                found.append(Item(column.name, column.bound))
        return found

    def _top(self, top: n.Top, found: SelectQuery, scope: Scope) -> None:
        if top.ties and not found.order_by:
            raise SqlError(
                1062, "The TOP N WITH TIES clause is not allowed without a corresponding ORDER BY clause.", 15
            )
        if top.percent:
            found.percent = convert(self.value(top.count, Scope(parent=scope.parent)), t.FLOAT).sql
            if top.ties:
                raise unsupported("TOP ... PERCENT WITH TIES")
            return
        limit = self.count(top.count, scope.parent, "TOP")
        if top.ties:
            found.ties = found.limit = limit
            return
        found.limit = limit
        if limit == "1":
            found.at_most_one = True


def _count_check(clause: str) -> Callable[[int | None], int]:
    def check(value: int | None) -> int:
        if value is None or value < 0:
            if clause == "OFFSET":
                raise SqlError(10742, "The offset specified in a OFFSET clause may not be negative.", 15)
            raise SqlError(
                1060 if value is None else 127,
                "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer."
                if value is None
                else "A TOP N or FETCH rowcount value may not be negative.",
                15,
            )
        return value

    return check


_CHECKS = {clause: _count_check(clause) for clause in ("TOP", "FETCH", "OFFSET")}
