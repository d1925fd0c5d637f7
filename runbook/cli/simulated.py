"""``runbook sandbox``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runbook.cli.options import JSON, PLAN, YES, Group, confirm


@click.group(cls=Group)
def sandbox() -> None:
    """The simulated SQL Servers of a plan (sandbox:// addresses)."""


@sandbox.command("start")
@PLAN
@click.pass_obj
def sandbox_start(home: Any, plan: Path) -> None:
    """Start them; plans start them by themselves."""
    from runbook.commands import sandboxes

    for line in sandboxes.start(home, plan):
        click.echo(line)


@sandbox.command("stop")
@PLAN
@click.pass_obj
def sandbox_stop(home: Any, plan: Path) -> None:
    """Stop them; their data stays."""
    from runbook.commands import sandboxes

    for line in sandboxes.stop(home, plan):
        click.echo(line)


@sandbox.command("status")
@PLAN
@JSON
@click.pass_obj
def sandbox_status(home: Any, plan: Path, as_json: bool) -> None:
    """Show which run, where, and what faults are set."""
    from runbook.cli import show
    from runbook.commands import sandboxes

    found = sandboxes.status(home, plan)
    show.emit(found) if as_json else show.sandboxes(found)


@sandbox.command("reset")
@PLAN
@YES
@click.pass_obj
def sandbox_reset(home: Any, plan: Path, yes: bool) -> None:
    """Stop them and delete all their data and faults."""
    from runbook.commands import sandboxes
    from runbook.plan.load import load_plan

    load_plan(plan)
    confirm(yes, "Delete the data of this plan's sandbox servers?")
    for line in sandboxes.reset(home, plan):
        click.echo(line)


@sandbox.command("fault")
@click.argument("server")
@click.argument(
    "kind", type=click.Choice(["slow", "hang", "fail", "drop", "kill", "disk-full", "lie", "corrupt", "none"])
)
@click.option("--match", metavar="REGEX", default="", help="Only statements that match; default: all.")
@click.option("--seconds", type=float, help="How long a slow statement takes longer.")
@click.option("--times", type=int, help="How often it strikes; default: every time.")
@click.option(
    "--plan", type=click.Path(path_type=Path), default=Path("runbook.yaml"), help="The plan that names SERVER."
)
@click.pass_obj
def sandbox_fault(home: Any, /, server: str, kind: str, plan: Path, **options: Any) -> None:
    """Make SERVER (the plan's name for it) go wrong; KIND none takes all faults away."""
    from runbook.commands import sandboxes

    click.echo(sandboxes.fault(home, plan, server, kind, **options))
