"""All verbs, their options and help. Heavy imports happen inside the verbs, so that ``--help`` answers at once."""

from __future__ import annotations

import gc
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import click

from runbook import __version__
from runbook.cli.guarding import guard
from runbook.cli.options import JSON, NO_GUARD, PLAN, PLAN_FILE, REASON, RUN, WINDOW, YES, Group, confirm
from runbook.cli.record import audit
from runbook.cli.recovering import recover
from runbook.cli.rehearsing import rehearse
from runbook.cli.simulated import sandbox
from runbook.errors import Fenced, FencedOut, RunbookError, UsageError, render

YOUNG = 50_000
"""Objects between two looks for garbage: a verb loads thousands of classes first, and all of them stay."""


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option(
    "--journal",
    metavar="URL",
    help="Where the journal is (SQLAlchemy URL); default: RUNBOOK_JOURNAL, else a file in RUNBOOK_HOME.",
)
@click.pass_context
def cli(ctx: click.Context, journal: str | None) -> None:
    """Take a SQL Server system through a database upgrade inside a promised window, and bring it back.

    PLAN defaults to runbook.yaml, RUN to the newest run. Exit codes: 0 upgraded and open; 10 reverted, the old setup
    proven and open; 20 held, needs a person; 30 refused, nothing was touched; 40 interrupted, resumable; 2 usage.
    """
    gc.set_threshold(YOUNG)
    from runbook.failpoints import arm_from_environment
    from runbook.home import Home
    from runbook.journal.term import term

    arm_from_environment()
    term()
    ctx.obj = Home.find(journal)


@cli.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("runbook.yaml"))
@click.option("--server", metavar="URL", help="Look at this server and fill in what it tells, e.g. mssql://sql01.")
@click.option("--user", metavar="LOGIN", help="SQL login for --server; without it Windows authentication.")
@click.option("--password", metavar="REF", help="Where the password is: env:NAME or file:PATH (beside the plan).")
@click.option("--trust-certificate", is_flag=True, help="Accept a certificate of --server that nobody vouches for.")
@click.option("--strategy", type=click.Choice(["side-by-side", "scripts"]), default="side-by-side", show_default=True)
@click.pass_obj
def init(home: Any, /, path: Path, **options: Any) -> None:
    """Write a commented plan, from a live server when given one."""
    from runbook.commands.starting import init as run

    run(home, path, **options)
    click.echo(f"wrote {path}; fill in what is marked, then: runbook check {path}")


@cli.command()
@PLAN
@WINDOW
@JSON
@click.pass_obj
def check(home: Any, plan: Path, window: timedelta | None, as_json: bool) -> None:
    """Go or no-go: look at everything, change nothing. Safe in business hours."""
    from runbook.adapters.clock import SystemClock
    from runbook.app import build_executor
    from runbook.cli import show
    from runbook.commands.checking import check as run
    from runbook.rehearsal.certificate import lacking

    report = run(build_executor(home), plan, window, lambda found: lacking(home, found, SystemClock().now()))
    show.emit(report.to_json()) if as_json else show.check(report)
    sys.exit(0 if report.go else 30)


@cli.command()
@PLAN
@WINDOW
@JSON
@click.option("--sql", is_flag=True, help="Print the T-SQL that changes something, step by step.")
@click.option("--offline", is_flag=True, help="Do not ask the servers for sizes.")
@click.pass_obj
def plan(home: Any, plan: Path, window: timedelta | None, as_json: bool, sql: bool, offline: bool) -> None:
    """Show the steps in order, budgets, the way back of each, the turn-back point."""
    from runbook.app import build_executor
    from runbook.cli import show
    from runbook.commands.planning import plan as run

    outline = run(build_executor(home), plan, window, offline=offline)
    if as_json:
        show.emit(outline.to_json())
    elif sql:
        show.statements(outline)
    else:
        show.outline(outline)


cli.add_command(rehearse)


@cli.command()
@PLAN
@WINDOW
@JSON
@YES
@NO_GUARD
@click.option(
    "--unrehearsed",
    metavar="REASON",
    help="Begin although the plan has no fresh rehearsal (runbook rehearse); the reason is recorded.",
)
@click.pass_obj
def execute(
    home: Any,
    plan: Path,
    window: timedelta | None,
    as_json: bool,
    yes: bool,
    no_guard: bool,
    unrehearsed: str | None,
) -> None:
    """The night itself: upgrade inside the window, or bring the old setup back."""
    from runbook.adapters.clock import SystemClock
    from runbook.cli.night import drive
    from runbook.commands import runs
    from runbook.plan.load import load_plan
    from runbook.plan.models import Plan
    from runbook.rehearsal.certificate import finding

    def rehearsed(found: Plan) -> str:
        return finding(home, found, unrehearsed, SystemClock().now())

    rehearsed(load_plan(plan))  # nobody should have to answer for a plan that cannot begin
    confirm(yes, f"Begin the upgrade of {plan} now?")
    drive(home, lambda executor: runs.execute(executor, plan, window, rehearsed), as_json=as_json, no_guard=no_guard)


@cli.command()
@RUN
@JSON
@click.option("--watch", is_flag=True, help="Keep showing it until the run ends.")
@click.pass_obj
def status(home: Any, run: str | None, as_json: bool, watch: bool) -> None:
    """Where a run stands, time left, turn-back point; from any terminal."""
    from runbook.adapters.clock import SystemClock
    from runbook.commands.status import status as read

    if watch:
        from runbook.cli.night import watch as follow

        follow(home, run)
        return
    found = read(home, run, SystemClock().now())
    from runbook.cli import show

    show.emit(found.to_json()) if as_json else show.status(found, SystemClock().now())


