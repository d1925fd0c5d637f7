"""Driving and watching a run on a terminal or a pipe."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import Any

import click

from runbook.adapters.clock import SystemClock
from runbook.app import build_executor
from runbook.cli import show
from runbook.cli.asking import Question, can_ask
from runbook.cli.live import LivePanel, PlainLines
from runbook.commands.guarding import start_beside, unguarded
from runbook.commands.status import Status
from runbook.commands.status import status as read_status
from runbook.engine import Engine
from runbook.events import Event
from runbook.executor import Executor
from runbook.home import Home
from runbook.states import EXIT_CODES, RunState

LAST_LINES = 5.0
"""Seconds that a terminal gets to take the last lines before the run's ending is printed."""
Act = Callable[[Executor], tuple[str, RunState]]


def drive(home: Home, act: Act, *, as_json: bool, no_guard: bool) -> None:
    """Do it, show it while it goes on, print how it ended, and exit with the code of that ending."""
    executor = build_executor(home)
    executor.guard = unguarded if no_guard else start_beside(home)
    question = Question(lambda: executor.engine)
    live = sys.stdout.isatty() and not as_json
    display = Unbroken(LivePanel(lambda: question.text) if live else PlainLines(silent=as_json))
    executor.watcher = display
    executor.listeners.append(display.event)
    with display, _signals(executor, question if live else None):
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
    """A display whose terminal or pipe may go away, or take nothing for a while (Ctrl-S, a pager, a dead connection):
    the night goes on without it. What is to be shown waits for a thread of the display's own."""

    def __init__(self, display: LivePanel | PlainLines) -> None:
        self._display = display
        self._lost = False
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._drawn = threading.Event()
        self._drawn.set()
        self._thread = threading.Thread(target=self._show, name="display", daemon=True)

    def event(self, event: Event) -> None:
        """Show it while there is anybody to see it."""
        self._work.put(lambda: self._display.event(event))

    def tick(self, engine: Engine) -> None:
        """Draw, unless the last drawing still waits."""
        if self._drawn.is_set() and not self._lost:
            self._drawn.clear()
            self._work.put(self._display.drawing(engine))
            self._work.put(self._drawn.set)

    def _show(self) -> None:
        shown = ExitStack()
        self._try(lambda: shown.enter_context(self._display))
        while (act := self._work.get()) is not None:
            self._try(act)
        self._try(shown.close)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            if not self._lost:
                act()
        except OSError:
            self._lost = True

    def __enter__(self) -> Unbroken:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._work.put(None)
        self._thread.join(LAST_LINES)


@contextmanager
def _signals(executor: Executor, question: Question | None) -> Iterator[None]:
    """Ctrl-C on a terminal asks. Else, and when it comes while the question is open, a signal stops at the next safe
    point, and one more interrupts what runs; both are resumable."""
    asked: list[int] = []

    def stop(number: int, _frame: Any) -> None:
        if number == signal.SIGINT and question and executor.engine and not asked:
            if not question.is_open and can_ask():
                question.ask()
                return
            question.withdraw()
        asked.append(number)
        name = signal.Signals(number).name
        if executor.engine is None:
            raise click.Abort
        executor.engine.stop(name, at_once=len(asked) > 1)
        threading.Thread(target=_say_stopping, args=(name,), daemon=True).start()  # a terminal may take its time

    numbers = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, stop) for number in numbers}
    if hasattr(signal, "SIGHUP"):  # losing the terminal changes nothing
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        if question:
            question.withdraw()
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_stopping(name: str) -> None:
    with suppress(OSError):
        click.echo(
            f"{name}: stopping at the next safe point; once more interrupts what runs. "
            "The gate stays as it is: go on with runbook resume, or go back with runbook revert.",
            err=True,
        )


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
                panel.show(found.view, clock.now())
                panel.pause(clock)
                found = read_status(home, first.view.run_id, clock.now())
    except KeyboardInterrupt:
        click.echo("left; the run goes on", err=True)
        return
    show.status(found, clock.now())
