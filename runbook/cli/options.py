"""Arguments, options and questions that several verbs share."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from runbook.errors import UsageError

PLAN = click.argument("plan", type=click.Path(path_type=Path), default=Path("runbook.yaml"))
RUN = click.argument("run", required=False)
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output, see docs/json.md.")
YES = click.option("--yes", is_flag=True, help="Answer every confirmation with yes.")
REASON = click.option("--reason", default="", metavar="TEXT", help="Why; it is recorded.")


class Span(click.ParamType[timedelta]):
    """A duration as plans write them."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """``90s``, ``10m``, ``4h``, ``1h30m``."""
        from runbook.plan.durations import parse_duration

        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(f"{value!r} is not a duration ({error}); write 90s, 10m, 4h or 1h30m", param, ctx)


WINDOW = click.option(
    "--window", type=Span(), metavar="DURATION", help="How long the system may be away, e.g. 4h; default: the plan's."
)


class Group(click.Group):
    """Lists the verbs in the order in which a night needs them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """In the order of definition."""
        return list(self.commands)


def confirm(yes: bool, question: str) -> None:
    """Ask before something that cannot be taken back; UsageError when the answer is no or nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("a confirmation is needed and there is no terminal to ask on", hint="Add --yes.")
    if not click.confirm(question):
        raise UsageError("not confirmed, nothing was done")