@cli.command()
@RUN
@PLAN_FILE
@JSON
@NO_GUARD
@click.pass_obj
def resume(home: Any, run: str | None, plan_file: Path | None, as_json: bool, no_guard: bool) -> None:
    """Go on with a run that was interrupted or held."""
    from runbook.cli.night import drive
    from runbook.commands import runs

    drive(home, lambda executor: runs.resume(executor, run, plan_file), as_json=as_json, no_guard=no_guard)


@cli.command()
@RUN
@PLAN_FILE
@JSON
@YES
@REASON
@click.option(
    "--accept-loss",
    type=click.IntRange(0),
    metavar="N",
    help="After the pivot: give up the N rows that are counted; any other number is refused.",
)
@click.option(
    "--more",
    type=click.IntRange(0),
    default=0,
    metavar="M",
    help="After the pivot: M rows more than N may come until users are kept out; default: none.",
)
@NO_GUARD
@click.pass_obj
def revert(
    home: Any,
    run: str | None,
    plan_file: Path | None,
    as_json: bool,
    yes: bool,
    reason: str,
    accept_loss: int | None,
    more: int,
    no_guard: bool,
) -> None:
    """Turn back: put everything back as it was before.

    After the pivot this loses what users wrote since. It is counted table by table and shown; a terminal asks for the
    number of rows, a script gives it with --accept-loss. Users are kept out, it is counted once more, and when it is
    more than was accepted the new setup goes on. What is lost is kept in a backup.
    """
    from runbook.app import build_executor
    from runbook.cli.losing import accepted
    from runbook.cli.night import drive
    from runbook.commands import runs
    from runbook.commands.status import which

    meant = which(home, run)
    weighed = runs.weigh(build_executor(home), meant, plan_file)
    if weighed is None:
        confirm(yes, f"Turn back run {meant} and put the old setup back in service?")
    else:
        weighed = accepted(weighed, accept_loss, more, yes=yes, as_json=as_json)
    drive(
        home,
        lambda executor: runs.revert(executor, meant, reason, plan_file, weighed),
        as_json=as_json,
        no_guard=no_guard,
    )


@cli.command()
@RUN
@REASON
@click.pass_obj
def hold(home: Any, run: str | None, reason: str) -> None:
    """Stop at the next safe point and wait; the turn-back point still applies."""
    from runbook.app import build_executor
    from runbook.commands.runs import hold as ask

    found = ask(build_executor(home), run, reason)
    click.echo(
        f"asked run {found.view.run_id} to hold; it turns back by itself at {found.view.turn_back_at:%H:%M:%S} UTC"
    )
    click.echo("let it go on with: runbook resume")


@cli.command()
@click.argument("setup", type=click.Choice(["old", "new"]))
@RUN
@JSON
@YES
@REASON
@click.pass_obj
def declare(home: Any, setup: str, run: str | None, as_json: bool, yes: bool, reason: str) -> None:
    """Say that a run has ended because you put it right yourself.

    SETUP is the one in service. For a run that can neither be resumed nor reverted: gate, jobs and databases stay as
    they are, only the run's own marker is given back, and the record says who declared it and why.
    """
    from runbook.app import build_executor
    from runbook.cli import show
    from runbook.commands.runs import declare as end
    from runbook.commands.status import which

    meant = which(home, run)
    confirm(yes, f"End run {meant} as it is? Nothing is put back; you say that the {setup} setup is in service.")
    found = end(build_executor(home), meant, setup, reason)
    show.emit(found.to_json()) if as_json else show.declared(found)


@cli.command()
@JSON
@click.pass_obj
def runs(home: Any, as_json: bool) -> None:
    """List all runs, oldest first."""
    from runbook.adapters.clock import SystemClock
    from runbook.cli import show
    from runbook.commands.status import runs as read

    found = read(home, SystemClock().now())
    show.emit([{k: v for k, v in one.to_json().items() if k != "steps"} for one in found]) if as_json else show.runs(
        found
    )


cli.add_command(guard)
cli.add_command(recover)
cli.add_command(audit)
cli.add_command(sandbox)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of a plan, for editors."""
    from runbook.cli import show
    from runbook.plan.schema import plan_json_schema

    show.emit(plan_json_schema())


def main() -> NoReturn:
    """Entry point of the console script."""
    try:
        cli.main(prog_name="runbook", standalone_mode=False)
        sys.exit(0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        message = error.format_message().rstrip(".")
        _fail(UsageError(message[:1].lower() + message[1:], hint=_help_for(error)))
    except click.Abort:
        _fail(UsageError("stopped, nothing was touched", hint="runbook status shows whether a run is open."))
    except RunbookError as error:
        _fail(error)
    except Fenced as error:
        _fail(FencedOut(str(error), hint="Leave it to the other one; runbook status shows who it is."))


def _help_for(error: click.ClickException) -> str:
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    group = ctx is None or isinstance(ctx.command, click.Group)
    return f"{ctx.command_path if ctx else 'runbook'} --help lists {'commands' if group else 'arguments'} and options."


def _fail(error: RunbookError) -> NoReturn:
    for line in render(error):
        click.echo(line, err=True)
    sys.exit(error.exit_code)
