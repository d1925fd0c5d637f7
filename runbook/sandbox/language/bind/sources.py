"""FROM: tables, views, derived tables, functions, joins, APPLY, common table expressions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind import predicates
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.environment import CteRelation, Environment, Relation, Rows, StoredTable, View
from runbook.sandbox.language.bind.expressions import ExpressionBinder
from runbook.sandbox.language.bind.queries import BoundQuery, Item, SelectQuery, common_of
from runbook.sandbox.language.bind.scope import Scope, Source, SourceColumn
from runbook.sandbox.language.engine import collate, specs
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.fragments import parse_expression, parse_view

VIEW_DEPTH = 32
LOCKING = frozenset({"UPDLOCK", "XLOCK", "TABLOCKX", "HOLDLOCK", "SERIALIZABLE", "REPEATABLEREAD"})
"""Table hints that keep others from writing until the transaction ends."""


class SourceBinder(ExpressionBinder):
    """Binds what stands in FROM."""

    def __init__(self, environment: Environment, plan: Plan, depth: int = 0) -> None:
        super().__init__(environment, plan)
        self.ctes: list[CteRelation] = []
        self.depth = depth
        self.pseudo: dict[str, StoredTable] = {}
        self._checks: list[str] = []

    def checked_from(self, node: n.Node, scope: Scope) -> tuple[str, str]:
        """Text of FROM, and the conditions that its sources add to WHERE."""
        saved, self._checks = self._checks, []
        try:
            text = self.from_clause(node, scope)
            return text, " AND ".join(self._checks)
        finally:
            self._checks = saved

    def require(self, test: str) -> None:
        """Add a condition to WHERE of the block whose FROM is being bound."""
        if test:
            self._checks.append(test)

    def nested(self, environment: Environment) -> Any:
        """A binder of the same plan in another environment."""
        if self.depth >= VIEW_DEPTH:
            raise SqlError(
                217, "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32)."
            )
        return type(self)(environment, self.plan, self.depth + 1)

    def output(self, alias: str, position: int, bound: Bound) -> Bound:
        """An output column of a subquery, seen from outside."""
        return Bound(
            f"{alias}.c{position}",
            bound.type if bound.type != t.NULL_TYPE else t.INT,
            bound.nullable,
            bound.coll,
            min(1, bound.strength) if bound.strength else (1 if bound.is_column else 0),
            is_column=True,
            identity=bound.identity,
        )

    def subquery(self, query: n.Query, scope: Scope | None) -> BoundQuery:
        """A query; see the query binder."""
        raise NotImplementedError

    # -- dispatch

    def from_clause(self, node: n.Node, scope: Scope) -> str:
        """Text of FROM; the sources are added to the scope."""
        if isinstance(node, n.Join):
            return self._join(node, scope)
        if isinstance(node, n.TableRef):
            return self._table(node, scope)
        if isinstance(node, n.VariableTable):
            return self.stored(self.env.table_variable(node.name), node.alias or node.name, (), scope)
        if isinstance(node, n.Derived):
            return self._derived(node, scope)
        assert isinstance(node, n.FunctionTable)
        return self.function_table(node, scope, scope.parent)

    def _join(self, node: n.Join, scope: Scope) -> str:
        if node.kind.endswith("APPLY"):
            return self.apply(node, scope)
        left = self.from_clause(node.left, scope)
        mark = len(scope.sources)
        right = self.from_clause(node.right, scope)
        right = grouped(right)
        if node.kind == "CROSS":
            return f"{left} CROSS JOIN {right}"
        assert node.on is not None
        on = self.condition(node.on, scope).sql
        self._loosen(node.kind, scope, mark)
        return f"{left} {node.kind} JOIN {right} ON {on}"

    def _loosen(self, kind: str, scope: Scope, mark: int) -> None:
        """Columns of the outer side of a join may be NULL."""
        sources = list(scope.sources)
        loose = sources[mark:] if kind in ("LEFT", "FULL") else []
        loose += sources[:mark] if kind in ("RIGHT", "FULL") else []
        for source in loose:
            for column in source.columns:
                column.bound = replace(column.bound, nullable=True)

    # -- tables and views

    def _table(self, node: n.TableRef, scope: Scope) -> str:
        alias = node.alias or node.parts[-1]
        if len(node.parts) == 1:
            folded = node.parts[0].casefold()
            for cte in reversed(self.ctes):
                if cte.name.casefold() == folded:
                    return self._cte(cte, alias, scope)
            if folded in self.pseudo:
                return self.stored(self.pseudo[folded], alias, node.parts, scope)
        relation = self.env.relation(node.parts, self.plan)
        self._heed(node.hints, relation)
        parts = () if node.alias else node.parts
        if isinstance(relation, StoredTable):
            full = (relation.database, relation.schema, relation.table.name)
            return self.stored(relation, alias, () if node.alias else full, scope)
        if isinstance(relation, View):
            return self.view(relation, alias, parts, scope)
        return self.rows(relation, alias, parts, scope)

    def _heed(self, hints: list[str], relation: Relation) -> None:
        """Hints that lock make the statement take the database's write lock; readers never wait here anyway."""
        if "READPAST" in hints:
            raise unsupported("the hint READPAST")
        if isinstance(relation, StoredTable) and relation.database and LOCKING & set(hints):
            self.plan.locks.add(relation.database)

    def stored(self, relation: StoredTable, alias: str, parts: tuple[str, ...], scope: Scope) -> str:
        """A table kept by SQLite."""
        sql_alias = self.plan.alias()
        source = Source(alias, self.table_columns(relation, sql_alias), parts, sql_alias, relation)
        scope.add(source)
        return f"{relation.sql} AS {sql_alias}"

    def table_columns(self, relation: StoredTable, sql_alias: str) -> list[SourceColumn]:
        """Columns of a table under an alias; computed ones are expressions over the others."""
        found: list[SourceColumn] = []
        for column in relation.table.columns:
            coll = collate.collation_of(column.collation) if column.collation else collate.CI_AS
            sql = f"{sql_alias}.{column.phys}"
            bound = Bound(sql, column.type, column.nullable, coll, 1, is_column=True, identity=bool(column.identity))
            found.append(SourceColumn(column.name, bound))
        computed = [(c, s) for c, s in zip(relation.table.columns, found, strict=True) if c.computed]
        if computed and not relation.pseudo:
            inner = Scope(sources=[Source("", found, (), sql_alias)])
            for column, slot in computed:
                bound = convert(self.value(parse_expression(column.computed), inner), column.type)
                slot.bound = replace(bound, sql=f"({bound.sql})", nullable=column.nullable, strength=1)
        return found

    def view(self, relation: View, alias: str, parts: tuple[str, ...], scope: Scope) -> str:
        """A view: its query in place."""
        module = relation.module
        parsed = parse_view(module.text)
        assert parsed.query is not None
        environment = self.env.inside(relation.database, relation.schema, {})
        binder = self.nested(environment)
        query = binder.subquery(parsed.query, None)
        names = parsed.columns or [c[0] for c in module.columns] or [i.name for i in query.items]
        if len(names) > len(query.items):
            raise SqlError(
                4502, f"View or function '{module.name}' has more column names specified than columns defined."
            )
        names = [*names, *(f"* {i}" for i in range(len(query.items) - len(names)))]
        text = self.derived_text(query, alias, names, parts, scope, relation)
        source = scope.sources[-1]
        source.columns = [c for c in source.columns if not c.name.startswith("* ")]
        return text

    def rows(self, relation: Rows, alias: str, parts: tuple[str, ...], scope: Scope) -> str:
        """A catalog view."""
        if all(one.sql != relation.sql for one in self.plan.loads):
            self.plan.loads.append(relation)
        sql_alias = self.plan.alias()
        columns = [
            SourceColumn(c.name, Bound(f"{sql_alias}.c{i}", c.type, c.nullable, collate.CI_AS, 1, is_column=True))
            for i, c in enumerate(relation.columns, 1)
        ]
        scope.add(Source(alias, columns, parts, sql_alias, relation))
        return f"{relation.sql} AS {sql_alias}"

    # -- subqueries

    def _derived(self, node: n.Derived, scope: Scope) -> str:
        query = self.subquery(node.query, scope.parent)
        return self.derived_text(query, node.alias, node.columns or [i.name for i in query.items], (), scope)

    def derived_text(
        self,
        query: BoundQuery,
        alias: str,
        names: list[str],
        parts: tuple[str, ...],
        scope: Scope,
        relation: object = None,
    ) -> str:
        """A query as table source. What is dear to compute is computed once a row."""
        check_names(names, len(query.items), alias)
        sql_alias = self.plan.alias()
        query.convert_items([t.INT if i.bound.type == t.NULL_TYPE else i.bound.type for i in query.items])
        columns = [
            SourceColumn(name, self.output(sql_alias, i, item.bound))
            for i, (name, item) in enumerate(zip(names, query.items, strict=True), 1)
        ]
        text = query.render()
        if query.is_heavy:
            inner = self.plan.alias()
            text = f"WITH {inner} AS MATERIALIZED ({text}) SELECT * FROM {inner}"
        scope.add(Source(alias, columns, parts, sql_alias, relation))
        return f"({text}) AS {sql_alias}"

    def _cte(self, cte: CteRelation, alias: str, scope: Scope) -> str:
        sql_alias = self.plan.alias()
        columns = [
            SourceColumn(name, self.output(sql_alias, i, bound)) for i, (name, bound) in enumerate(cte.columns, 1)
        ]
        scope.add(Source(alias, columns, (), sql_alias, cte))
        return f"{cte.sql} AS {sql_alias}"

    # -- common table expressions

    def _with(self, query: n.Query, scope: Scope | None) -> str:
        """Bind the CTEs of a query; the text to put in front of it."""
        texts = [self.common_table(cte, scope, query.max_recursion) for cte in query.ctes]
        return f"WITH {'RECURSIVE ' if texts else ''}{', '.join(texts)} " if texts else ""

    def leading(self, ctes: list[n.CommonTable], limit: int) -> str:
        """WITH in front of a data statement."""
        return "WITH RECURSIVE " + ", ".join(self.common_table(c, None, limit) for c in ctes) + " "

    def common_table(self, node: n.CommonTable, scope: Scope | None, limit: int) -> str:
        """One CTE, which is within reach afterwards."""
        sql = self.plan.alias()
        members = _members(node.query.body)
        recursive = [m for m in members if _mentions(m, node.name)]
        if recursive:
            return self._recursive(node, sql, members, recursive, scope, limit)
        query = self.subquery(node.query, scope)
        names = node.columns or [i.name for i in query.items]
        check_names(names, len(query.items), node.name)
        query.convert_items([t.INT if i.bound.type == t.NULL_TYPE else i.bound.type for i in query.items])
        relation = CteRelation(node.name, sql)
        relation.columns = [(name, item.bound) for name, item in zip(names, query.items, strict=True)]
        self.ctes.append(relation)
        hint = "MATERIALIZED " if query.is_heavy or node.kept else ""
        return f"{sql} AS {hint}({query.render()})"

    def _recursive(
        self,
        node: n.CommonTable,
        sql: str,
        members: list[n.Node],
        recursive: list[n.Node],
        scope: Scope | None,
        limit: int,
    ) -> str:
        anchors = [m for m in members if m not in recursive]
        if not anchors:
            raise SqlError(246, f'No anchor member was specified for recursive query "{node.name}".')
        bound = [self.subquery(n.Query(a), scope) for a in anchors]
        kinds = [common_of([b.items[i].bound for b in bound]) for i in range(len(bound[0].items))]
        names = node.columns or [i.name for i in bound[0].items]
        check_names(names, len(kinds), node.name)
        relation = CteRelation(node.name, sql, level="lvl")
        relation.columns = [(name, Bound("", kind)) for name, kind in zip(names, kinds, strict=True)]
        self.ctes.append(relation)
        texts = []
        for query in bound:
            query.convert_items(kinds)
            texts.append(f"SELECT *, 0 FROM ({query.render()})")
        texts += [self._recursive_member(m, relation, kinds, scope, limit) for m in recursive]
        columns = ", ".join([f"c{i}" for i in range(1, len(kinds) + 1)] + ["lvl"])
        return f"{sql}({columns}) AS ({' UNION ALL '.join(texts)})"

    def _recursive_member(
        self, member: n.Node, relation: CteRelation, kinds: list[Any], scope: Scope | None, limit: int
    ) -> str:
        query = self.subquery(n.Query(member), scope)
        if not isinstance(query, SelectQuery) or query.group_by or query.distinct or query.limit:
            raise unsupported("GROUP BY, DISTINCT, TOP or a set operation in the recursive part of a CTE")
        query.convert_items(kinds)
        marker = f"{relation.sql} AS "
        at = query.source.find(marker)
        alias = query.source[at + len(marker) :].split()[0].rstrip(")")
        level = f"{alias}.lvl+1"
        if limit:
            level = f"_d({specs.intern(('recursion', limit), lambda: _depth_check(limit))},{alias}.lvl+1)"
        query.items.append(Item("lvl", Bound(level, t.INT)))
        return query.render()

    # -- functions

    def apply(self, node: n.Join, scope: Scope) -> str:
        """CROSS and OUTER APPLY; see the function binder."""
        raise NotImplementedError

    def function_table(self, node: n.FunctionTable, scope: Scope, outside: Scope | None) -> str:
        """A table function; see the function binder."""
        raise NotImplementedError

    def matched(self, relation: Rows, alias: str, args: list[Bound], scope: Scope) -> tuple[str, str]:
        """A system function as its rows, with the condition that its first columns equal the arguments."""
        text = self.rows(relation, alias, (), scope)
        columns = scope.sources[-1].columns
        tests = [
            predicates.compare("=", column.bound, arg).sql
            for column, arg in zip(columns, args, strict=False)
            if not arg.is_null
        ]
        return text, " AND ".join(tests)


