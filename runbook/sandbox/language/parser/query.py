"""Query expressions and what stands in FROM."""

from __future__ import annotations

from itertools import combinations

from runbook.sandbox.language import nodes as n
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.expressions import ExpressionParser, number

JOINS = frozenset({"INNER", "LEFT", "RIGHT", "FULL", "CROSS", "JOIN"})
COMPOUND = frozenset({"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="})


class QueryParser(ExpressionParser):
    """SELECT in all its places."""

    def query(self) -> n.Query:
        """``[WITH ...] body [ORDER BY ...] [FOR ...] [OPTION ...]``."""
        ctes = self.common_tables()
        query = n.Query(self._set_level(), ctes)
        if self.take("ORDER"):
            self.expect("BY")
            query.order_by = self.order_items()
            self._paging(query)
        if self.take("FOR"):
            self._for(query)
        self.options(query)
        return query

    def common_tables(self) -> list[n.CommonTable]:
        """``WITH a (x) AS (...), ...``."""
        found: list[n.CommonTable] = []
        if not self.take("WITH"):
            return found
        while True:
            name = self.name()
            if name.upper() == "XMLNAMESPACES":
                raise unsupported("WITH XMLNAMESPACES")
            columns = self.names() if self.sees("(") else []
            self.expect("AS", "(")
            found.append(n.CommonTable(name, columns, self.query()))
            self.expect(")")
            if not self.take(","):
                return found

    def _paging(self, query: n.Query) -> None:
        if not self.take("OFFSET"):
            return
        query.offset = self.expression()
        self.take_any("ROW", "ROWS")
        if self.take("FETCH"):
            self.take_any("NEXT", "FIRST")
            query.fetch = self.expression()
            self.take_any("ROW", "ROWS")
            if self.word() != "ONLY":
                self.fail()

    def _for(self, query: n.Query) -> None:
        word = self.word()
        if word == "BROWSE":
            raise unsupported("FOR BROWSE")
        if word != "XML" or not self.take("PATH"):
            raise unsupported(f"FOR {word}")
        element = "row"
        if self.take("("):
            element = self.string()
            self.expect(")")
        query.for_xml = n.ForXml(element, None, typed=False)
        while self.take(","):
            option = self.word()
            if option == "TYPE":
                query.for_xml.typed = True
            elif option == "ROOT" and self.take("("):
                query.for_xml.root = self.string()
                self.expect(")")
            else:
                raise unsupported(f"FOR XML ... {option}")

    def options(self, query: n.Query | None = None) -> int:
        """``OPTION (...)``: hints have no effect here, but MAXRECURSION counts."""
        limit = 100
        if self.take("OPTION"):
            first = self.at
            self.skip_parens()
            for i in range(first, self.at):
                if self.keys[i] == "MAXRECURSION":
                    limit = int(self.values[i + 1])
        if query is not None:
            query.max_recursion = limit
        return limit

    # -- bodies

    def _set_level(self) -> n.Node:
        left = self._intersect_level()
        while True:
            word = self.take_any("UNION", "EXCEPT")
            if not word:
                return left
            if word == "UNION" and self.take("ALL"):
                word = "UNION ALL"
            left = n.SetOperation(word, left, self._intersect_level())

    def _intersect_level(self) -> n.Node:
        left = self._body()
        while self.take("INTERSECT"):
            left = n.SetOperation("INTERSECT", left, self._body())
        return left

    def _body(self) -> n.Node:
        if self.take("("):
            inner = self.query()
            self.expect(")")
            return inner.body if not (inner.order_by or inner.ctes) else inner
        if self.sees("VALUES"):
            return self.values_list()
        return self._select()

    def values_list(self) -> n.Values:
        """``VALUES (...), (...)``; rows of literals are read without going through the expression levels."""
        self.expect("VALUES")
        rows = [self._row()]
        while self.take(","):
            rows.append(self._row())
        return n.Values(rows)

    def _row(self) -> list[n.Node]:
        self.expect("(")
        row: list[n.Node] = []
        kinds, keys, values = self.kinds, self.keys, self.values
        while True:
            at = self.at
            kind, following = kinds[at] if at < self.size else "", keys[at + 1] if at + 1 < self.size else ""
            if following not in (",", ")"):
                row.append(n.Name(("default",)) if self.take("DEFAULT") else self.expression())
            elif kind == "number":
                self.at += 1
                row.append(number(values[at]))
            elif kind == "string":
                row.append(self.literal())
            elif keys[at] == "DEFAULT":
                self.at += 1
                row.append(n.Name(("default",)))
            else:
                row.append(self.expression())
            if self.take(")"):
                return row
            self.expect(",")

    def _select(self) -> n.Select:
        self.expect("SELECT")
        distinct = self.take("DISTINCT")
        if not distinct:
            self.take("ALL")
        select = n.Select([], distinct, self.top())
        select.items.append(self._item())
        while self.take(","):
            select.items.append(self._item())
        if self.take("INTO"):
            select.into = self.dotted()
            if self.take("ON"):
                self.name()
        if self.take("FROM"):
            select.source = self.from_list()
        if self.take("WHERE"):
            select.where = self.condition()
        if self.take("GROUP"):
            self.expect("BY")
            self._group_by(select)
        if self.take("HAVING"):
            select.having = self.condition()
        return select

    def top(self) -> n.Top | None:
        """``TOP (n) [PERCENT] [WITH TIES]``."""
        if not self.take("TOP"):
            return None
        if self.take("("):
            count = self.expression()
            self.expect(")")
        else:
            count = self.literal() if self.kind() == "number" else self._primary()
        percent = self.take("PERCENT")
        return n.Top(count, percent, self.take("WITH", "TIES"))

    def _item(self) -> n.SelectItem:
        if self.kind() == "variable" and (self.key(1) == "=" or self.key(1) in COMPOUND):
            name = self.value().lower()
            op = self.key(1)
            self.at += 2
            return n.SelectItem(self.expression(), variable=name, op=op)
        if (
            self.kind() in ("word", "quoted", "string")
            and self.key(1) == "="
            and (self.kind() == "string" or self.is_name())
        ):
            alias = self.value()
            self.at += 2
            return n.SelectItem(self.expression(), alias)
        return self.select_item()

    def select_item(self) -> n.SelectItem:
        """``*``, ``t.*`` or an expression with an optional alias."""
        if self.take("*"):
            return n.SelectItem(n.Star())
        star = self._qualified_star()
        if star is not None:
            return n.SelectItem(star)
        return n.SelectItem(self.expression(), self._alias())

    def _qualified_star(self) -> n.Node | None:
        ahead, parts = 0, []
        while self.kind(ahead) in ("word", "quoted") and self.key(ahead + 1) == ".":
            parts.append(self.values[self.at + ahead])
            ahead += 2
            if self.key(ahead) == "*":
                self.at += ahead + 1
                return n.Star(tuple(parts))
        return None

    def _alias(self) -> str | None:
        if self.take("AS"):
            if self.kind() == "string":
                return self.string()
            return self.any_name()
        if self.kind() == "string":
            return self.string()
        return self.name() if self.is_name() else None

    def _group_by(self, select: n.Select) -> None:
        for word in ("ROLLUP", "CUBE"):
            if self.key() == word and self.key(1) == "(":
                self.at += 2
                select.group_by = self.expressions()
                self.expect(")")
                select.grouping_sets = _sets(word, len(select.group_by))
                return
        if self.key() == "GROUPING":
            raise unsupported("GROUPING SETS")
        if self.sees("(", ")"):
            self.at += 2
            return
        self.take("ALL")
        select.group_by = self.expressions()
        if self.sees("WITH") and self.key(1) in ("ROLLUP", "CUBE"):
            select.grouping_sets = _sets(self.key(1), len(select.group_by))
            self.at += 2

    # -- FROM

    def from_list(self) -> n.Node:
        """Table sources parted by commas."""
        left = self.table_source()
        while self.take(","):
            left = n.Join("CROSS", left, self.table_source())
        return left

    def table_source(self) -> n.Node:
        """A table source with the joins that follow it."""
        left = self._single()
        while True:
            joined = self._join(left)
            if joined is None:
                return left
            left = joined

    def _join(self, left: n.Node) -> n.Node | None:
        key = self.key()
        if key == "OUTER" and self.key(1) == "APPLY":
            self.at += 2
            return n.Join("OUTER APPLY", left, self._single())
        if key in ("PIVOT", "UNPIVOT"):
            raise unsupported(key)
        if key not in JOINS:
            return None
        self.at += 1
        if key == "CROSS":
            kind = "CROSS APPLY" if self.take_any("JOIN", "APPLY") == "APPLY" else "CROSS"
            return n.Join(kind, left, self._single())
        if key != "JOIN":
            self.take("OUTER")
            self.take_any("LOOP", "HASH", "MERGE", "REMOTE")
            self.expect("JOIN")
        right = self._single()
        while not self.sees("ON"):
            inner = self._join(right)
            if inner is None:
                self.fail()
            right = inner
        self.expect("ON")
        return n.Join("INNER" if key == "JOIN" else key, left, right, self.condition())

    def _single(self) -> n.Node:
        if self.kind() == "variable":
            self.at += 1
            name = self.values[self.at - 1].lower()
            if self.sees("."):
                raise unsupported("an xml method in FROM")
            return n.VariableTable(name, self._table_alias())
        if self.take("("):
            return self._parenthesised()
        parts = self._object_name()
        if self.sees("(") and not self._hint_ahead():
            return self._function_table(parts)
        alias = self._table_alias()
        hints = self._hints()
        return n.TableRef(parts, alias or self._table_alias(), hints)

    def _object_name(self) -> tuple[str, ...]:
        if self.take("::"):
            return (self.name(),)
        if self.kind() == "word" and self.key(1) == "(" and self.key() in ("CONTAINSTABLE", "OPENROWSET", "OPENQUERY"):
            raise unsupported(self.key())
        return self.dotted()

    def _parenthesised(self) -> n.Node:
        if self.sees_any("SELECT", "WITH", "VALUES") or self._nested_select():
            query = self.query()
            self.expect(")")
            alias = self._table_alias()
            if alias is None:
                self.fail()
            return n.Derived(query, alias, self.names() if self.sees("(") else [])
        inner = self.from_list()
        self.expect(")")
        return inner

    def _nested_select(self) -> bool:
        ahead = 0
        while self.key(ahead) == "(":
            ahead += 1
        if not ahead or self.key(ahead) != "SELECT":
            return False
        depth = ahead
        while depth and self.at + ahead < self.size:
            ahead += 1
            depth += {"(": 1, ")": -1}.get(self.key(ahead), 0)
            if depth == 0:
                return self.key(ahead + 1) in ("UNION", "EXCEPT", "INTERSECT", "ORDER", ")")
        return False

    def _function_table(self, parts: tuple[str, ...]) -> n.Node:
        call = n.Call((parts[-1].upper(),) if len(parts) == 1 else parts, [])
        self.expect("(")
        if not self.sees(")"):
            self._arguments(call)
        self.expect(")")
        if self.sees("WITH") and call.builtin == "OPENJSON":
            raise unsupported("OPENJSON ... WITH")
        alias = self._table_alias()
        return n.FunctionTable(call, alias, self.names() if alias and self.sees("(") else [])

    def _table_alias(self) -> str | None:
        if self.take("AS"):
            return self.name()
        return self.name() if self.is_name() and not self._ends_source() else None

    def _ends_source(self) -> bool:
        return self.kind() == "word" and (
            self.key() in ("THROW", "OFFSET", "USING", "OUTPUT", "WINDOW")
            or (self.key() in ("ENABLE", "DISABLE") and self.key(1) == "TRIGGER")
            or (self.key(1) == ":" and self.key(2) != ":")
        )

    def _hint_ahead(self) -> bool:
        return self.key(1) in ("NOLOCK", "HOLDLOCK", "UPDLOCK", "TABLOCK", "TABLOCKX", "ROWLOCK", "READPAST") and (
            self.key(2) in (")", ",")
        )

    def _hints(self) -> list[str]:
        if self.sees("WITH", "(") or (self.sees("(") and self._hint_ahead()):
            self.take("WITH")
            return [w.strip().upper() for w in self.skip_parens().split(",")]
        if self.key() == "TABLESAMPLE":
            raise unsupported("TABLESAMPLE")
        return []


def _sets(word: str, count: int) -> list[list[int]]:
    if word == "ROLLUP":
        return [list(range(size)) for size in range(count, -1, -1)]
    return [list(c) for size in range(count, -1, -1) for c in combinations(range(count), size)]
