"""Showing what a way back past the pivot loses, and having a person confirm it."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from runbook.cli.show import emit
from runbook.commands.losing import Weighed
from runbook.errors import Refused, UsageError
from runbook.toolkit.loss import Loss, TableLoss


def accepted(weighed: Weighed, given: int | None, more: int, *, yes: bool, as_json: bool) -> Weighed:
    """The same, once a person has confirmed this very number, or one that is less by no more than the rows that may
    come; Refused or UsageError otherwise, nothing is touched."""
    total = weighed.loss.total
    if given is not None and given <= total <= given + more:
        if not as_json:
            show(weighed)
        return replace(weighed, more=more - (total - given))
    emit(weighed.to_json()) if as_json else show(weighed)
    if given is not None:
        raise Refused(f"going back would lose {_rows(total)}, not {given}", hint=_option(weighed, more))
    if yes or as_json or not sys.stdin.isatty():
        why = "--yes does not confirm a loss" if yes else "the loss must be confirmed"
        raise Refused(f"going back would lose {_rows(total)}: {why}", hint=_option(weighed, more))
    what = "Type the number of rows to give them up (or the id of the run); anything else stops"
    answer = click.prompt(what, "", show_default=False)
    if str(answer).strip() not in (str(total), weighed.view.run_id):
        raise UsageError("not confirmed, nothing was done")
    return replace(weighed, more=more)


def _option(weighed: Weighed, more: int) -> str:
    also = f" --more {more}" if more else ""
    return (
        f"Read what would be lost, then: runbook revert {weighed.view.run_id} --accept-loss {weighed.loss.total}{also}"
    )


def show(weighed: Weighed) -> None:
    """The loss, a line a table; what did not change is not mentioned."""
    view = weighed.view
    click.echo(
        f"run {view.run_id} let users in at {view.pivot_at:%Y-%m-%d %H:%M:%S} UTC; "
        f"going back gives up what was written on {weighed.loss.server} since then:"
    )
    for line in lines(weighed.loss):
        click.echo(f"  {line}")


def lines(loss: Loss) -> list[str]:
    """``Contacts.dbo.Contact   3 rows added``, and the total."""
    width = max((len(f"{one.database}.{one.table}") for one in loss.tables), default=0)
    found = [f"{f'{one.database}.{one.table}':<{width}}  {_said(one)}" for one in loss.tables]
    total = (
        f"{_rows(loss.total)} in {len(loss.tables)} table{'s' * (len(loss.tables) != 1)}"
        if loss.tables
        else "0 rows: no table was written to"
    )
    return [*found, *loss.others, f"total: {total}"]


def _said(one: TableLoss) -> str:
    if one.uncounted:
        return f"{one.uncounted} (counts as one row)"
    if one.changed:
        return "changed: as many rows as then, with other content (counts as one row)"
    return f"{_rows(one.added)} added" if one.added else f"{_rows(one.removed)} removed"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
