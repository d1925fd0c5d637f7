"""This machine as a host: the same scripts, carried by the same commands as everything else here."""

from __future__ import annotations

import os
from threading import Event

from runbook.adapters.clock import SystemClock
from runbook.adapters.commands import Commands
from runbook.adapters.host.posix import BEGIN_ARGV, Posix
from runbook.adapters.host.shell import Call, Heard
from runbook.cancel import CancelToken
from runbook.errors import HostError
from runbook.hosting import CommandResult
from runbook.ports import Cancellation
from runbook.recording import Unrecorded

BRIEF = 5.0
"""Seconds more for root to end what is late."""


class LocalShell:
    """Implements :class:`runbook.adapters.host.shell.Shell`; what it is given is recorded by who gives it."""

    def __init__(self, name: str, cancellation: Cancellation, *, sudo: bool = True) -> None:
        self.sudo = sudo
        self._name = name
        self._dialect = Posix(sudo=sudo)
        self._cancellation = cancellation
        self._clock = SystemClock()

    def call(self, call: Call) -> CommandResult:
        """Carry it out here. Nothing of it outlives this program, however that ends."""
        if call.root and os.geteuid() != 0:
            return self._call_as_root(call)
        return self._carry(call, self._cancellation, call.timeout)

    def _call_as_root(self, call: Call) -> CommandResult:
        """What became another user cannot be killed by this one: it is ended by root."""
        late = Event()

        def end() -> None:
            self._carry(self._dialect.end(call), CancelToken(self._clock), BRIEF)

        def end_late() -> None:
            late.set()
            end()

        timer = self._clock.call_after(call.timeout, end_late)
        try:
            with self._cancellation.interrupting(end):
                result = self._carry(call, CancelToken(self._clock), call.timeout + BRIEF)
        finally:
            timer.cancel()
        self._cancellation.checkpoint()
        if late.is_set():
            raise HostError(
                f"{call.name} did not end within {call.timeout:g} s and was stopped",
                host=self._name,
                in_doubt=call.effect,
                hint="Raise its timeout in the plan, or find out what it waits for.",
            )
        return result

    def _carry(self, call: Call, cancellation: Cancellation, timeout: float) -> CommandResult:
        commands = Commands(cancellation, Unrecorded(), host=self._name)
        given = self._dialect.spoken(call)
        ended = commands.run(
            BEGIN_ARGV, timeout=timeout, effect=call.effect, stdin=given, limit=call.limit, name=call.name
        )
        heard = Heard(ended.exit_code, ended.stdout, ended.stderr, ended.truncated)
        return self._dialect.understood(call, heard, self._name)
