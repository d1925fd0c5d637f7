"""Ctrl-C on a terminal: not an end but a question, while the night and its clock go on."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from runbook.engine import Engine
from runbook.errors import JournalError
from runbook.events import Draft, Kind
from runbook.runview import RunView

LOOK = 0.2
"""Seconds between two looks whether the question is still open."""


def question(view: RunView) -> str:
    """What is asked of a run in this state."""
    stop = "Ctrl-C again: stop this process at the next safe point"
    if view.ending or view.turned_back or view.pivot_at:
        why = "the way back" if view.turned_back else "what is left after the gate opened"
        return f"{why} is not stopped by a hold.  [g] go on   {stop}"
    if view.hold_requested:
        return f"held by you.  [g] go on   [t] turn back   {stop}"
    return f"[h] hold at the next safe point   [t] turn back   [g] go on   {stop}"


def answer(engine: Engine, key: str) -> bool:
    """Do what a key says, as the command of that name would; False when it says nothing here."""
    view = engine.view
    forward = not (view.ending or view.turned_back or view.pivot_at)
    if key == "g":
        if view.hold_requested:
            _request(engine, "go-on")
        return True
    if key == "h" and forward and not view.hold_requested:
        _request(engine, "hold")
        return True
    if key == "t" and forward:
        _request(engine, "revert")
        return True
    return False


def _request(engine: Engine, what: str) -> None:
    wish = Draft(Kind.REQUESTED, None, {"what": what, "reason": "Ctrl-C"})
    with suppress(JournalError):  # felt by the engine itself
        engine.log.append(wish, unless=lambda run: run.pivot_at or run.ending)


def can_ask() -> bool:
    """Somebody sits at this terminal and this process is in its foreground: reading in the background would stop it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False


class Question:
    """At most one at a time; asked on a thread of its own, shown by whoever draws (:attr:`text`)."""

    def __init__(self, engine: Callable[[], Engine | None]) -> None:
        self._engine = engine
        self._open = threading.Event()

    @property
    def is_open(self) -> bool:
        """It waits for an answer."""
        return self._open.is_set()

    @property
    def text(self) -> str:
        """What is asked now, empty when nothing is."""
        engine = self._engine()
        return question(engine.view) if engine and self.is_open else ""

    def ask(self) -> None:
        """Begin to wait for a key."""
        self._open.set()
        threading.Thread(target=self._wait, name="question", daemon=True).start()

    def withdraw(self) -> None:
        """Nobody waits for the answer any more."""
        self._open.clear()

    def _wait(self) -> None:
        with suppress(OSError, ValueError), _keys() as key_within:  # the terminal is gone: the night goes on
            while self.is_open:
                key = key_within(LOOK)
                engine = self._engine()
                if key is None:
                    continue
                if key == "" or engine is None or answer(engine, key.lower()):
                    break
        self._open.clear()


@contextmanager
def _keys() -> Iterator[Callable[[float], str | None]]:
    """A function that waits so many seconds for a key: None when none came, empty when the terminal is gone."""
    if sys.platform == "win32":
        yield _windows_key
        return
    import select
    import termios
    import tty

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    tty.setcbreak(handle)  # single keys, unseen; signals and output stay as they are
    try:
        yield (
            lambda seconds: (
                os.read(handle, 1).decode(errors="replace") if select.select([handle], [], [], seconds)[0] else None
            )
        )
    finally:
        with suppress(termios.error):
            termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _windows_key(seconds: float) -> str | None:
    if sys.platform == "win32":
        import msvcrt

        if msvcrt.kbhit():
            return msvcrt.getwch()
        threading.Event().wait(seconds)
    return None
