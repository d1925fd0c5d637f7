"""Arguments, options and questions that several verbs share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from runbook.errors import UsageError

PLAN = click.argument("plan", type=click.Path(path_type=Path), default=Path("runbook.yaml"))
RUN = click.argument("run", required=False)
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output, see docs/json.md.")
YES = click.option("--yes", is_flag=True, help="Answer every confirmation with yes; never the one of a loss.")
PLAN_FILE = click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the plan is on this machine, when it is not where the run was opened.",
)
NO_GUARD = click.option(
    "--no-guard", is_flag=True, help="Start no guard: if this process is lost, nobody brings the system back."
)
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
            length = parse_duration(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a duration; write 90s, 10m, 4h or 1h30m", param, ctx)
        if not length:
            self.fail(f"{value!r} is no time at all; write 90s, 10m, 4h or 1h30m", param, ctx)
        return length


WINDOW = click.option(
    "--window", type=Span(), metavar="DURATION", help="How long the system may be away, e.g. 4h; default: the plan's."
)


READER_GONE = 141
"""128 + SIGPIPE, as a shell reports a program that wrote to a pipe nobody reads any more; no outcome has this code."""


@contextmanager
def _who_may_stop_reading() -> Iterator[None]:
    """End without a word when standard output is a pipe whose other end is closed, as with ``| head -1``."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is flushed at exit goes nowhere
        sys.exit(READER_GONE)


class Group(click.Group):
    """Lists the verbs in the order in which a night needs them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """In the order of definition."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without anything after its name a group prints its help; nothing was done, so the code is that of usage."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            sys.exit(UsageError.exit_code)
        return super().parse_args(ctx, args)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse, and print the help where that is asked for."""
        with _who_may_stop_reading():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Do it."""
        with _who_may_stop_reading():
            return super().invoke(ctx)


def confirm(yes: bool, question: str) -> None:
    """Ask before something that cannot be taken back; UsageError when the answer is no or nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("a confirmation is needed and there is no terminal to ask on", hint="Add --yes.")
    if not click.confirm(question):
        raise UsageError("not confirmed, nothing was done")
