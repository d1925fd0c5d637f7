"""Driving and watching a run on a terminal or a pipe."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from runbook.adapters.clock import SystemClock
from runbook.app import build_executor
from runbook.cli import show
from runbook.cli.live import LivePanel, PlainLines
from runbook.commands.status import Status
from runbook.commands.status import status as read_status
from runbook.executor import Executor
from runbook.home import Home
from runbook.states import EXIT_CODES, RunState

Act = Callable[[Executor], tuple[str, RunState]]


def drive(home: Home, act: Act, *, as_json: bool) -> None:
    """Do it, show it while it goes on, print how it ended, and exit with the code of that ending."""
    executor = build_executor(home)
    display = LivePanel() if sys.stdout.isatty() and not as_json else PlainLines(silent=as_json)
    executor.watcher = display
    executor.listeners.append(display.event)
    with display, _signals(executor):
        run_id, state = act(executor)
    ended = read_status(home, run_id, SystemClock().now())
    head = executor.store.head(run_id)
    if as_json:
        show.emit(ended.to_json())
    else:
        show.ending(ended, head.hash if head else "")
    sys.exit(EXIT_CODES[state])


@contextmanager
def _signals(executor: Executor) -> Iterator[None]:
    """The first signal stops at the next safe point, a second one also interrupts what runs; both are resumable."""
    asked: list[int] = []

    def stop(number: int, _frame: Any) -> None:
        asked.append(number)
        name = signal.Signals(number).name
        if executor.engine is None:
            raise click.Abort
        executor.engine.stop(name, at_once=len(asked) > 1)
        click.echo(
            f"{name}: stopping at the next safe point; once more interrupts what runs. "
            "The gate stays as it is: go on with runbook resume, or go back with runbook revert.",
            err=True,
        )

    numbers = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def watch(home: Home, run: str | None) -> None:
    """Show a run from another terminal until it ends, is held or is left."""
    clock = SystemClock()
    first = read_status(home, run, clock.now())
    panel = LivePanel() if sys.stdout.isatty() else None
    found: Status = first
    try:
        if panel is None:
            show.status(found, clock.now())
            return
        with panel:
            while found.state in (RunState.RUNNING, RunState.REVERTING):
                panel.show(found.view, {}, {}, clock.now())
                panel.pause(clock)
                found = read_status(home, first.view.run_id, clock.now())
    except KeyboardInterrupt:
        click.echo("left; the run goes on", err=True)
        return
    show.status(found, clock.now())
