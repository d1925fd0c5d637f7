"""Expressions and conditions."""

from __future__ import annotations

from decimal import Decimal

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language.parser.base import Cursor, unsupported
from runbook.sandbox.language.types import builtin_type

COMPARISONS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!<": ">=", "!>": "<="}
BARE_FUNCTIONS = frozenset({"CURRENT_TIMESTAMP", "CURRENT_USER", "SESSION_USER", "SYSTEM_USER", "USER", "CURRENT_DATE"})
KEYWORD_FUNCTIONS = frozenset({"LEFT", "RIGHT", "COALESCE", "NULLIF", "UPDATE", "CONTAINS"})
TYPED_FUNCTIONS = frozenset({"CAST", "TRY_CAST", "CONVERT", "TRY_CONVERT", "PARSE", "TRY_PARSE"})
INT_MAX = 2**31 - 1


class ExpressionParser(Cursor):
    """Expressions; queries inside come from the query parser, which extends this one."""

    def query(self) -> n.Query:
        """A query expression."""
        raise NotImplementedError

    # -- conditions

    def condition(self) -> n.Node:
        """A search condition, or a plain expression where that stands."""
        left = self._conjunction()
        while self.take("OR"):
            left = n.Logic("OR", left, self._conjunction())
        return left

    def _conjunction(self) -> n.Node:
        left = self._negation()
        while self.take("AND"):
            left = n.Logic("AND", left, self._negation())
        return left

    def _negation(self) -> n.Node:
        if self.take("NOT"):
            return n.Not(self._negation())
        return self._predicate()

    def _predicate(self) -> n.Node:
        if self.take("EXISTS"):
            self.expect("(")
            query = self.query()
            self.expect(")")
            return n.Exists(query)
        left = self.expression()
        while True:
            found = self._predicate_tail(left)
            if found is None:
                return left
            left = found

    def _predicate_tail(self, left: n.Node) -> n.Node | None:
        key = self.key()
        if key in COMPARISONS:
            self.at += 1
            return self._comparison(COMPARISONS[key], left)
        if key == "IS":
            return self._is(left)
        negated = key == "NOT" and self.key(1) in ("IN", "LIKE", "BETWEEN")
        if negated:
            self.at += 1
        word = self.take_any("IN", "LIKE", "BETWEEN")
        if word == "IN":
            return self._in(left, negated)
        if word == "LIKE":
            pattern = self.expression()
            return n.Like(left, pattern, self.expression() if self.take("ESCAPE") else None, negated)
        if word == "BETWEEN":
            low = self.expression()
            self.expect("AND")
            return n.Between(left, low, self.expression(), negated)
        return None

    def _comparison(self, op: str, left: n.Node) -> n.Node:
        quantifier = self.take_any("ANY", "SOME", "ALL")
        if quantifier:
            self.expect("(")
            query = self.query()
            self.expect(")")
            return n.Quantified(op, left, "ALL" if quantifier == "ALL" else "ANY", query)
        return n.Compare(op, left, self.expression())

    def _is(self, left: n.Node) -> n.Node:
        self.expect("IS")
        negated = self.take("NOT")
        if self.take("DISTINCT"):
            self.expect("FROM")
            return n.Distinct(left, self.expression(), negated)
        self.expect("NULL")
        return n.IsNull(left, negated)

    def _in(self, left: n.Node, negated: bool) -> n.Node:
        self.expect("(")
        if self.sees_any("SELECT", "WITH"):
            query = self.query()
            self.expect(")")
            return n.InQuery(left, query, negated)
        items = self.expressions()
        self.expect(")")
        return n.InList(left, items, negated)

    # -- values

    def expressions(self) -> list[n.Node]:
        """A list parted by commas."""
        found = [self.expression()]
        while self.take(","):
            found.append(self.expression())
        return found

    def expression(self) -> n.Node:
        """A value: additive level."""
        left = self._term()
        while True:
            op = self.take_any("+", "-", "&", "|", "^")
            if not op:
                return left
            left = n.Binary(op, left, self._term())

    def _term(self) -> n.Node:
        left = self._factor()
        while True:
            op = self.take_any("*", "/", "%")
            if not op:
                return left
            left = n.Binary(op, left, self._factor())

    def _factor(self) -> n.Node:
        op = self.take_any("-", "+", "~")
        if not op:
            return self._postfix(self._primary())
        operand = self._factor()
        if op == "+":
            return operand
        if op == "-" and isinstance(operand, n.Literal) and operand.kind in ("int", "decimal", "float", "money"):
            return n.Literal(operand.kind, -operand.value)
        return n.Unary(op, operand)

    def _postfix(self, node: n.Node) -> n.Node:
        while True:
            if self.sees(".") and not isinstance(node, n.Name):
                raise unsupported("a method call")
            if self.take("COLLATE"):
                node = n.Collate(node, self.name())
            elif self.sees("AT", "TIME"):
                self.at += 2
                if self.word() != "ZONE":
                    self.fail()
                node = n.AtTimeZone(node, self._primary())
            else:
                return node

    def _primary(self) -> n.Node:
        kind = self.kind()
        if kind in ("number", "string", "binary"):
            return self.literal()
        if kind == "variable":
            self.at += 1
            return n.Variable(self.values[self.at - 1].lower())
        if kind == "symbol":
            return self._bracketed()
        if kind == "word":
            return self._word()
        if kind == "quoted":
            return self._named()
        raise self.wrong()

    def literal(self) -> n.Literal:
        """A number, string or binary literal."""
        kind, text = self.kind(), self.value()
        start = self.tokens.text[self.tokens.starts[self.at]]
        self.at += 1
        if kind == "string":
            return n.Literal("nstring" if start in "Nn" else "string", text)
        if kind == "binary":
            digits = text[2:]
            return n.Literal("binary", bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits))
        return number(text)

    def _bracketed(self) -> n.Node:
        if self.take("{"):
            return self._escape()
        self.expect("(")
        if self.sees_any("SELECT", "WITH"):
            query = self.query()
            self.expect(")")
            return n.Subquery(query)
        inner = self.condition()
        self.expect(")")
        return inner

    def _escape(self) -> n.Node:
        word = self.word()
        if word == "FN":
            inner: n.Node = self.expression()
        elif word in ("D", "T", "TS", "GUID"):
            type_name = {"D": "date", "T": "time", "TS": "datetime", "GUID": "uniqueidentifier"}[word]
            inner = n.Cast(n.Literal("string", self.string()), n.TypeName((type_name,), builtin_type(type_name)))
        else:
            raise unsupported(f"the ODBC escape {{{word.lower()} ...}}")
        self.expect("}")
        return inner

    def _word(self) -> n.Node:
        key = self.key()
        if key == "NULL":
            self.at += 1
            return n.Literal("null", None)
        if key == "CASE":
            return self._case()
        if key == "NEXT" and self.key(1) == "VALUE":
            return self._next_value()
        if key in BARE_FUNCTIONS and self.key(1) != ".":
            self.at += 1
            self.take("(", ")")
            return n.Call((key,), [])
        if self.key(1) == "(" and key in TYPED_FUNCTIONS:
            return self._typed(key)
        if self.key(1) == "(" and key in KEYWORD_FUNCTIONS:
            self.at += 1
            return self._call((key,))
        return self._named()

    def _case(self) -> n.Node:
        self.expect("CASE")
        operand = None if self.sees("WHEN") else self.expression()
        whens = []
        while self.take("WHEN"):
            condition = self.condition() if operand is None else self.expression()
            self.expect("THEN")
            whens.append((condition, self.expression()))
        default = self.expression() if self.take("ELSE") else None
        self.expect("END")
        if not whens:
            self.fail()
        return n.Case(operand, whens, default)

    def _next_value(self) -> n.Node:
        self.at += 2
        self.expect("FOR")
        name = self.dotted()
        return n.NextValue(name, self._over() if self.sees("OVER") else None)

    def _typed(self, key: str) -> n.Node:
        self.at += 1
        self.expect("(")
        if key in ("PARSE", "TRY_PARSE"):
            raise unsupported(key)
        attempt = key.startswith("TRY_")
        if key.endswith("CAST"):
            operand = self.expression()
            self.expect("AS")
            node = n.Cast(operand, self.type_name(), attempt=attempt)
        else:
            type_name = self.type_name()
            self.expect(",")
            operand = self.expression()
            node = n.Cast(operand, type_name, self.expression() if self.take(",") else None, attempt)
        self.expect(")")
        return node

    def type_name(self) -> n.TypeName:
        """A type with its length, or precision and scale."""
        parts = self.dotted() if self.is_name() else (self.word().lower(),)
        if parts[-1].lower() in ("double", "character", "national") or self.sees("VARYING"):
            parts = (self._spelled_out(parts[-1].lower()),)
        args: list[int] = []
        if self.take("("):
            while not self.take(")"):
                args.append(-1 if self.take("MAX") else self.integer())
                self.take(",")
        if len(parts) > 1 and parts[-2].lower() not in ("sys", ""):
            return n.TypeName(parts, None)
        found = builtin_type(parts[-1], args)
        if found is None and args:
            raise SqlError(243, f"Type {parts[-1]} is not a defined system type.")
        return n.TypeName(parts, found, bool(args))

    def _spelled_out(self, first: str) -> str:
        if first == "double":
            self.take("PRECISION")
            return "float"
        prefix = ""
        if first == "national":
            prefix, first = "n", self.word().lower()
        base = {"character": "char", "char": "char", "text": "text"}.get(first, first)
        if self.take("VARYING"):
            base = {"char": "varchar", "binary": "varbinary"}.get(base, base)
        return prefix + base

    # -- names and calls

    def _named(self) -> n.Node:
        parts = self.dotted()
        if self.sees("("):
            return self._call(parts)
        if self.take("::"):
            raise unsupported(f"the static method of {parts[-1]}")
        return n.Name(parts)

    def _call(self, parts: tuple[str, ...]) -> n.Node:
        self.expect("(")
        name = (parts[-1].upper(),) if len(parts) == 1 else parts
        call = n.Call(name, [])
        if self.take("*"):
            call.star = True
        elif not self.sees(")"):
            self._arguments(call)
        self.expect(")")
        return self._after_call(call)

    def _arguments(self, call: n.Call) -> None:
        call.distinct = self.take("DISTINCT")
        if not call.distinct:
            self.take("ALL")
        if call.builtin == "IDENTITY":
            call.type_arg = self.type_name()
            if not self.take(","):
                return
        if call.builtin == "TRIM" and self.sees_any("LEADING", "TRAILING", "BOTH"):
            call.name = ({"LEADING": "LTRIM", "TRAILING": "RTRIM", "BOTH": "TRIM"}[self.word()],)
        call.args.append(self._argument())
        while self.take(","):
            call.args.append(self._argument())
        if call.builtin in ("TRIM", "LTRIM", "RTRIM") and self.take("FROM"):
            call.args.insert(0, self.expression())

    def _argument(self) -> n.Node:
        if self.take("DEFAULT"):
            return n.Name(("default",))
        return self.condition()

    def _after_call(self, call: n.Call) -> n.Node:
        if self.take("WITHIN", "GROUP"):
            self.expect("(", "ORDER", "BY")
            call.within = self.order_items()
            self.expect(")")
        if self.sees("OVER"):
            call.over = self._over()
        if self.sees("."):
            raise unsupported(f"a method call on {call.name[-1]}")
        return call

    def _over(self) -> n.Window:
        self.expect("OVER", "(")
        window = n.Window()
        if self.take("PARTITION"):
            self.expect("BY")
            window.partition = self.expressions()
        if self.take("ORDER"):
            self.expect("BY")
            window.order = self.order_items()
        if self.sees_any("ROWS", "RANGE"):
            first = self.at
            while not self.sees(")"):
                if self.kind() not in ("word", "number"):
                    self.fail()
                self.at += 1
            window.frame = " ".join(self.values[first : self.at])
        self.expect(")")
        return window

    def order_items(self) -> list[n.OrderItem]:
        """What follows ORDER BY."""
        found = []
        while True:
            expression = self.expression()
            descending = self.take_any("ASC", "DESC") == "DESC"
            found.append(n.OrderItem(expression, descending))
            if not self.take(","):
                return found


def number(text: str) -> n.Literal:
    """A numeric literal with the kind T-SQL gives it."""
    if text[0] in "$£€":
        return n.Literal("money", Decimal(text[1:].replace(",", "").strip() or "0"))
    if text.isdigit():
        value = int(text)
        return n.Literal("int", value) if value <= INT_MAX else n.Literal("decimal", Decimal(value))
    if "e" in text or "E" in text:
        return n.Literal("float", float(text))
    return n.Literal("decimal", Decimal(text))
