"""Driving and watching a run on a terminal or a pipe."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import click

from runbook.adapters.clock import SystemClock
from runbook.app import build_executor
from runbook.cli import show
from runbook.cli.live import LivePanel, PlainLines
from runbook.commands.guarding import start_beside, unguarded
from runbook.commands.status import Status
from runbook.commands.status import status as read_status
from runbook.engine import Engine
from runbook.events import Event
from runbook.executor import Executor
from runbook.home import Home
from runbook.states import EXIT_CODES, RunState

Act = Callable[[Executor], tuple[str, RunState]]


def drive(home: Home, act: Act, *, as_json: bool, no_guard: bool) -> None:
    """Do it, show it while it goes on, print how it ended, and exit with the code of that ending."""
    executor = build_executor(home)
    executor.guard = unguarded if no_guard else start_beside(home)
    display = Unbroken(LivePanel() if sys.stdout.isatty() and not as_json else PlainLines(silent=as_json))
    executor.watcher = display
    executor.listeners.append(display.event)
    with display, _signals(executor):
        run_id, state = act(executor)
    ended = read_status(home, run_id, SystemClock().now())
    head = executor.store.head(run_id)
    with lost_output():
        if as_json:
            show.emit(ended.to_json())
        else:
            show.ending(ended, head.hash if head else "")
        sys.stdout.flush()
    sys.exit(EXIT_CODES[state])


@contextmanager
def lost_output() -> Iterator[None]:
    """What cannot be shown any more, because the terminal or the pipe is gone, is in the journal all the same."""
    try:
        yield
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Unbroken:
    """A display whose terminal or pipe may go away: the night goes on without it."""

    def __init__(self, display: LivePanel | PlainLines) -> None:
        self._display: LivePanel | PlainLines | None = display
        self._shown = ExitStack()

    def event(self, event: Event) -> None:
        """Show it while there is anybody to see it."""
        self._show(lambda display: display.event(event))

    def tick(self, engine: Engine) -> None:
        """As the display does."""
        self._show(lambda display: display.tick(engine))

    def _show(self, act: Callable[[LivePanel | PlainLines], object]) -> None:
        try:
            if self._display:
                act(self._display)
        except OSError:
            self._display = None

    def __enter__(self) -> Unbroken:
        self._show(self._shown.enter_context)
        return self

    def __exit__(self, *_: object) -> None:
        self._show(lambda _display: self._shown.close())


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
        with suppress(OSError):
            click.echo(
                f"{name}: stopping at the next safe point; once more interrupts what runs. "
                "The gate stays as it is: go on with runbook resume, or go back with runbook revert.",
                err=True,
            )

    numbers = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, stop) for number in numbers}
    if hasattr(signal, "SIGHUP"):  # losing the terminal changes nothing
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
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
