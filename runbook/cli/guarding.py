"""``runbook guard``: watching a run from a terminal, from a service, or beside an executor."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from runbook.cli.options import PLAN_FILE, RUN


@click.command()
@RUN
@PLAN_FILE
@click.option("--install", is_flag=True, help="Have the machine start the watch again after a reboot.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --install: only write the units there, and enable nothing.",
)
@click.option("--beside", is_flag=True, hidden=True)
@click.pass_obj
def guard(
    home: Any, run: str | None, plan_file: Path | None, install: bool, directory: Path | None, beside: bool
) -> None:
    """Watch a run, and bring it to its end when its executor is lost.

    `execute`, `resume` and `revert` start one by themselves. Another one, on a second machine that reaches the same
    journal and the same servers, keeps the promise when the first machine is gone. What it does is the plan's choice
    (`on_loss`); past the turn-back point it goes back, and after the gate opened on the new setup it never acts.
    """
    if install:
        from runbook.commands.installing import install as write

        for line in write(home, run, plan_file, directory):
            click.echo(line)
        return
    _watch(home, run, plan_file, beside)


def _watch(home: Any, run: str | None, plan_file: Path | None, beside: bool) -> None:
    from runbook.app import build_executor
    from runbook.cli.live import PlainLines
    from runbook.cli.night import lost_output
    from runbook.commands.guarding import Watch
    from runbook.executor import Executor
    from runbook.states import EXIT_CODES

    def build() -> Executor:
        executor = build_executor(home)
        executor.listeners.append(_where_there_is_room(PlainLines().event))
        return executor

    say = _where_there_is_room(lambda text: click.echo(f"guard: {text}"))
    watch = Watch(home, build, say)
    with _hearing(watch, beside):
        view = watch.open(run, plan_file, beside=beside)
        say(f"watches run {view.run_id} of {view.plan_name}, window closes {view.closes_at:%H:%M:%S} UTC")
        view = watch.watch()
    with lost_output():
        sys.stdout.flush()
    sys.exit(EXIT_CODES[view.state])


def _where_there_is_room(say: Callable[[Any], object]) -> Callable[[Any], None]:
    """What it says goes to a file: a full disk under that does not end the watch."""

    def try_to(what: Any) -> None:
        with suppress(OSError):
            say(what)

    return try_to


@contextmanager
def _hearing(watch: Any, beside: bool) -> Iterator[None]:
    """SIGTERM ends it; beside an executor, what is typed on that one's terminal is none of its business."""

    def stop(number: int, _frame: Any) -> None:
        watch.stop(signal.Signals(number).name)

    handlers: dict[int, Any] = {signal.SIGTERM: stop, signal.SIGINT: signal.SIG_IGN if beside else stop}
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = signal.SIG_IGN
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