def grouped(text: str) -> str:
    """A join in parentheses; around a single table SQLite would hide its alias."""
    depth, at = 0, 0
    while at < len(text):
        char = text[at]
        if char == "'":
            at = text.index("'", at + 1)
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif depth == 0 and text.startswith(" JOIN ", at):
            return f"({text})"
        at += 1
    return text


def _depth_check(limit: int) -> Any:
    def check(level: int) -> int:
        if level > limit:
            raise SqlError(
                530,
                f"The statement terminated. The maximum recursion {limit} has been exhausted before statement "
                f"completion.",
            )
        return level

    return check


def check_names(names: list[str], count: int, alias: str) -> None:
    """Errors 8158, 8159, 8155, 8156 for the column names of a derived table."""
    if len(names) > count:
        raise SqlError(8159, f"'{alias}' has fewer columns than were specified in the column list.")
    if len(names) < count:
        raise SqlError(8158, f"'{alias}' has more columns than were specified in the column list.")
    seen = set()
    for i, name in enumerate(names, 1):
        if not name:
            raise SqlError(8155, f"No column name was specified for column {i} of '{alias}'.")
        if name.casefold() in seen:
            raise SqlError(8156, f"The column '{name}' was specified multiple times for '{alias}'.")
        seen.add(name.casefold())


def _members(body: n.Node) -> list[n.Node]:
    if isinstance(body, n.SetOperation) and body.op == "UNION ALL":
        return [*_members(body.left), *_members(body.right)]
    return [body]


def _mentions(node: Any, name: str) -> bool:
    """Whether a table of that name stands in the FROM of a query block or its joins."""
    if isinstance(node, n.Select):
        return node.source is not None and _mentions(node.source, name)
    if isinstance(node, n.Join):
        return _mentions(node.left, name) or _mentions(node.right, name)
    if isinstance(node, n.TableRef):
        return len(node.parts) == 1 and node.parts[0].casefold() == name.casefold()
    return False
