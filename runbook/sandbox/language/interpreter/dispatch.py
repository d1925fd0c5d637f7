"""Which function runs which statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.interpreter import (
    control,
    cursors,
    flow,
    into,
    metadata,
    modules,
    options,
    procedures,
    sysobjects,
)
from runbook.sandbox.language.interpreter.batches import HANDLERS, QUIET
from runbook.sandbox.language.interpreter.ddl import alter, indexes, objects, principals, sequences, tables, triggers
from runbook.sandbox.language.interpreter.dml import delete, insertion, merge, truncate, update

_FOUND: dict[type[s.Statement], Callable[[Any, Any], None]] = {
    s.Declare: flow.declare,
    s.SetVariable: flow.set_variable,
    s.SetOption: options.set_option,
    s.Block: flow.block,
    s.If: flow.if_,
    s.While: flow.while_,
    s.TryCatch: flow.try_catch,
    s.Simple: flow.simple,
    s.Label: flow.label,
    s.Goto: flow.goto,
    s.Return: flow.return_,
    s.Print: flow.print_,
    s.RaiseError: flow.raiserror,
    s.Throw: flow.throw,
    s.WaitFor: flow.waitfor,
    s.Use: flow.use,
    s.Nothing: flow.nothing,
    s.Transaction: control.transaction,
    s.Admin: control.admin,
    s.Execute: procedures.execute,
    s.DeclareCursor: cursors.declare,
    s.SetCursor: cursors.set_cursor,
    s.CursorAction: cursors.action,
    s.Fetch: cursors.fetch,
    s.SelectStatement: into.run_select,
    s.Insert: insertion.run,
    s.Update: update.run,
    s.Delete: delete.run,
    s.Merge: merge.run,
    s.Truncate: truncate.run,
    d.CreateTable: tables.create,
    d.AlterTable: alter.alter,
    d.CreateIndex: indexes.create,
    d.AlterIndex: indexes.alter,
    d.DropIndex: indexes.drop,
    d.CreateModule: modules.create,
    d.Drop: objects.drop,
    d.CreateSchema: objects.create_schema,
    d.TransferSchema: objects.transfer,
    d.SequenceStatement: sequences.run,
    d.CreateType: objects.create_type,
    d.CreateSynonym: objects.create_synonym,
    d.CreateStatistics: objects.create_statistics,
    d.PrincipalStatement: principals.run,
    d.Permission: principals.permission,
    d.TriggerSwitch: triggers.switch_triggers,
    d.Authorization: principals.authorization,
    d.ScopedConfiguration: objects.scoped_configuration,
}

HANDLERS.update(_FOUND)
QUIET.update(
    {
        s.Declare,
        s.SetVariable,
        s.Block,
        s.If,
        s.While,
        s.TryCatch,
        s.Simple,
        s.Label,
        s.Goto,
        s.Return,
        s.Print,
        s.Throw,
        s.RaiseError,
        s.Nothing,
    }
)
PROCEDURES = (metadata, sysobjects)
"""Modules that register system procedures when they are imported."""
