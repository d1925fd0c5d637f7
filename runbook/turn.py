"""Whose turn it is at the gate: the steps that close and open it, or the watch that keeps it as it should be."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from runbook.cancel import CancelToken
from runbook.front import Gate, GateState, Rule


class Turn:
    """Whose turn it is at the gate: a step that wants it ends the watch's look, and waits until it has ended."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._token: CancelToken | None = None
        self._wanted = 0
        self._count = threading.Lock()

    @contextmanager
    def taken(self, token: CancelToken) -> Iterator[None]:
        """For the watch. Cancelled when a step wants the gate."""
        with self._lock:
            self._token = token
            try:
                if self._wanted:
                    token.cancel("a step wants the gate")
                token.checkpoint()
                yield
            finally:
                self._token = None

    @contextmanager
    def first(self) -> Iterator[None]:
        """For a step."""
        with self._count:
            self._wanted += 1
        try:
            token = self._token
            if token is not None:
                token.cancel("a step wants the gate")
            with self._lock:
                yield
        finally:
            with self._count:
                self._wanted -= 1


class FirstAtGate:
    """A gate as steps have it: they do not wait for the watch. Implements ``runbook.front.Gate``."""

    def __init__(self, gate: Gate, turn: Turn) -> None:
        self._gate = gate
        self._turn = turn

    def observe(self) -> GateState:
        """As the gate has it."""
        return self._gate.observe()

    def earlier(self) -> str:
        """As the gate has it."""
        return self._gate.earlier()

    def troubles(self) -> tuple[str, ...]:
        """As the gate has it."""
        return self._gate.troubles()

    def missing(self) -> tuple[str, ...]:
        """As the gate has it."""
        return self._gate.missing()

    def differs(self, text: str, rules: Sequence[Rule] = ()) -> tuple[str, ...]:
        """As the gate has it."""
        return self._gate.differs(text, rules)

    def close(self, text: str, rules: Sequence[Rule] = ()) -> None:
        """When the watch has ended."""
        with self._turn.first():
            self._gate.close(text, rules)

    def open(self, earlier: str) -> None:
        """When the watch has ended."""
        with self._turn.first():
            self._gate.open(earlier)
