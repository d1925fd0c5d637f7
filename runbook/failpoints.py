"""Failpoints: named places at which a test can end, stop or fail this process from outside. Off by default.

``RUNBOOK_FAILPOINTS`` holds one or more ``NAME[~PATTERN]=ACTION[@N]``, separated by ``;``. NAME is one of the names
below; PATTERN a regular expression searched in what the place says about itself (an event kind and step, the text of a
statement, a path); ``@N`` means the N-th time only (default: the first). ACTION is

- ``kill``: SIGKILL to this process, as ``kill -9`` and the out-of-memory killer do;
- ``stop``: SIGSTOP, so that it hangs with everything it holds until somebody sends SIGCONT;
- ``full``: the error of a full disk (ENOSPC), at ``journal.`` and ``lease.`` as the database under the journal says it;
- ``sleep:SECONDS``: that much time passes;
- ``fail``: an error, as if what was about to be done had been refused;
- ``hang``: nothing goes on any more here, until whoever waits is told to stop.

Without the variable a place costs one look at an empty dictionary. ``RUNBOOK_FAILPOINTS_LOG`` names a file to which
each one adds a line as it acts, so that whoever attacks knows what struck: process, name, action, what the place says.

Beside it, ``RUNBOOK_GUARD_FAILPOINTS`` arms the guard that a command starts, and ``RUNBOOK_LEASE`` (seconds, 1 to 600)
makes leases last another time than 15 seconds.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runbook.errors import StepFailed, UsageError

VARIABLE = "RUNBOOK_FAILPOINTS"
GUARD_VARIABLE = "RUNBOOK_GUARD_FAILPOINTS"
LOG = "RUNBOOK_FAILPOINTS_LOG"

POINTS: Mapping[str, str] = {
    "journal.before-append": "rows are about to be written (says: kinds and steps)",
    "journal.before-commit": "they are written in a transaction that is about to be committed: others cannot write",
    "journal.after-append": "rows are durable, and nothing was done about them yet",
    "effect.before": "a statement or command with an effect is recorded and about to be sent (says: its text)",
    "effect.after": "it has answered, and its end is not recorded yet",
    "step.before-look": "a step is about to look, and to decide what is to be done (says: the step)",
    "step.before-effect": "the start of a step is recorded, and its effect comes next (says: the step)",
    "undo.before-effect": "it is recorded that a step is being put back, and nothing was done yet (says: the step)",
    "file.before-replace": "a file's new content is on the disk beside it (says: its path)",
    "file.after-replace": "the file has its new content",
    "copy.before-write": "rows are about to be sent to the second place of the journal",
    "copy.after-write": "they are there, and nothing was done about them yet",
    "lease.before-beat": "the executor is about to renew its lease",
    "guard.before-take-over": "the guard has seen that the executor is gone, and takes the lease next",
}
"""Name -> what is the case there."""


@dataclass
class _Armed:
    pattern: re.Pattern[str]
    action: str
    nth: int
    seen: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, said: str) -> bool:
        if not self.pattern.search(said):
            return False
        with self.lock:
            self.seen += 1
            return self.seen == self.nth


_armed: dict[str, list[_Armed]] = {}


def reach(name: str, said: str = "", wait: Callable[[float], None] | None = None) -> None:
    """Say that this place is reached; does nothing unless it was armed. ``wait`` lets seconds pass and ends early, with
    an error of its own, when whoever is here is told to stop."""
    if not _armed:
        return
    for one in _armed.get(name, ()):
        if one.meet(said):
            _note(name, one.action, said)
            _act(one.action, wait or _wait)


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def armed() -> bool:
    """Whether any is: what a place would say of itself need not be made up otherwise."""
    return bool(_armed)


def arm(text: str) -> None:
    """Arm what the text names, in place of what was armed; UsageError for what is none."""
    parsed = _parsed(text, VARIABLE)
    _armed.clear()
    for name, one in parsed:
        _armed.setdefault(name, []).append(one)


def arm_from_environment() -> None:
    """As the process was started; UsageError also for what its guard would refuse where nobody reads it."""
    _parsed(os.environ.get(GUARD_VARIABLE, ""), GUARD_VARIABLE)
    if os.environ.get(VARIABLE):
        arm(os.environ[VARIABLE])


_ENTRY = re.compile(
    r"(?P<name>[\w.-]+)(~(?P<pattern>.*))?=(?P<action>kill|stop|full|fail|hang|sleep:\d+(\.\d+)?)(@(?P<nth>[1-9]\d*))?"
)


def _parsed(text: str, variable: str) -> list[tuple[str, _Armed]]:
    return [_parse(entry, variable) for entry in filter(None, (part.strip() for part in text.split(";")))]


def _parse(entry: str, variable: str) -> tuple[str, _Armed]:
    found = _ENTRY.fullmatch(entry)
    if found is None or found["name"] not in POINTS:
        raise UsageError(
            f"{variable}: {entry!r} is no failpoint",
            hint=f"Write NAME[~PATTERN]=kill|stop|full|fail|hang|sleep:SECONDS[@N]; names: {', '.join(POINTS)}.",
        )
    try:
        pattern = re.compile(found["pattern"] or "")
    except re.error as error:
        raise UsageError(
            f"{variable}: {found['pattern']!r} is no regular expression: {error}", hint="Escape what is meant as it is."
        ) from error
    return found["name"], _Armed(pattern, found["action"], int(found["nth"] or 1))


def _note(name: str, action: str, said: str) -> None:
    path = os.environ.get(LOG)
    if path:
        with open(path, "a", encoding="utf-8") as log:  # noqa: PTH123 - one write, which the system adds at the end
            log.write(f"{os.getpid()} {name} {action} {' '.join(said.split())}\n")


def _act(action: str, wait: Callable[[float], None]) -> None:
    if action == "kill":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        threading.Event().wait(0.2)  # with several threads this one may run on for a moment before all of them stop
    elif action == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    elif action == "fail":
        raise StepFailed(
            f"it fails on purpose ({VARIABLE})", hint="Nothing is wrong: a rehearsal or a test asked for it."
        )
    else:
        wait(threading.TIMEOUT_MAX if action == "hang" else float(action.partition(":")[2]))
