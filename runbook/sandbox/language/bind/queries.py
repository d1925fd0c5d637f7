"""Bound queries: their outputs may be converted before they become SQLite text."""

from __future__ import annotations

from dataclasses import dataclass, field

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind import predicates
from runbook.sandbox.language.bind.bound import Bound
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.parser.base import unsupported


@dataclass
class Item:
    """An output column."""

    name: str
    bound: Bound


@dataclass
class BoundQuery:
    """A query whose outputs may still be converted before it is rendered."""

    items: list[Item]
    at_most_one: bool = False

    def render(self) -> str:
        """SQLite text; the outputs are called c1, c2, ..."""
        raise NotImplementedError

    def convert_items(self, kinds: list[SqlType]) -> None:
        """Give the outputs these types."""
        for item, kind in zip(self.items, kinds, strict=True):
            item.bound = convert(item.bound, kind)

    def expect_one_column(self) -> None:
        """Error 116 for a subquery with several columns."""
        if len(self.items) != 1:
            raise SqlError(
                116,
                "Only one expression can be specified in the select list when the subquery is not introduced "
                "with EXISTS.",
            )

    @property
    def is_heavy(self) -> bool:
        """Whether an output is dear to compute or changes when computed again."""
        return any(item.bound.is_heavy for item in self.items)


@dataclass
class SelectQuery(BoundQuery):
    """One SELECT block."""

    distinct: bool = False
    source: str = ""
    where: str = ""
    group_by: list[str] = field(default_factory=list)
    having: str = ""
    order_by: list[str] = field(default_factory=list)
    limit: str = ""
    offset: str = ""
    percent: str = ""
    ties: str = ""
    prefix: str = ""
    check: str = ""

    def render(self) -> str:
        """SQLite text."""
        outputs = [f"{item.bound.sql}{self._suffix(item.bound)} AS c{i}" for i, item in enumerate(self.items, 1)]
        order = ", ".join(self.order_by)
        if self.percent or self.ties:
            return self._limited(outputs, order)
        text = self._core(outputs)
        if order:
            text += f" ORDER BY {order}"
        if self.limit or self.offset:
            text += f" LIMIT {self.limit or '-1'}"
        if self.offset:
            text += f" OFFSET {self.offset}"
        return text

    def _suffix(self, bound: Bound) -> str:
        return predicates.group_suffix(bound) if self.distinct and not bound.is_column else ""

    def _core(self, outputs: list[str]) -> str:
        text = f"{self.prefix}SELECT {'DISTINCT ' if self.distinct else ''}{', '.join(outputs)}"
        if self.source:
            text += f" FROM {self.source}"
        conditions = [c for c in (self.where, self.check) if c]
        if conditions:
            text += " WHERE " + " AND ".join(conditions)
        if self.group_by:
            text += " GROUP BY " + ", ".join(self.group_by)
        if self.having:
            text += f" HAVING {self.having}"
        return text

    def _limited(self, outputs: list[str], order: str) -> str:
        """TOP ... PERCENT and WITH TIES by window functions."""
        if self.distinct or self.group_by:
            raise unsupported("TOP ... PERCENT or WITH TIES together with DISTINCT or GROUP BY")
        over = f"OVER (ORDER BY {order})" if order else "OVER ()"
        number = f"rank() {over}" if self.ties else f"row_number() {over}"
        inner = self._core([*outputs, f"{number} AS n1", "count(*) OVER () AS n2", f"row_number() {over} AS n3"])
        limit = f"_d({specs.number(_percentage)},n2,{self.percent})" if self.percent else self.limit
        names = ", ".join(f"c{i}" for i in range(1, len(self.items) + 1))
        return f"SELECT {names} FROM ({inner}) WHERE n1 <= {limit} ORDER BY n3"


def _percentage(count: int, percent: float) -> int:
    if not 0 <= percent <= 100:
        raise SqlError(1031, "Percent values must be between 0 and 100.")
    return -int(-count * percent // 100)


@dataclass
class SetQuery(BoundQuery):
    """UNION and the like."""

    op: str = ""
    left: BoundQuery | None = None
    right: BoundQuery | None = None
    prefix: str = ""
    order_by: list[str] = field(default_factory=list)
    limit: str = ""
    offset: str = ""

    def render(self) -> str:
        """SQLite text; each side is a subquery, so that its own paging stays its own."""
        assert self.left is not None
        assert self.right is not None
        suffixed = self.op != "UNION ALL"
        text = f" {self.op} ".join(_side(side, suffixed=suffixed) for side in (self.left, self.right))
        if not (self.order_by or self.limit or self.prefix or self.offset):
            return text
        names = ", ".join(f"c{i}" for i in range(1, len(self.items) + 1))
        text = f"{self.prefix}SELECT {names} FROM ({text}) AS u"
        if self.order_by:
            text += f" ORDER BY {', '.join(self.order_by)}"
        if self.limit or self.offset:
            text += f" LIMIT {self.limit or '-1'}"
        return text + (f" OFFSET {self.offset}" if self.offset else "")

    def convert_items(self, kinds: list[SqlType]) -> None:
        """Both sides get the types."""
        for side in (self.left, self.right):
            assert side is not None
            side.convert_items(kinds)
        for item, kind in zip(self.items, kinds, strict=True):
            item.bound = item.bound.typed(kind)


def _side(query: BoundQuery, *, suffixed: bool) -> str:
    outputs = [
        f"c{i}{predicates.group_suffix(item.bound) if suffixed else ''} AS c{i}"
        for i, item in enumerate(query.items, 1)
    ]
    return f"SELECT {', '.join(outputs)} FROM ({query.render()})"


def common_of(values: list[Bound]) -> SqlType:
    """The common type of several values; int when all are NULL."""
    kinds = [v.type for v in values if not v.is_bare_null]
    if not kinds:
        return t.INT
    kind = kinds[0]
    for other in kinds[1:]:
        kind = t.common_type(kind, other)
    return kind
