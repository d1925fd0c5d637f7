"""Sinks of the language's own: one that forgets, one that collects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runbook.sandbox.contract import Column, RpcParam, Sink, SqlError


class NullSink:
    """Everything sent here is lost; an error is raised."""

    def columns(self, columns: Sequence[Column]) -> None:
        """Begin a result set."""

    def row(self, values: Sequence[Any]) -> None:
        """Drop a row."""

    def done(self, rowcount: int | None = None) -> None:
        """End a statement."""

    def info(self, number: int, message: str, severity: int = 0, state: int = 1, line: int = 1) -> None:
        """Drop a message."""

    def error(self, error: SqlError) -> None:
        """Raise the error."""
        raise error

    def database(self, new: str, old: str) -> None:
        """Drop a change of context."""

    def return_status(self, status: int) -> None:
        """Drop a status."""

    def return_value(self, param: RpcParam) -> None:
        """Drop an output parameter."""

    def flush(self) -> None:
        """Nothing to send."""


class ForwardingSink(NullSink):
    """Passes everything on but rows."""

    def __init__(self, target: Sink) -> None:
        self._target = target

    def info(self, number: int, message: str, severity: int = 0, state: int = 1, line: int = 1) -> None:
        """Pass a message on."""
        self._target.info(number, message, severity, state, line)

    def error(self, error: SqlError) -> None:
        """Pass an error on."""
        self._target.error(error)


class RowsSink(ForwardingSink):
    """Keeps the rows of all result sets: INSERT ... EXEC."""

    def __init__(self, target: Sink) -> None:
        super().__init__(target)
        self.results: list[tuple[Sequence[Column], list[tuple[Any, ...]]]] = []

    def columns(self, columns: Sequence[Column]) -> None:
        """Begin a result set."""
        self.results.append((columns, []))

    def row(self, values: Sequence[Any]) -> None:
        """Keep a row."""
        self.results[-1][1].append(tuple(values))
