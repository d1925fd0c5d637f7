"""Which function runs which statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from runbook.sandbox.language.interpreter.ddl import indexes, objects, principals, sequences, tables, triggers
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
    s.CreateTable: tables.create,
    s.AlterTable: tables.alter,
    s.CreateIndex: indexes.create,
    s.AlterIndex: indexes.alter,
    s.DropIndex: indexes.drop,
    s.CreateModule: modules.create,
    s.Drop: objects.drop,
    s.CreateSchema: objects.create_schema,
    s.TransferSchema: objects.transfer,
    s.SequenceStatement: sequences.run,
    s.CreateType: objects.create_type,
    s.CreateSynonym: objects.create_synonym,
    s.CreateStatistics: objects.create_statistics,
    s.PrincipalStatement: principals.run,
    s.Permission: principals.permission,
    s.TriggerSwitch: triggers.switch_triggers,
    s.Authorization: principals.authorization,
    s.ScopedConfiguration: objects.scoped_configuration,
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
