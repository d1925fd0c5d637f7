"""``runbook recover``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runbook.cli.options import JSON, RUN, YES, confirm


@click.command()
@RUN
@JSON
@YES
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    default=Path("runbook.yaml"),
    metavar="FILE",
    help="The plan of the run: it says which servers to ask.",
)
@click.option(
    "--from",
    "sources",
    multiple=True,
    metavar="server|PATH",
    help="Look there only: the plan's source server, or a directory of copies. May be given more than once.",
)
@click.option("--accept-gap", is_flag=True, help="Go on although rows are known to be lost; compare by hand first.")
@click.pass_obj
def recover(
    home: Any, run: str | None, as_json: bool, yes: bool, plan_file: Path, sources: tuple[str, ...], accept_gap: bool
) -> None:
    """Rebuild a run whose journal is lost, from its second place.

    RUN defaults to the newest that is found there. Nothing is done on any server; go on with runbook resume.
    """
    from runbook.app import build_executor
    from runbook.cli import show
    from runbook.commands import recovering

    executor = build_executor(home)
    found = recovering.find(executor, plan_file, run, sources, accept_gap=accept_gap)
    if not as_json:
        for line in recovering.told(found):
            click.echo(line)
    confirm(yes, f"Rebuild run {found.run_id} in this journal? Its earlier executor must be gone for good.")
    recovering.rebuild(executor, found)
    if as_json:
        show.emit(found.to_json())
    elif found.view.ending:
        click.echo(f"rebuilt; it has ended: {found.view.ending.value}")
    else:
        click.echo(f"rebuilt; go on with: runbook resume {found.run_id} --plan {plan_file}")
