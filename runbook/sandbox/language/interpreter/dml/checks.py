"""CHECK and FOREIGN KEY at the end of a statement, with the actions of foreign keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language.bind.bound import Plan
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.bind.scope import Scope, Source
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.interpreter.dml.target import Target
from runbook.sandbox.language.interpreter.plans import binder_for, parameters
from runbook.sandbox.language.parser.fragments import parse_expression

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.frame import Frame


def check_rows(frame: Frame, target: Target, verb: str, rows: str, columns: set[int] | None = None) -> None:
    """Rows of the table that ``rows`` selects (a condition over its alias x) must satisfy CHECKs and foreign keys."""
    _check_constraints(frame, target, verb, rows, columns)
    for key, parent in target.parents:
        if columns is None or columns & set(key.columns):
            _check_parent(frame, target, verb, rows, key, parent)


def needs_checks(target: Target, columns: set[int] | None = None) -> bool:
    """Whether a statement that writes these columns has anything to check."""
    if any(not c.disabled for c in target.table.checks):
        return True
    return any(columns is None or columns & set(k.columns) for k, _ in target.parents)


def _check_constraints(frame: Frame, target: Target, verb: str, rows: str, _columns: set[int] | None) -> None:
    checks = [c for c in target.table.checks if not c.disabled]
    if not checks:
        return
    plan = Plan()
    binder = binder_for(frame, plan)
    columns = binder.table_columns(StoredTable(target.table.name, target.table, target.prefix), "x")
    scope = Scope(sources=[Source(target.table.name, columns, (), "x")])
    tests = [binder.condition(parse_expression(c.text), scope).sql for c in checks]
    either = " OR ".join(f"NOT {test}" for test in tests)
    which = " ".join(f"WHEN NOT {test} THEN {i}" for i, test in enumerate(tests))
    bad = frame.session.engine.value(
        f"SELECT CASE {which} END FROM {target.sql} AS x WHERE {rows} AND ({either}) LIMIT 1", parameters(plan, frame)
    )
    if bad is not None:
        check = checks[bad]
        column = target.table.by_id(check.column).name if check.column else ""
        raise conflict(verb, "CHECK", check.name, target, target.short_label, column)


def conflict(verb: str, kind: str, name: str, target: Target, table: str, column: str) -> SqlError:
    """Error 547."""
    where = f", column '{column}'" if column else ""
    return SqlError(
        547,
        f'The {verb} statement conflicted with the {kind} constraint "{name}". The conflict occurred in database '
        f'"{target.relation.database or "tempdb"}", table "{table}"{where}.',
        16,
        0,
    )


def _equal(left: str, right: str, column: m.Column) -> str:
    del column
    return f"{left} = {right}"


def _check_parent(frame: Frame, target: Target, verb: str, rows: str, key: m.ForeignKey, parent: m.Table) -> None:
    child = target.table
    pairs = [(child.by_id(a), parent.by_id(b)) for a, b in zip(key.columns, key.table_columns, strict=True)]
    present = " AND ".join(f"x.{a.phys} IS NOT NULL" for a, _ in pairs)
    match = " AND ".join(_equal(f"p.{b.phys}", f"x.{a.phys}", b) for a, b in pairs)
    bad = frame.session.engine.value(
        f"SELECT 1 FROM {target.sql} AS x WHERE {rows} AND {present} AND NOT EXISTS"
        f"(SELECT 1 FROM {target.prefix}{parent.phys} AS p WHERE {match}) LIMIT 1"
    )
    if bad is None:
        return
    kind = "FOREIGN KEY SAME TABLE" if parent.id == child.id else "FOREIGN KEY"
    catalog = target.relation.catalog
    assert catalog is not None
    column = pairs[0][1].name if len(pairs) == 1 else ""
    raise conflict(verb, kind, key.name, target, catalog.full_name(parent), column)


# --- the side of the parent --------------------------------------------------------------------------------


def lost_keys(target: Target, key: m.ForeignKey, image: str) -> str:
    """Condition over ``d`` (old rows) that its key is gone from the table now."""
    columns = [target.table.by_id(c) for c in key.table_columns]
    match = " AND ".join(_equal(f"p.{c.phys}", f"d.{c.phys}", c) for c in columns)
    del image
    return f"NOT EXISTS(SELECT 1 FROM {target.sql} AS p WHERE {match})"


def children_of(target: Target, child: m.Table, key: m.ForeignKey, image: str) -> str:
    """Condition over ``x`` (child rows) that they point to a key of ``image`` that is gone."""
    pairs = zip(key.columns, key.table_columns, strict=True)
    match = " AND ".join(
        _equal(f"x.{child.by_id(a).phys}", f"d.{target.table.by_id(b).phys}", child.by_id(a)) for a, b in pairs
    )
    return f"EXISTS(SELECT 1 FROM {image} AS d WHERE {match} AND {lost_keys(target, key, image)})"


def refuse(frame: Frame, target: Target, verb: str, child: m.Table, key: m.ForeignKey, test: str) -> None:
    bad = frame.session.engine.value(f"SELECT 1 FROM {target.prefix}{child.phys} AS x WHERE {test} LIMIT 1")
    if bad is None:
        return
    catalog = target.relation.catalog
    assert catalog is not None
    kind = "SAME TABLE REFERENCE" if child.id == target.table.id else "REFERENCE"
    column = child.by_id(key.columns[0]).name if len(key.columns) == 1 else ""
    raise conflict(verb, kind, key.name, target, catalog.full_name(child), column)
