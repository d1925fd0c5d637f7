"""States of a step and of a run, and the table of allowed transitions.

The journal refuses an event that is not in the table: one pair a line, with its reason. The diagram in
``docs/states.md`` is generated from it.
"""

from __future__ import annotations

from enum import StrEnum

GATE = "close-gate"
"""The step that keeps users out."""


class StepState(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    STARTED = "started"
    DONE = "done"
    PASSED = "passed"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    FAILED = "failed"
    PARTIAL = "partial"
    UNTOUCHED = "untouched"
    UNDOING = "undoing"
    UNDONE = "undone"
    STUCK = "stuck"


S = StepState

TRANSITIONS: dict[tuple[StepState, StepState], str] = {
    (S.PENDING, S.SKIPPED): "there was nothing to do",
    (S.PENDING, S.PASSED): "a check holds",
    (S.PENDING, S.BLOCKED): "a check does not hold, or it could not look; nothing was touched",
    (S.PENDING, S.STARTED): "intent and way back are durable, the effect may begin",
    (S.STARTED, S.DONE): "a look proved it reached, also after a crash or a lost reply",
    (S.STARTED, S.FAILED): "it was refused or cancelled, and a look says that something was changed",
    (S.STARTED, S.UNTOUCHED): "it was refused or cancelled, and a look says that nothing was changed",
    (S.STARTED, S.PARTIAL): "its executor or its answer was lost, and a look says that it stopped half way",
    (S.STARTED, S.PENDING): "its executor or its answer was lost, and a look says that nothing was changed",
    (S.BLOCKED, S.PENDING): "after the pivot a person resumed",
    (S.FAILED, S.PENDING): "after the pivot a person resumed; such steps are convergent",
    (S.UNTOUCHED, S.PENDING): "after the pivot a person resumed",
    (S.PARTIAL, S.PENDING): "without a way back a convergent step is done again",
    (S.DONE, S.UNDOING): "the run turned back",
    (S.FAILED, S.UNDOING): "a failed step is undone too",
    (S.PARTIAL, S.UNDOING): "a half-done step is undone before anything else",
    (S.UNDOING, S.UNDONE): "a look proved that the earlier state is back",
    (S.UNDOING, S.STUCK): "the way back failed: this branch is held, a person is called",
    (S.STUCK, S.UNDOING): "the way back is tried again",
    (S.PENDING, S.UNDOING): "it was to be done once more after the pivot, when a person accepted the loss",
    (S.BLOCKED, S.UNDOING): "doing it once more was refused after the pivot, then a person accepted the loss",
    (S.UNDONE, S.PENDING): "a step lost half way was put back and may be done again",
    (S.STUCK, S.PENDING): "more would be lost than was accepted: the run goes forward again",
}
"""(from, to) -> reason."""

RESTING = frozenset({S.DONE, S.PASSED, S.SKIPPED})
"""What lets the steps after it go forward."""

OWING = frozenset({S.STARTED, S.DONE, S.FAILED, S.PARTIAL, S.UNDOING, S.STUCK, S.PENDING, S.BLOCKED})
"""What owes its undo while it has one recorded; of what waits to be done, or done once more, only steps after the pivot
that were found half done have."""

BAD = frozenset({S.BLOCKED, S.FAILED, S.UNTOUCHED})
"""What turns a run back, or holds it after the pivot."""


class RunState(StrEnum):
    """Where a run stands. ``interrupted`` is not recorded: it is a run under way whose executor is gone."""

    RUNNING = "running"
    REVERTING = "reverting"
    HELD = "held"
    INTERRUPTED = "interrupted"
    UPGRADED = "upgraded"
    REVERTED = "reverted"
    REFUSED = "refused"


ENDINGS = frozenset({RunState.UPGRADED, RunState.REVERTED, RunState.REFUSED})

EXIT_CODES: dict[RunState, int] = {
    RunState.UPGRADED: 0,
    RunState.REVERTED: 10,
    RunState.HELD: 20,
    RunState.REFUSED: 30,
    RunState.INTERRUPTED: 40,
    RunState.RUNNING: 40,
    RunState.REVERTING: 40,
}
"""Exit codes, for ever."""
