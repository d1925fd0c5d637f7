"""``runbook audit``."""

from __future__ import annotations

import sys
from typing import Any

import click

from runbook.cli.options import JSON, RUN, Group


@click.group(cls=Group)
def audit() -> None:
    """The record: who did what, when, with what outcome."""


@audit.command("show")
@RUN
@JSON
@click.option("--statements/--no-statements", default=False, help="Include every statement and command.")
@click.pass_obj
def audit_show(home: Any, run: str | None, as_json: bool, statements: bool) -> None:
    """Print the record of a run."""
    from runbook.cli import show
    from runbook.commands import audit as read

    rows = read.show(home, run, statements=statements or as_json)
    show.emit(rows) if as_json else show.record(rows)


@audit.command("verify")
@RUN
@JSON
@click.option("--expect", default="", metavar="HASH", help="The last hash of RUN, as printed when it ended.")
@click.pass_obj
def audit_verify(home: Any, run: str | None, as_json: bool, expect: str) -> None:
    """Check that no row was changed, removed or added; of one run, or of all.

    A journal that was cut or rewritten whole, all hashes made to fit again, holds together too: only --expect, with a
    hash that was kept elsewhere, notices that. It is about one run: RUN, or the newest.
    """
    from runbook.cli import show
    from runbook.commands.audit import verify

    verdicts = verify(home, run, expect)
    show.emit([{**vars(one), "ok": one.ok} for one in verdicts]) if as_json else show.verdicts(verdicts)
    sys.exit(0 if all(one.ok for one in verdicts) else 20)


@audit.command("export")
@RUN
@click.pass_obj
def audit_export(home: Any, run: str | None) -> None:
    """Write the record of a run as JSON lines, hashes included."""
    from runbook.commands.audit import export

    for line in export(home, run):
        click.echo(line)
