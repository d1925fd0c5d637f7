"""INSERT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.bind.bound import Bound, Plan
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.queries import common_of
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.engine.connection import ConstraintFailed
from runbook.sandbox.language.interpreter.dml import output
from runbook.sandbox.language.interpreter.dml.change import Change, insert_rows
from runbook.sandbox.language.interpreter.dml.literals import LiteralRows, literal_rows
from runbook.sandbox.language.interpreter.dml.target import Target, resolve
from runbook.sandbox.language.interpreter.dml.triggers import fire
from runbook.sandbox.language.interpreter.dml.unique import violation
from runbook.sandbox.language.interpreter.dml.values import (
    automatic,
    check_writable,
    default_of,
    is_default,
    row_version_given,
    written,
)
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import numbers

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder
    from runbook.sandbox.language.interpreter.batches import Runner


@dataclass
class InsertPlan:
    """How an INSERT is carried out. ``selects``: texts that each give rows of the stored columns."""

    target: Target
    given: list[m.Column]
    selects: list[str] = field(default_factory=list)
    literals: LiteralRows | None = None
    explicit_identity: bool = False
    is_query: bool = False
    template: str = ""
    output: Any = None


def finish(runner: Runner, count: int, *, silent: bool = False) -> None:
    """Row count and DONE of a data statement."""
    session = runner.session
    session.state.settle(count)
    if not silent:
        runner.sink.done(None if session.options.nocount else count)


def databases(plan: InsertPlan, statement: s.Insert, runner: Runner) -> list[str]:
    return sorted({*plan.target.databases, *output.databases(runner.frame, statement.output)})


# --- binding -----------------------------------------------------------------------------------------------


def bind(runner: Runner, binder: FunctionBinder, plan: Plan, statement: s.Insert) -> InsertPlan:
    """Bind target, columns and source."""
    frame = runner.frame
    target = resolve(frame, statement.target, plan)
    given, explicit = given_columns(runner, target, statement)
    found = InsertPlan(target, given, explicit_identity=explicit)
    found.output = output.bind(frame, plan, target, statement.output, "INSERT")
    prefix = ""
    if statement.ctes:
        prefix = binder.leading(statement.ctes, statement.max_recursion)
    source = statement.source
    if source is None:
        found.selects = [_row(binder, found, [])]
    elif isinstance(source, n.Values):
        _bind_values(binder, found, source, has_columns=bool(statement.columns))
    else:
        assert isinstance(source, n.Query)
        _bind_query(binder, found, source, prefix, statement)
    return found


def given_columns(runner: Runner, target: Target, statement: s.Insert) -> tuple[list[m.Column], bool]:
    """Columns that the source gives, and whether the identity column is among them."""
    identity_on = runner.session.options.identity_insert == target.relation.key
    if statement.columns:
        seen: set[int] = set()
        found = [check_writable(target.table.column(c), c, target, seen) for c in statement.columns]
    else:
        found = [c for c in target.table.columns if not (c.computed or c.identity)]
        if identity_on and statement.source is not None:
            raise SqlError(
                8101,
                f"An explicit value for the identity column in table '{target.short_label}' can only be "
                "specified when a column list is used and IDENTITY_INSERT is ON.",
            )
    explicit = any(c.identity for c in found)
    if explicit and not identity_on and "INSERT" not in target.instead:
        raise SqlError(
            544,
            f"Cannot insert explicit value for identity column in table '{target.table.name}' when IDENTITY_INSERT "
            "is set to OFF.",
        )
    if identity_on and not explicit:
        raise SqlError(
            545,
            f"Explicit value must be specified for identity column in table '{target.table.name}' either when "
            "IDENTITY_INSERT is set to ON or when a replication user is inserting into a NOT FOR REPLICATION identity "
            "column.",
        )
    return found, explicit


def check_width(found: InsertPlan, width: int, statement_has_columns: bool, *, query: bool) -> None:
    """Errors 109, 110, 120, 121 and 213."""
    wanted = len(found.given)
    if width == wanted:
        return
    if not statement_has_columns:
        raise SqlError(213, "Column name or number of supplied values does not match table definition.")
    if query:
        number, text = (
            (120, "The select list for the INSERT statement contains fewer items than the insert list.")
            if (width < wanted)
            else (121, "The select list for the INSERT statement contains more items than the insert list.")
        )
        raise SqlError(number, f"{text} The number of SELECT values must match the number of INSERT columns.", 15)
    more = "more" if width < wanted else "fewer"
    raise SqlError(
        109 if width < wanted else 110,
        f"There are {more} columns in the INSERT statement than values specified in the VALUES clause. The "
        f"number of values in the "
        "VALUES clause must match the number of columns specified in the INSERT statement.",
        15,
    )


def check_row_versions(given: list[m.Column], defaults: list[bool]) -> None:
    """Error 273 when a rowversion gets something else than DEFAULT."""
    if any(c.type.name == "timestamp" and not default for c, default in zip(given, defaults, strict=True)):
        raise row_version_given()


def _row(binder: FunctionBinder, found: InsertPlan, values: list[Bound | None]) -> str:
    """A SELECT of one row; None in ``values`` means DEFAULT."""
    return "SELECT " + ", ".join(_outputs(binder, found, values))


def _outputs(binder: FunctionBinder, found: InsertPlan, values: list[Bound | None]) -> list[str]:
    target = found.target
    by_id = {c.id: v for c, v in zip(found.given, values, strict=bool(values))}
    texts = []
    for column in target.table.stored():
        value = by_id.get(column.id)
        own = automatic(column) if value is None else ""
        if own and not target.instead.get("INSERT"):
            texts.append(own)
        elif "INSERT" in target.instead and value is None and (column.identity or column.type.name == "timestamp"):
            texts.append("NULL")
        else:
            bound = value if value is not None else default_of(binder, column)
            if "INSERT" in target.instead and bound.is_null:
                texts.append("NULL")
            elif bound.is_null and not column.nullable:
                texts.append(_late_null(column, target))
            else:
                texts.append(written(bound, column, target, "INSERT"))
    return texts


def _late_null(column: m.Column, target: Target) -> str:
    """The error comes when the row is written: an INSERT of no rows succeeds."""
    return written(Bound("NULL", column.type), column, target, "INSERT")


def _bind_values(binder: FunctionBinder, found: InsertPlan, source: n.Values, *, has_columns: bool) -> None:
    for row in source.rows:
        check_width(found, len(row), has_columns, query=False)
        check_row_versions(found.given, [is_default(v) for v in row])
    if len(source.rows) > 1000:
        raise SqlError(
            10738,
            "The number of row value expressions in the INSERT statement exceeds the maximum allowed number of "
            "1000 row values.",
            15,
        )
    if len(source.rows) > 1:
        found.literals = literal_rows(binder, found.target, found.given, source)
        if found.literals is not None:
            found.template = _row(binder, found, [_slot(i, c) for i, c in enumerate(found.given)])
            return
    bound = []
    for row in source.rows:
        scope = Scope()
        bound.append([None if is_default(v) else binder.value(v, scope) for v in row])
    if len(bound) > 1:
        _unify(bound, found.given)
    found.selects = [_row(binder, found, list(values)) for values in bound]


def _unify(rows: list[list[Bound | None]], given: list[m.Column]) -> None:
    """The values of a column have one type over all rows."""
    for i, column in enumerate(given):
        values = [row[i] for row in rows]
        kind = common_of([v for v in values if v is not None] or [Bound("NULL", column.type)])
        for row, value in zip(rows, values, strict=True):
            if value is not None and not (value.is_null or value.type.name == kind.name):
                row[i] = convert(value, kind)


def _slot(position: int, column: m.Column) -> Bound:
    return Bound(f"?{position + 1}", column.type, nullable=False)


def _bind_query(binder: FunctionBinder, found: InsertPlan, source: n.Query, prefix: str, statement: s.Insert) -> None:
    query = binder.subquery(source, None)
    check_width(found, len(query.items), bool(statement.columns), query=True)
    check_row_versions(found.given, [False] * len(found.given))
    alias = binder.plan.alias()
    values: list[Bound | None] = [binder.output(alias, i, item.bound) for i, item in enumerate(query.items, 1)]
    for value, item in zip(values, query.items, strict=True):
        assert value is not None
        if item.bound.is_null:
            value.const = None
    texts = _outputs(binder, found, values)
    limit = ""
    if statement.top is not None:
        if statement.top.percent:
            raise unsupported("INSERT TOP ... PERCENT")
        limit = f" LIMIT {binder.count(statement.top.count, None, 'TOP')}"
    inner = query.render()
    hint = "MATERIALIZED " if source.order_by or query.is_heavy or _reads(inner, found.target) else ""
    lead = (prefix + ", " if prefix else "WITH ").replace(" , ", ", ")
    found.selects = [f"{lead}{alias} AS {hint}({inner}) SELECT {', '.join(texts)} FROM {alias}{limit}"]
    found.is_query = True


def _reads(text: str, target: Target) -> bool:
    """Whether the source reads the table that is written."""
    return bool(target.table.phys) and target.sql in text


# --- running -----------------------------------------------------------------------------------------------


def execute(runner: Runner, plan: InsertPlan, params: dict[str, Any]) -> int:
    """Insert the rows of a plan; inside ``transactions.writing``."""
    frame, target = runner.frame, plan.target
    change = Change(frame, target, runner)
    change.output = output.emitter(runner, plan.output)
    if "INSERT" in target.instead:
        return _instead(change, plan, params)
    return with_identity(runner, plan, lambda: insert_rows(change, lambda: _insert(runner, plan, params)))


def with_identity(runner: Runner, plan: InsertPlan, insert: Callable[[], int]) -> int:
    """Count the identity column while the rows go in."""
    session, target = runner.session, plan.target
    if target.table.rowversion() is not None:
        session.counters.use_row_version(target.prefix)
    if target.table.identity() is None or not target.prefix:
        if target.table.identity() is None:
            return insert()
        return _session_identity(runner, plan, insert)
    session.counters.begin_identity(target.prefix, target.table)
    return _counted(runner, plan, insert)


def _session_identity(runner: Runner, plan: InsertPlan, insert: Callable[[], int]) -> int:
    """Temporary tables count in a table of the session."""
    session = runner.session
    session.engine.execute("CREATE TABLE IF NOT EXISTS main.sys_identity(id INTEGER PRIMARY KEY, value INTEGER)")
    session.counters.begin_identity("main.", plan.target.table)
    return _counted(runner, plan, insert)


def _counted(runner: Runner, plan: InsertPlan, insert: Callable[[], int]) -> int:
    """The counter is settled when the rows are in, before triggers run, which may insert themselves."""
    session, frame = runner.session, runner.frame
    settled: list[int | None] = []

    def settle() -> None:
        settled.append(session.counters.end_identity(keep=True))
        if settled[0] is not None:
            session.state.identity = frame.scope_identity = settled[0]

    session.after_rows = settle
    try:
        count = insert()
    finally:
        if not settled:
            session.after_rows = None
            session.counters.end_identity(keep=False)
    del plan
    return count


def _insert(runner: Runner, plan: InsertPlan, params: dict[str, Any]) -> int:
    """The rows themselves; afterwards the identity counter is settled."""
    engine, target = runner.session.engine, plan.target
    names = ", ".join(c.phys for c in target.table.stored())
    head = f"INSERT INTO {target.sql}({names}) "
    last = int(engine.value(f"SELECT max(rowid) FROM {target.sql}") or 0) if plan.explicit_identity else 0
    count = 0
    if plan.literals is not None:
        count = plan.literals.insert(runner, head + plan.template, plan, params)
    else:
        for select in plan.selects:
            try:
                count += engine.change(head + select, params)
            except ConstraintFailed as error:
                raise _violation(runner, plan, select, params, error) from None
    if plan.explicit_identity:
        _note_identity(runner, plan, last)
    pending, runner.session.after_rows = runner.session.after_rows, None
    if pending is not None:
        pending()
    return count


def _violation(
    runner: Runner, plan: InsertPlan, select: str, params: dict[str, Any], error: ConstraintFailed
) -> SqlError:
    """Error 2627 or 2601; the rows are made once more, so that the message can show the key."""
    target = plan.target
    if "_nextval(" in select:
        return violation(runner.frame, target, error.message)
    names = [c.phys for c in target.table.stored()]
    again = select.replace("_ident()", "NULL").replace("_rowver()", "NULL")
    with runner.session.work.table(names) as work:
        runner.session.engine.execute(f"INSERT INTO {work}({', '.join(names)}) {again}", params)
        return violation(runner.frame, target, error.message, f"SELECT * FROM {work}")


def _note_identity(runner: Runner, plan: InsertPlan, last: int) -> None:
    """Values given with IDENTITY_INSERT ON move the counter."""
    target = plan.target
    column = target.table.identity()
    assert column is not None
    assert column.identity is not None
    extreme = "max" if column.identity[1] > 0 else "min"
    value = runner.session.engine.value(f"SELECT {extreme}({column.phys}) FROM {target.sql} WHERE rowid > {last}")
    if value is not None:
        runner.session.counters.note_identity(numbers.decode(value))


def _instead(change: Change, plan: InsertPlan, params: dict[str, Any]) -> int:
    """INSTEAD OF INSERT: the rows become the trigger's ``inserted``."""
    target, engine = plan.target, change.engine
    names = ", ".join(c.phys for c in target.table.stored())
    count = 0
    with change.image() as inserted:
        if plan.literals is not None:
            count = len(plan.literals.rows)
            engine.change_many(*plan.literals.positional(f"INSERT INTO {inserted}({names}) " + plan.template, params))
        for select in plan.selects:
            count += int(engine.change(f"INSERT INTO {inserted}({names}) " + select, params))
        engine.execute(f"UPDATE {inserted} SET rid = rowid")
        fire(change, "INSERT", "", inserted, plan.given)
    return count
