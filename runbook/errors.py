"""Everything that can go wrong, as one tree; each leaf knows the exit code the command ends with.

::

    Exception
    └── RunbookError
        ├── UsageError             2   the command line is wrong, nothing was looked at
        ├── Refused               30   nothing was touched
        │   ├── PlanErrors             the plan file is wrong: every finding with file, line and key
        │   ├── PlanChanged            the plan is not the one the run was opened with
        │   ├── WrongTarget            the server or database is not the one that was pinned
        │   ├── NotSupported           a version, edition or feature the way back cannot carry
        │   ├── AlreadyRunning         another executor holds the lease
        │   ├── NotPermitted           a permission is missing
        │   ├── Unreachable            a server or host does not answer
        │   │   └── Away               it gives no answer for now
        │   │       ├── HostAway
        │   │       └── ServerAway
        │   └── SecretMissing          a password reference leads nowhere
        ├── Held                  20   stopped, between, waiting for a person
        ├── StepFailed            20   a step ended without reaching its goal
        │   └── LossExceeded           going back would lose more than a person accepted
        ├── JournalError          20   the record cannot be written or trusted
        │   ├── JournalUnwritable 40   disk full or server away: the run is interrupted and can be resumed
        │   ├── JournalCorrupt         a row was changed, removed or inserted
        │   ├── FencedOut         40   another executor took over
        │   └── IllegalTransition      a state change the table of transitions does not allow
        ├── ServerError           20   SQL Server said no, or said nothing
        ├── HostError             20   a command or file on a host went wrong
        └── Interrupted           40   stopped from outside, resumable

    BaseException
    └── ControlFlow                    not an error: unwinds the executing thread past ``except Exception``
        ├── Cancelled                  the cancel token was set
        └── Fenced                     the lease is gone: stop without touching anything more

The engine settles StepFailed, ServerError and HostError itself; the code 20 is for one that escapes it, because
then a person has to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class RunbookError(Exception):
    """Root of the tree. ``message`` is lowercase without a full stop, ``hint`` a sentence or empty."""

    exit_code: ClassVar[int] = 20

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RunbookError):
    """The command line is wrong."""

    exit_code = 2


class Refused(RunbookError):
    """Refused before anything was touched."""

    exit_code = 30


@dataclass(frozen=True, order=True)
class PlanError:
    """One finding in a plan file; ``line`` and ``column`` count from 1, ``key`` is empty for the whole file."""

    file: str
    line: int
    column: int
    key: str
    message: str
    hint: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        return f"{where}{self.key}: {self.message}" if self.key else f"{where}{self.message}"


class PlanErrors(Refused):
    """The plan file is wrong; ``errors`` holds every finding in the order of the file."""

    def __init__(self, errors: Sequence[PlanError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
        super().__init__(f"{first}{more}", hint=first.hint)


class PlanChanged(Refused):
    """The plan differs from the one the run was opened with; ``changes`` says in what, one line each."""

    def __init__(self, message: str, *, changes: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.changes = tuple(changes)


class WrongTarget(Refused):
    """The server or database that answers is not the one that was pinned."""


class NotSupported(Refused):
    """A version, edition or feature that cannot be taken there and back."""


class AlreadyRunning(Refused):
    """Another executor holds the lease."""


class NotPermitted(Refused):
    """A permission is missing."""


class Unreachable(Refused):
    """A server or host does not answer."""


class Away(Unreachable):
    """What was reached before gives no answer: it boots, or the network is cut. What was sent is in doubt."""

    in_doubt = True


class HostAway(Away):
    """A host."""


class ServerAway(Away):
    """A SQL Server, by the plan's name for it."""

    def __init__(self, message: str, *, server: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.server = server


class SecretMissing(Refused):
    """A reference to a secret leads nowhere; the message names the key of the plan."""


class Held(RunbookError):
    """The run is stopped between old and new and waits for a person."""

    exit_code = 20


class StepFailed(RunbookError):
    """A step ended without reaching its goal."""


class LossExceeded(StepFailed):
    """Going back would lose more than a person accepted: the run goes forward again."""


class JournalError(RunbookError):
    """The journal cannot be written, read or trusted."""


class JournalUnwritable(JournalError):
    """The journal's disk is full or its server away; what was under way stopped where it was."""

    exit_code = 40


class JournalCorrupt(JournalError):
    """A row was changed, removed or inserted after it was written."""


class FencedOut(JournalError):
    """A write carried an older fencing number: another executor took over."""

    exit_code = 40


class IllegalTransition(JournalError):
    """A state change that the table of allowed transitions does not hold."""


class ServerError(RunbookError):
    """SQL Server refused a statement, or went away while it ran.

    ``number`` and ``severity`` are the server's own, None when the connection broke before it answered.
    ``in_doubt`` is true when the statement may have had its effect: look before doing anything else.
    """

    def __init__(
        self,
        message: str,
        *,
        number: int | None = None,
        severity: int | None = None,
        statement: str = "",
        in_doubt: bool = False,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.number = number
        self.severity = severity
        self.statement = statement
        self.in_doubt = in_doubt


class HostError(RunbookError):
    """A command or a file on a host went wrong; ``in_doubt`` as for :class:`ServerError`."""

    def __init__(self, message: str, *, host: str = "", in_doubt: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.host = host
        self.in_doubt = in_doubt


class Interrupted(RunbookError):
    """Stopped from outside; the run can be resumed."""

    exit_code = 40


class ControlFlow(BaseException):
    """Root of what unwinds a thread without being an error."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Cancelled(ControlFlow):
    """The cancel token was set: the window closes, or a person asked."""


class Fenced(ControlFlow):
    """The lease belongs to another executor: stop at once."""


def render(error: RunbookError) -> list[str]:
    """Return the lines a person reads: ``error: message``, then ``HINT: Sentence.`` where there is one."""
    if isinstance(error, PlanErrors):
        return [line for one in error.errors for line in _lines(str(one), one.hint)]
    lines = _lines(error.message, error.hint)
    if isinstance(error, PlanChanged):
        lines[1:1] = [f"  {change}" for change in error.changes]
    return lines


def _lines(message: str, hint: str) -> list[str]:
    lines = [f"error: {one_line(message)}"]
    return [*lines, f"HINT: {one_line(hint)}"] if hint else lines


def one_line(text: str) -> str:
    """Return the text with line breaks and control characters made visible, so it cannot forge a second line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
