"""``runbook rehearse``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import click

from runbook.cli.options import JSON, PLAN
from runbook.errors import Interrupted, Refused, RunbookError, UsageError, render

FAMILIES = ("fail", "hang", "kill", "data")
SUMMARY = "GITHUB_STEP_SUMMARY"
INTERRUPTED = "interrupted: nothing of it is left"


@click.command()
@PLAN
@JSON
@click.option("--on", type=click.Choice(["sandbox", "container"]), default="sandbox", show_default=True,
              help="Where throwaway servers come from.")  # fmt: skip
@click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Only scenarios of that name, e.g. back, fail:close-gate, 'kill:*'.",
)
@click.option("--faults", metavar="LIST", default=",".join(FAMILIES), show_default=True,
              help="Which sorts of faults, by commas; none for none.")  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(0), default=0, help="Nights at work at a time; default: one more than cores."
)
@click.option("--grow", type=click.IntRange(2, 1024), default=None, metavar="TIMES",
              help="Both nights once more with so many times the rows, for budgets.")  # fmt: skip
@click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML to this file.")
@click.option(
    "--markdown", type=click.Path(path_type=Path), help=f"Add a summary to this file; default: {SUMMARY} when set."
)
@click.option(
    "--accept-eula", is_flag=True, help="With --on container: you accept SQL Server's licence for containers."
)
@click.option("--clean", is_flag=True, help="Take away what killed rehearsals left, and the evidence of wrong ones.")
@click.pass_obj
def rehearse(
    home: Any,
    plan: Path,
    as_json: bool,
    on: str,
    only: tuple[str, ...],
    faults: str,
    jobs: int,
    grow: int | None,
    junit: Path | None,
    markdown: Path | None,
    accept_eula: bool,
    clean: bool,
) -> None:
    """Go through the whole night on throwaway servers: both ways, and everything that can go wrong.

    Exit codes: 0 every ending was the right one; 10 a night ended elsewhere than it should, with the system in service
    on a proven setup; 20 a night needed a person, or ended neither old nor new; 30 it could not be rehearsed; 40 it was
    interrupted.
    """
    if clean:
        from runbook.rehearsal.clearing import clean as take_away
        from runbook.rehearsal.place import needing

        with needing(home):
            click.echo(f"{take_away(home, click.echo)} rehearsals taken away")
        return
    from runbook.commands import rehearsing

    wish = rehearsing.Wish(on, only, _families(faults), accept_eula, grow or 0, jobs)
    page = markdown or (Path(os.environ[SUMMARY]) if os.environ.get(SUMMARY) else None)
    _refuse_unwritable(*(path for path in (junit, page) if path))
    with _told_otherwise(plan, junit, page):
        report = _rehearsed(rehearsing.Rehearsal(home, plan, wish, say=_said, stop=Event()))
    _show(report, as_json=as_json)
    _write(report, junit, page)
    sys.exit(report.code)


def _families(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip() not in ("", "none"))
    for one in found:
        if one not in FAMILIES:
            raise UsageError(f"{one!r} is no sort of fault", hint=f"There are {', '.join(FAMILIES)}, and none.")
    return found


def _said(text: str) -> None:
    """How it goes on; what came of it is on the standard output."""
    click.echo(text, err=True)


@contextmanager
def _told_otherwise(plan: Path, junit: Path | None, page: Path | None) -> Iterator[None]:
    """Where there is no rehearsal the files say why, in place of what an earlier one left in them."""
    from runbook.rehearsal import reports
    from runbook.rehearsal.commands import Stopped

    def write(why: str, code: int) -> None:
        with suppress(OSError):  # why there is none matters more
            if junit:
                junit.write_bytes(reports.junit_of_none(plan.stem, why, code))
            if page:
                with page.open("a", encoding="utf-8") as file:
                    file.write(reports.markdown_of_none(plan.stem, why, code))

    try:
        yield
    except RunbookError as error:
        write("\n".join(render(error)), error.exit_code)
        raise
    except Stopped:
        write(INTERRUPTED, Interrupted.exit_code)
        click.echo(INTERRUPTED, err=True)
        sys.exit(Interrupted.exit_code)


def _rehearsed(rehearsal: Any) -> Any:
    from runbook.rehearsal.commands import Stopped
    from runbook.rehearsal.reports import told

    rehearsal.told = lambda *verdict: _said(told(*verdict))

    def stop(*_: Any) -> None:
        rehearsal.stop.set()
        if rehearsal.is_filling:
            rehearsal.is_filling = False  # once is enough: what takes it away is not stopped
            raise Stopped

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # nohup is about HUP; shells have INT ignored for all that runs in the background, where CI cancels by it
    wanted = [number for number in numbers if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        return rehearsal.rehearse()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _refuse_unwritable(*paths: Path) -> None:
    """Before minutes are spent on what could not be written down."""
    for path in paths:
        try:
            path.open("a", encoding="utf-8").close()
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror}", hint="Name a file in a directory that is there."
            ) from error


def _write(report: Any, junit: Path | None, page: Path | None) -> None:
    from runbook.rehearsal import reports

    try:
        if junit:
            junit.write_bytes(reports.junit(report))
        if page:
            with page.open("a", encoding="utf-8") as file:
                file.write(reports.markdown(report))
    except OSError as error:
        raise Refused(
            f"the result is not written: {error}", hint="What is shown above holds; the file does not."
        ) from error


def _show(report: Any, *, as_json: bool) -> None:
    from runbook.cli import show
    from runbook.rehearsal import reports

    if as_json:
        show.emit(report.to_json())
        return
    click.echo()
    for text in reports.table(report):
        click.echo(text)
