"""The table a data statement changes, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language.bind.bound import Plan
from runbook.sandbox.language.bind.environment import CteRelation, Rows, StoredTable, View
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.functions.binder import FunctionBinder
from runbook.sandbox.language.interpreter.environment import SessionEnvironment
from runbook.sandbox.language.parser.base import unsupported

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.frame import Frame


@dataclass
class Target:
    """A table or view to change. ``relation`` is the stored table; ``view``: one with INSTEAD OF triggers."""

    relation: StoredTable
    triggers: dict[str, list[m.Module]] = field(default_factory=dict)
    instead: dict[str, m.Module] = field(default_factory=dict)
    view: View | None = None
    parents: list[tuple[m.ForeignKey, m.Table]] = field(default_factory=list)
    children: list[tuple[m.Table, m.ForeignKey]] = field(default_factory=list)

    @property
    def table(self) -> m.Table:
        """The table's model."""
        return self.relation.table

    @property
    def sql(self) -> str:
        """SQLite's name of the table."""
        return self.relation.sql

    @property
    def prefix(self) -> str:
        """Prefix of SQLite names, with a dot, or empty."""
        return self.relation.prefix

    @property
    def databases(self) -> list[str]:
        """Databases that are written."""
        return [self.relation.database] if self.relation.database else []

    @property
    def label(self) -> str:
        """``db.schema.table`` for messages."""
        relation = self.relation
        if relation.database:
            return f"{relation.database}.{relation.schema}.{relation.table.name}"
        return f"tempdb.dbo.{relation.name}" if relation.name.startswith("#") else relation.name

    @property
    def short_label(self) -> str:
        """``schema.table``."""
        return f"{self.relation.schema}.{self.table.name}" if self.relation.database else self.relation.name

    @property
    def rid(self) -> str:
        """A name of SQLite's row id; physical column names never hide it."""
        return "rowid"

    def fires(self, event: str) -> bool:
        """Whether a trigger runs for an event."""
        return event in self.instead or bool(self.triggers.get(event))


def resolve(frame: Frame, node: n.TableRef | n.VariableTable, plan: Plan) -> Target:
    """The target a statement names."""
    environment = SessionEnvironment(frame)
    if isinstance(node, n.VariableTable):
        found = environment.table_variable(node.name)
        if found.read_only:
            raise SqlError(10700, f'The table-valued parameter "{node.name}" is READONLY and cannot be modified.')
        return Target(found)
    if len(node.parts) == 1 and node.parts[0].casefold() in frame.pseudo:
        raise SqlError(286, "The logical tables INSERTED and DELETED cannot be updated.")
    relation = environment.relation(node.parts, plan)
    return of_relation(frame, relation)


def of_relation(frame: Frame, relation: object) -> Target:
    """The target behind a relation."""
    if isinstance(relation, StoredTable):
        return _with_catalog(frame, Target(relation))
    if isinstance(relation, View):
        return _view(relation)
    if isinstance(relation, CteRelation):
        raise unsupported("changing data through a common table expression")
    if isinstance(relation, Rows):
        raise SqlError(259, "Ad hoc updates to system catalogs are not allowed.")
    raise unsupported("this target of a data statement")


def _with_catalog(frame: Frame, target: Target) -> Target:
    catalog = target.relation.catalog
    if catalog is None:
        return target
    for trigger in catalog.triggers(target.table.id):
        if trigger.disabled or _is_recursive(frame, trigger):
            continue
        for event in trigger.events:
            if trigger.instead_of:
                target.instead[event] = trigger
            else:
                target.triggers.setdefault(event, []).append(trigger)
    target.parents = [(k, catalog.table(k.table)) for k in target.table.foreign_keys if not k.disabled]
    target.children = [(t, k) for t, k in catalog.referencing(target.table.id) if not k.disabled]
    return target


def _is_recursive(frame: Frame, trigger: m.Module) -> bool:
    """Direct recursion is off (RECURSIVE_TRIGGERS OFF), and an INSTEAD OF trigger does not fire itself."""
    return bool(frame.session.fired) and frame.session.fired[-1] == trigger.id


def _view(relation: View) -> Target:
    """A view with INSTEAD OF triggers: the rows go to those."""
    instead = {
        event: trigger
        for trigger in relation.catalog.triggers(relation.module.id)
        if trigger.instead_of and not trigger.disabled
        for event in trigger.events
    }
    if not instead:
        raise unsupported("changing data through a view without an INSTEAD OF trigger")
    stored = StoredTable(
        relation.module.name, _view_table(relation), "", relation.database, relation.catalog, relation.schema
    )
    return Target(stored, instead=instead, view=relation)


def _view_table(relation: View) -> m.Table:
    columns = []
    for i, (name, kind, nullable) in enumerate(relation.module.columns, 1):
        columns.append(m.Column(i, name, SqlType(**kind), bool(nullable), f"c{i}"))
    return m.Table(relation.module.id, relation.module.schema, relation.module.name, "", columns)


def target_in_from(binder: FunctionBinder, node: n.TableRef | n.VariableTable, source: n.Node) -> str | None:
    """The alias or name under which FROM has the target, None when it has not."""
    del binder
    if isinstance(node, n.VariableTable):
        return next(
            (x.alias or x.name for x in _refs(source) if isinstance(x, n.VariableTable) and x.name == node.name), None
        )
    wanted = node.parts[-1].casefold()
    refs = list(_refs(source))
    if len(node.parts) == 1:
        for ref in refs:
            if ref.alias and ref.alias.casefold() == wanted:
                return str(ref.alias)
    same = [r for r in refs if isinstance(r, n.TableRef) and r.parts[-1].casefold() == wanted]
    if len(same) > 1:
        plain = [r for r in same if not r.alias]
        if len(plain) != 1:
            raise SqlError(8154, f"The table '{node.parts[-1]}' is ambiguous.", 15)
        same = plain
    return (same[0].alias or same[0].parts[-1]) if same else None


def _refs(node: n.Node) -> list[n.TableRef | n.VariableTable | n.Derived]:
    if isinstance(node, n.Join):
        return [*_refs(node.left), *_refs(node.right)]
    return [node] if isinstance(node, (n.TableRef, n.VariableTable, n.Derived)) else []
