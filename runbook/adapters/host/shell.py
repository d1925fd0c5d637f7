"""What a call to a shell looks like, whoever carries it: this machine's commands, or an SSH connection."""

from __future__ import annotations

import secrets as tokens
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runbook.adapters.commands import OUTPUT_LIMIT
from runbook.errors import FencedOut
from runbook.hosting import CommandResult
from runbook.secrets import HIDDEN, Secret

BRIEFLY = 30.0
"""Seconds for what takes a moment: a look, a small file."""


@dataclass(frozen=True)
class Fence:
    """Who acts: an effect of an executor with a lower number than the host has seen for that run is not carried out."""

    run_id: str
    number: int


@dataclass(frozen=True)
class Call:
    """Something a shell does: a program with its arguments, or a script with them.

    ``token`` marks everything that it starts, so that all of it can be ended; no two calls have the same.
    """

    name: str
    """What messages call it."""
    argv: tuple[str, ...]
    script: str = ""
    """Text for the shell, with ``argv`` as its arguments; empty: ``argv`` is the program."""
    stdin: bytes = b""
    timeout: float = BRIEFLY
    effect: bool = False
    root: bool = False
    limit: int = OUTPUT_LIMIT
    fence: Fence | None = None
    token: str = field(default_factory=lambda: tokens.token_hex(8))


@dataclass(frozen=True)
class Question:
    """Inputs of a shell that takes questions one after another, each answered in a shell of its own: ``opening`` makes
    it such a shell, ``line`` is one question. Over, both streams say ``end-TOKEN``, standard output the exit code too.
    """

    opening: bytes
    line: bytes


@dataclass(frozen=True)
class Heard:
    """The answer to a call, as it came over the wire."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = False


class Dialect(Protocol):
    """How a kind of host is spoken to."""

    begin: str
    """What the login shell is told: take the rest from the input."""

    def spoken(self, call: Call) -> bytes:
        """The input. ValueError for what cannot be said."""

    def asked(self, call: Call) -> Question | None:
        """The same for a shell that stands; None for a call that needs one of its own."""

    def understood(self, call: Call, heard: Heard, host: str) -> CommandResult:
        """The answer without the noise before it. HostError when the program did not begin, NotPermitted when the
        account may not become root, FencedOut when another executor took over: none is in doubt."""

    def end(self, call: Call) -> Call:
        """The call that ends all that another one started; exit code 0 when nothing is left."""


class Shell(Protocol):
    """Carries calls to a host and brings back how they ended."""

    sudo: bool
    """The account may become root when it is asked to."""

    def call(self, call: Call) -> CommandResult:
        """Raises as :mod:`runbook.hosting` says."""


@dataclass(frozen=True)
class Scripts:
    """What a kind of host is given to do, as texts for its shell; all kinds answer in the same form.

    ``lacking``: those of its arguments that are no programs, one a line. ``read``: the content in base64. ``stat``:
    kind, mode, owner, group and size between ``|``. ``space``: as ``df -P`` has it. ``facts``: ``key=value`` lines.
    ``unit`` and whatever starts or ends one: see :mod:`runbook.adapters.host.unitstate`. What is not there is told on
    standard error, with NOT_THERE at its end.
    """

    lacking: str
    read: str
    write: str
    remove: str
    stat: str
    space: str
    facts: str
    unit: str
    start: str
    stop: str
    forget: str
    tail: str
    units: str
    """The directory of the units."""
    files: Callable[[str, Sequence[str], str, str], Sequence[str]]
    """Of a place, an argument list, the directory it runs in and the user it runs as (empty: root): the files that
    belong to the unit, as text, the command first."""


NOT_THERE = "No such file or directory"
NO_SPACE = ("No space left on device", "Disk quota exceeded")


def fenced_out(host: str) -> FencedOut:
    """What the host said by refusing an effect."""
    return FencedOut(
        f"{host} has been used by a newer executor of this run",
        hint="Leave it to that one; runbook status shows who it is.",
    )


def masked(text: str, secrets: Sequence[Secret]) -> str:
    """The text without what must not be seen."""
    for secret in secrets:
        if secret:
            text = text.replace(secret.reveal(), HIDDEN)
    return text


def refuse_shown(argv: Sequence[str], secrets: Sequence[Secret]) -> None:
    """ValueError when a secret stands in an argument list, where everybody on the host can read it."""
    if any(secret and secret.reveal() in argument for secret in secrets for argument in argv):
        raise ValueError("a secret stands in the argument list; hand it over through stdin")
