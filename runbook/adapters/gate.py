"""Gates: what keeps users out. A file that front ends look for, a command, or none."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from runbook.adapters import files
from runbook.errors import HostError
from runbook.front import GateState, Rule
from runbook.hosting import CommandResult
from runbook.ports import Cancellation, Recorded, Recorder

WHERE = "gate"
"""What the record calls it."""
CLOSED, OPEN = 0, 1
"""Exit codes of a probe."""


class Runner(Protocol):
    """Runs commands: :class:`runbook.adapters.commands.Commands`."""

    def run(self, argv: Sequence[str], *, timeout: float, effect: bool) -> CommandResult: ...


class FileGate:
    """A maintenance file: while it is there, the front end answers with it (IIS's ``app_offline.htm`` and its kin).

    A marker comment in the file says which run put it there. ``text`` is the text of the plan, recognised also without
    the marker.
    """

    def __init__(
        self, path: Path, run_id: str, cancellation: Cancellation, recorder: Recorder, *, text: str | None = None
    ) -> None:
        self._path = path
        self._marker = f"<!-- runbook: {run_id} -->"
        self._cancellation = cancellation
        self._recorder = recorder
        self._text = text

    def observe(self) -> GateState:
        """OPEN when nothing is there, CLOSED when this run's page is, FOREIGN for anything else."""
        standing = files.read(self._path)
        if standing is None:
            return GateState.OPEN
        return GateState.CLOSED if self._is_ours(standing) else GateState.FOREIGN

    def earlier(self) -> str:
        """Content and mode of a file somebody else put there, as JSON; empty when there is none."""
        standing = files.read(self._path)
        if standing is None or self._is_ours(standing):
            return ""
        return json.dumps({"content": base64.b64encode(standing).decode(), "mode": files.mode_of(self._path)})

    def troubles(self) -> tuple[str, ...]:
        """The directory of the page is not there."""
        return () if self._path.parent.is_dir() else (f"the directory {self._path.parent} does not exist",)

    def missing(self) -> tuple[str, ...]:
        """It is on this machine."""
        return ()

    def differs(self, text: str, rules: Sequence[Rule] = ()) -> tuple[str, ...]:  # noqa: ARG002  (there is one page)
        """The path, when another content stands there, or none."""
        return () if files.read(self._path) == self._page(text) else (str(self._path),)

    def close(self, text: str, rules: Sequence[Rule] = ()) -> None:  # noqa: ARG002  (there is one page)
        """Put the text up, whatever stands there (``earlier`` was kept before). HostError when that is impossible."""
        page = self._page(text)
        if files.read(self._path) == page:
            return
        with files.prepared(self._path, page) as put, self._recorded(f"put the maintenance page at {self._path}"):
            put()

    def open(self, earlier: str) -> None:
        """Take the page down; what stood there before is there again, to the byte."""
        if not earlier:
            with self._recorded(f"take the maintenance page at {self._path} away"):
                files.remove(self._path)
            return
        kept = json.loads(earlier)
        before = files.prepared(self._path, base64.b64decode(kept["content"]), mode=kept["mode"])
        with before as put, self._recorded(f"put back what stood at {self._path}"):
            put()

    def _page(self, text: str) -> bytes:
        page = text if self._marker in text else f"{text.rstrip()}\n{self._marker}\n"
        return page.encode()

    def _is_ours(self, standing: bytes) -> bool:
        return self._marker.encode() in standing or (self._text is not None and standing == self._text.encode())

    def _recorded(self, text: str) -> AbstractContextManager[Recorded]:
        self._cancellation.checkpoint()
        return self._recorder.statement(WHERE, text, effect=True)


class CommandGate:
    """Commands that close and open something: a load balancer, a firewall rule, a service.

    ``probe`` ends with 0 when closed, 1 when open; anything else is an error. Whether closed means *by this run* a
    probe cannot tell: one that was closed before stays closed when the run opens it again.
    """

    def __init__(
        self, commands: Runner, *, on: Sequence[str], off: Sequence[str], probe: Sequence[str], timeout: float
    ) -> None:
        self._commands = commands
        self._on, self._off, self._probe = tuple(on), tuple(off), tuple(probe)
        self._timeout = timeout

    def observe(self) -> GateState:
        """What the probe says; HostError when it says neither."""
        result = self._commands.run(self._probe, timeout=self._timeout, effect=False)
        if result.exit_code not in {CLOSED, OPEN}:
            raise HostError(
                f"the gate's probe {self._probe[0]} ended with {result.exit_code}: {result.said() or 'no output'}",
                hint="It must end with 0 when the gate is closed and 1 when it is open.",
            )
        return GateState.CLOSED if result.exit_code == CLOSED else GateState.OPEN

    def earlier(self) -> str:
        """JSON that says it was closed already; empty when it was open."""
        return json.dumps({"state": "closed"}) if self.observe() is GateState.CLOSED else ""

    def troubles(self) -> tuple[str, ...]:
        """Only the command knows."""
        return ()

    def missing(self) -> tuple[str, ...]:
        """Only the command knows of hosts."""
        return ()

    def differs(self, text: str, rules: Sequence[Rule] = ()) -> tuple[str, ...]:
        """The probe, when it says open; the text is the front end's own affair."""
        del text, rules
        return () if self.observe() is GateState.CLOSED else (self._probe[0],)

    def close(self, text: str, rules: Sequence[Rule] = ()) -> None:
        """Run ``on``; the text is the front end's own affair here."""
        del text, rules
        self._switch(self._on)

    def open(self, earlier: str) -> None:
        """Run ``off``, unless it was closed before."""
        if not earlier:
            self._switch(self._off)

    def _switch(self, argv: tuple[str, ...]) -> None:
        result = self._commands.run(argv, timeout=self._timeout, effect=True)
        if result.exit_code != 0:
            raise HostError(
                f"{argv[0]} ended with {result.exit_code}: {result.said() or 'no output'}",
                in_doubt=True,
                hint="Run the command by hand and look at what it says.",
            )


class NoGate:
    """No gate: nobody is kept out. The plan says ``i_have_no_gate`` for that, and nothing pretends otherwise."""

    def observe(self) -> GateState:
        """Always open."""
        return GateState.OPEN

    def earlier(self) -> str:
        """Nothing."""
        return ""

    def troubles(self) -> tuple[str, ...]:
        """None."""
        return ()

    def missing(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def differs(self, text: str, rules: Sequence[Rule] = ()) -> tuple[str, ...]:  # noqa: ARG002  (nothing stands there)
        """Nothing stands anywhere."""
        return ()

    def close(self, text: str, rules: Sequence[Rule] = ()) -> None:
        """Nothing to close."""

    def open(self, earlier: str) -> None:
        """Nothing to open."""
