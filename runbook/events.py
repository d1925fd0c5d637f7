"""Events: the rows of the journal. The state of a run is a fold over them; the audit log is the same rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from runbook.states import StepState


class Kind(StrEnum):
    """What happened."""

    RUN_OPENED = "run-opened"
    EXECUTOR_STARTED = "executor-started"
    EXECUTOR_STOPPED = "executor-stopped"
    STEP_LOOKING = "step-looking"
    STEP_SKIPPED = "step-skipped"
    STEP_PASSED = "step-passed"
    STEP_BLOCKED = "step-blocked"
    STEP_STARTED = "step-started"
    STEP_DONE = "step-done"
    STEP_FAILED = "step-failed"
    STEP_UNTOUCHED = "step-untouched"
    STEP_PARTIAL = "step-partial"
    STEP_RESET = "step-reset"
    UNDO_STARTED = "undo-started"
    UNDO_DONE = "undo-done"
    UNDO_FAILED = "undo-failed"
    TURNED_BACK = "turned-back"
    LOSS_ACCEPTED = "loss-accepted"
    WENT_ON = "went-on"
    HELD = "held"
    REQUESTED = "requested"
    STATEMENT = "statement"
    STATEMENT_ENDED = "statement-ended"
    NOTE = "note"
    CLOCK_STEPPED = "clock-stepped"
    RUN_FINISHED = "run-finished"


STEP_STATE_AFTER: dict[Kind, StepState] = {
    Kind.STEP_SKIPPED: StepState.SKIPPED,
    Kind.STEP_PASSED: StepState.PASSED,
    Kind.STEP_BLOCKED: StepState.BLOCKED,
    Kind.STEP_STARTED: StepState.STARTED,
    Kind.STEP_DONE: StepState.DONE,
    Kind.STEP_FAILED: StepState.FAILED,
    Kind.STEP_UNTOUCHED: StepState.UNTOUCHED,
    Kind.STEP_PARTIAL: StepState.PARTIAL,
    Kind.STEP_RESET: StepState.PENDING,
    Kind.UNDO_STARTED: StepState.UNDOING,
    Kind.UNDO_DONE: StepState.UNDONE,
    Kind.UNDO_FAILED: StepState.STUCK,
}
"""The state a step is in after an event of that kind."""

RECORD_ONLY = frozenset({Kind.STATEMENT, Kind.STATEMENT_ENDED, Kind.NOTE, Kind.CLOCK_STEPPED})
"""Kinds that do not change the state of a run; reading the state skips them."""


class Draft(NamedTuple):
    """An event before it has a place in the journal. ``data`` is JSON-able."""

    kind: Kind
    step: str | None = None
    data: Mapping[str, Any] = MappingProxyType({})


class Event(NamedTuple):
    """A row. ``n`` counts from 1 within its run, ``fence`` is 0 for what a person's command wrote."""

    run_id: str
    n: int
    at: datetime
    kind: Kind
    step: str | None
    actor: str
    fence: int
    data: Mapping[str, Any]
    previous: str
    hash: str


GENESIS = "0" * 64


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def encode(data: Mapping[str, Any]) -> str:
    """Canonical JSON: sorted keys, no white space, UTF-8 as it is."""
    return _canonical(data) if data else "{}"


def chain(previous: str, run_id: str, n: int, at: str, kind: str, step: str, actor: str, fence: int, data: str) -> str:
    """The hash of a row over all its columns and the hash before it (SHA-256, hexadecimal).

    Every column is preceded by its length in characters, so that no text can move from one column into the next
    unnoticed.
    """
    head = f"{len(previous)}:{previous}{len(run_id)}:{run_id}{len(str(n))}:{n}{len(at)}:{at}{len(kind)}:{kind}"
    tail = f"{len(step)}:{step}{len(actor)}:{actor}{len(str(fence))}:{fence}{len(data)}:{data}"
    return hashlib.sha256((head + tail).encode()).hexdigest()
