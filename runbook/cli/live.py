"""Progress: a live panel on a terminal, plain lines on a pipe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from runbook.events import Event, Kind
from runbook.runview import RunView
from runbook.states import StepState

if TYPE_CHECKING:  # 200 ms of import that status need not pay
    from runbook.engine import Engine
    from runbook.looking import Progress
    from runbook.ports import Clock

WORDS = {
    Kind.STEP_SKIPPED: "skipped",
    Kind.STEP_PASSED: "ok",
    Kind.STEP_BLOCKED: "BLOCKED",
    Kind.STEP_STARTED: "begun",
    Kind.STEP_DONE: "done",
    Kind.STEP_FAILED: "FAILED",
    Kind.STEP_UNTOUCHED: "FAILED, nothing changed",
    Kind.STEP_PARTIAL: "found half done",
    Kind.STEP_RESET: "to be done again",
    Kind.UNDO_STARTED: "going back",
    Kind.UNDO_DONE: "is back",
    Kind.UNDO_FAILED: "WAY BACK FAILED",
}
SHOWN = {
    StepState.DONE: ("✔", "green"),
    StepState.PASSED: ("✔", "green"),
    StepState.SKIPPED: ("–", "dim"),
    StepState.STARTED: ("▶", "cyan"),
    StepState.UNDOING: ("◀", "yellow"),
    StepState.UNDONE: ("↩", "yellow"),
    StepState.BLOCKED: ("✘", "red"),
    StepState.FAILED: ("✘", "red"),
    StepState.UNTOUCHED: ("✘", "red"),
    StepState.PARTIAL: ("½", "yellow"),
    StepState.STUCK: ("✘", "bold red"),
    StepState.PENDING: (" ", "dim"),
}


def line_of(event: Event) -> str:
    """One line for people, or an empty text for what only the record needs."""
    data = event.data
    text = ""
    if event.kind in WORDS:
        text = f"{event.step} {WORDS[event.kind]}" + (f": {data['why']}" if data.get("why") else "")
    elif event.kind is Kind.TURNED_BACK:
        text = f"TURNING BACK: {data['reason']}"
    elif event.kind is Kind.LOSS_ACCEPTED:
        text = f"{event.actor} accepted the loss of {data['total']} rows: {data['reason']}"
    elif event.kind is Kind.WENT_ON:
        text = f"GOING ON, NOT BACK: {data['reason']}"
    elif event.kind is Kind.HELD:
        text = f"HELD: {data['reason']}"
    elif event.kind is Kind.NOTE and data.get("finding"):
        text = f"note{f' ({event.step})' if event.step else ''}: {data['text']}"
    elif event.kind is Kind.REQUESTED:
        text = f"{event.actor} asked: {data['what']}" + (f" ({data['reason']})" if data["reason"] else "")
    elif event.kind is Kind.RUN_FINISHED:
        text = str(data["ending"])
    return f"{event.at:%H:%M:%S}  {text}" if text else ""


class PlainLines:
    """One line an event."""

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent

    def event(self, event: Event) -> None:
        """Print it."""
        line = line_of(event)
        if line and not self._silent:
            click.echo(line)

    def drawing(self, engine: Engine) -> Callable[[], None]:  # noqa: ARG002  (as the panel)
        """Nothing between events."""
        return lambda: None

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class LivePanel:
    """A table of what runs, a bar per database, the clock and the turn-back countdown."""

    def __init__(self, asked: Callable[[], str] = lambda: "") -> None:
        from rich.console import Console
        from rich.live import Live

        self._asked = asked
        self._live = Live(console=Console(), refresh_per_second=4, transient=True)
        self._pausing = threading.Event()

    def event(self, event: Event) -> None:
        """Lines scroll above the panel."""
        line = line_of(event)
        if line and event.kind is not Kind.STEP_STARTED:
            self._live.console.print(line, markup=False, highlight=False)

    def drawing(self, engine: Engine) -> Callable[[], None]:
        """Take down the state as it is now; what is returned draws it."""
        with engine.log.lock:
            busy, progress = dict.fromkeys(engine.busy), dict(engine.progress)
            drawn = panel(engine.view, busy, progress, engine.now(), self._asked())
        return lambda: self._live.update(drawn)

    def show(self, view: RunView, now: datetime) -> None:
        """Draw this state, of a run that another process drives."""
        self._live.update(panel(view, {}, {}, now))

    def pause(self, clock: Clock) -> None:
        """Between two drawings."""
        clock.wait(self._pausing, 0.5)

    def __enter__(self) -> LivePanel:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)


def panel(
    view: RunView, busy: Mapping[str, Any], progress: Mapping[str, Progress], now: datetime, asked: str = ""
) -> Any:
    """What is drawn: head, what runs now, a bar per database, and what the person at the terminal is asked."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    running = sorted({*busy, *view.started, *view.undoing})
    lines = [Text("  " + _doing(identity, view, progress, now)) for identity in running] or [Text("  waiting")]
    bars = [Text.from_markup(f"  {name:<20} {bar}") for name, bar in _bars(view)]
    asking = [Text(asked, style="bold reverse")] if asked else []
    body = Group(head(view, now), *lines, *bars, *asking)
    return Panel(body, title=f"{view.plan_name}  {view.run_id}", title_align="left", width=100)


def head(view: RunView, now: datetime) -> Any:
    """State, gate, clock, time to the turn-back point and to the end of the window."""
    from rich.text import Text

    left = f"window closes {view.closes_at:%H:%M:%S} UTC, in {span((view.closes_at - now).total_seconds())}"
    parts = [f"{view.state.value}   gate {view.gate}   {now:%H:%M:%S} UTC", left]
    if not view.turned_back and not view.pivot_at:
        parts.append(f"turns back in {span((view.turn_back_at - now).total_seconds())}")
    return Text("   ".join(parts), style="bold")


def span(seconds: float) -> str:
    """``1:02:03``, negative when it is over."""
    sign, whole = ("-" if seconds < 0 else ""), int(abs(seconds))
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _doing(identity: str, view: RunView, progress: Mapping[str, Progress], now: datetime) -> str:
    step = view.steps[identity]
    since = step.started_at or step.looking_at
    took = span((now - since).total_seconds()) if since else ""
    state = "going back" if step.state is StepState.UNDOING else "running"
    known = progress.get(identity)
    how_far = f"  {known.done:.0f}/{known.total:.0f} {known.what}" if known else ""
    return f"{state:<10} {identity:<40} {took}{how_far}"


def _bars(view: RunView) -> list[tuple[str, str]]:
    """A mark per step of each database, in the order of the graph."""
    rows: dict[str, str] = {}
    for identity, step in view.steps.items():
        name = identity.partition("[")[2].rstrip("]") or "all"
        mark, style = SHOWN[step.state]
        rows[name] = rows.get(name, "") + f"[{style}]{mark if mark.strip() else '·'}[/]"
    return sorted(rows.items(), key=lambda row: row[0] == "all")
