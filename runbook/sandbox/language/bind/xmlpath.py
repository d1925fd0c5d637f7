"""``FOR XML PATH('')``: the old way to put strings of several rows together."""

from __future__ import annotations

from xml.sax.saxutils import escape

from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.bind.conversion import cast
from runbook.sandbox.language.bind.queries import BoundQuery, Item, SelectQuery
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.parser.base import unsupported


def _escape(text: str) -> str:
    return escape(text).replace("\r", "&#x0D;")


def xml_path(plan: Plan, bound: BoundQuery, clause: n.ForXml) -> BoundQuery:
    """One row with the text of all rows; only a single unnamed column without element or root."""
    if clause.element or clause.root or len(bound.items) != 1 or bound.items[0].name:
        raise unsupported("FOR XML other than PATH('') over one unnamed column")
    alias = plan.alias()
    inner = Bound(f"{alias}.c1", bound.items[0].bound.type)
    text = cast(inner, t.NVARCHAR_MAX)
    sql = f"group_concat(_c({specs.number(_escape)},{text.sql}),'')"
    kind = t.XML if clause.typed else t.NVARCHAR_MAX
    item = Item("XML_F52E2B61-18A1-11d1-B105-00805F49916B", Bound(sql, kind))
    return SelectQuery([item], source=f"({bound.render()}) AS {alias}", at_most_one=True)
