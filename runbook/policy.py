"""The judgement: what to do next. Pure; the engine performs what is returned and records it, it decides nothing.

nothing is open any more                     -> nothing
a step or undo whose executor was lost       -> settle it by looking, before anything else
before the pivot, a reason to turn back      -> turn back (or refuse, while nothing was touched)
going back                                   -> every undo whose followers are put back, side by side
nothing can go back any further              -> finish as reverted, or hold what is stuck
past the pivot, something failed             -> the rest goes on, then hold; nothing reverts by itself
past the pivot, a person accepted the loss   -> turn back; when more would be lost, go forward again, then hold
going forward                                -> every ready step that the limits and the window admit
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook.graph import Graph, Node, Waiting
from runbook.runview import RunView
from runbook.states import RESTING, RunState, StepState

PREFLIGHT = "preflight"
"""The phase of steps that only look, or put back at once what they moved."""
ATTEMPTS = 3
"""How often a step is begun when each time its executor was lost."""
ENDING = 3.0
"""Seconds in which steps that were stopped get to end before the way back begins."""
UNDO_ATTEMPTS = 2
"""How often one executor tries a way back before the branch is held."""
PATIENCE = 3.0
"""Times its budget that the first try of an undo gets before it is taken to hang, but at least:"""
LEAST_PATIENCE = 120.0
"""Seconds: a database that is recovered for good reason takes more than its budget far more often than it hangs, and
being interrupted sets it back."""

QUICK_LOOK = 2.0
"""Seconds that such a look gets even when there is no time left for it."""


@dataclass(frozen=True, slots=True)
class Do:
    """Look, decide, touch, look again."""

    step: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Look what became of a step whose executor was lost."""

    step: str


@dataclass(frozen=True, slots=True)
class Undo:
    """Put one step back. ``again``: an earlier executor had begun."""

    step: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """A step that was put back (or is convergent) may be done again."""

    step: str


@dataclass(frozen=True, slots=True)
class TurnBack:
    """Go no further; put everything back."""

    reason: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing was touched and time is up: what still looks is told to stop."""

    reason: str


@dataclass(frozen=True, slots=True)
class GoOn:
    """Go back no further, forward again: more would be lost than a person accepted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop here, loudly, and wait for a person. ``live``: the executor stays, the turn-back point still applies."""

    reason: str
    hint: str
    live: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The run has reached an ending."""

    ending: RunState
    reason: str = ""


Move = Do | Settle | Undo | Reset | TurnBack | Leave | GoOn | Hold | Finish


def next_moves(run: RunView, busy: Collection[str], now: datetime) -> list[Move]:
    """What may begin now. ``busy``: steps the asking executor is working on; all else that is started was lost."""
    if run.ending:
        return []
    lost: list[Move] = [Settle(step) for step in run.started if step not in busy]
    lost += [Undo(step, again=True) for step in run.undoing if step not in busy]
    if lost:
        return lost
    if run.exceeded:
        return [] if busy else [GoOn(run.exceeded[0])]
    if run.turned_back:
        return [] if _still_ending(run, busy, now) else _way_back(run, busy)
    reason = reason_to_turn_back(run, now)
    if reason:
        return _turn(run, busy, reason, now)
    return _forward(run, busy, now)


def reason_to_turn_back(run: RunView, now: datetime) -> str:
    """Why going forward must end now, or an empty text. Past the pivot there is one reason only."""
    if run.accepted:
        rows, who = run.accepted["total"], run.accepted["by"]
        return f"{who} accepted the loss of {rows} rows: {run.accepted['reason']}"
    if run.pivot_at is not None:
        return ""
    if run.revert_requested:
        return f"{run.revert_asked_by} decided to turn back: {run.revert_requested}"
    for identity in (*run.bad, *run.stuck):
        return f"{identity}: {run.steps[identity].why}"
    if now >= run.turn_back_at:
        return f"the turn-back point {_clock(run.turn_back_at)} is reached"
    return ""


def is_called_back(run: RunView, identity: str, now: datetime) -> bool:
    """Whether a step that was decided on may not begin any more: asked in the moment in which its start is recorded, so
    that no request can come between the last look at the journal and the pivot, and neither a look that took long nor
    another step that began meanwhile can use up the time for the way back."""
    if run.pivot_at is not None:
        return bool(run.ending or run.accepted)
    held = run.hold_requested and run.graph[identity].pivot
    return bool(run.turned_back or run.revert_requested or run.ending or held or _too_late(run, identity, now))


def is_overruled(run: RunView) -> bool:
    """Whether a person accepted a loss just before an ending or a hold was to be recorded: the way back comes first."""
    return bool(run.accepted) and not run.turned_back


def _turn(run: RunView, busy: Collection[str], reason: str, now: datetime) -> list[Move]:
    """Turn back; while nothing was touched, let the checks go on (all findings at once) as long as there is time, then
    refuse: a look that hangs must not keep a run open for ever."""
    if run.touched:
        return [TurnBack(reason)]
    if now >= run.turn_back_at:
        return [Leave(reason)] if busy else [Finish(RunState.REFUSED, reason)]
    checks = _admitted(run.graph, run.ready, busy, lambda identity: _only_looks(run.graph[identity]))
    moves: list[Move] = [Do(identity) for identity in checks]
    return moves if moves or busy else [Finish(RunState.REFUSED, reason)]


def _only_looks(node: Node) -> bool:
    """A check; a preflight step that has a way back moves something (the exercise of a standby)."""
    return node.phase == PREFLIGHT and node.undo_budget == 0.0


# --- forward -------------------------------------------------------------------------------------------------------


def _forward(run: RunView, busy: Collection[str], now: datetime) -> list[Move]:
    repaired = list(_repairs(run, busy))
    if repaired:
        return repaired
    if run.hold_requested and run.pivot_at is None:
        return [] if busy or run.held else [Hold(run.hold_requested, "Let it go on with: runbook resume", live=True)]
    moves: list[Move] = []
    for step in _admitted(run.graph, run.ready, busy, lambda _: True):
        late = _too_late(run, step, now)
        if late:
            return _turn(run, busy, late, now)
        moves.append(Do(step))
    return moves if moves or busy else [_end_of_forward(run)]


def _repairs(run: RunView, busy: Collection[str]) -> Iterator[Move]:
    """Steps lost half way: put back first, then done again. After the pivot they are convergent: done once more, failed
    ones when resumed; and what a way back that was given up had put back is done again in the order of the graph."""
    for identity in run.partial:
        if identity in busy:
            continue
        step = run.steps[identity]
        if not step.owes or run.pivot_at is not None:
            yield Reset(identity)
        else:
            yield Undo(identity)
    for identity in (*run.repaired, *(run.stuck if run.pivot_at else ())):
        if identity not in busy and (run.pivot_at is None or _is_due(run, identity)):
            yield Reset(identity)
    for identity in run.bad:
        if run.pivot_at is not None and identity not in busy and run.steps[identity].fence < run.fence:
            yield Reset(identity)


def _is_due(run: RunView, identity: str) -> bool:
    """Whether everything before it, however far, rests. Checks between two steps keep their verdict, so that asking
    those right before it would not do."""
    return all(run.steps[before].state in RESTING for before in run.graph.before(identity))


def _end_of_forward(run: RunView) -> Move:
    if run.bad:
        identity = next(iter(run.bad))
        step = run.steps[identity]
        return Hold(f"after the gate opened, {identity}: {step.why}", step.hint or "Look at it, then: runbook resume")
    if run.stuck:
        return _held(run)
    if run.went_on:
        return Hold(*run.went_on)
    return Finish(RunState.UPGRADED)


def _too_late(run: RunView, identity: str, now: datetime) -> str:
    """Admission control: why there is no time left to begin this step, or an empty text."""
    if run.pivot_at is not None:
        return ""
    node = run.graph[identity]
    limit = run.turn_back_at_after(identity)  # the pivot too: where it fails, everything has yet to be put back
    if now + timedelta(seconds=node.do_budget) <= limit:
        return ""
    return f"{identity} needs up to {node.do_budget:.0f} s and the turn-back point is {_clock(limit)}"


# --- the way back ----------------------------------------------------------------------------------------------------


def _still_ending(run: RunView, busy: Collection[str], now: datetime) -> bool:
    """What ran forward when the run turned back is being ended: its statements go first, then the undos. One that
    cannot be ended within a moment holds up its own branch only."""
    if run.turned_back_at is None or now >= run.turned_back_at + timedelta(seconds=ENDING):
        return False
    return any(identity in busy for identity in run.started)


def _way_back(run: RunView, busy: Collection[str]) -> list[Move]:
    admitted = _admitted(run.graph, run.undoable, busy, lambda identity: _may_try(run, identity))
    moves: list[Move] = [Undo(step) for step in admitted]
    if moves or busy:
        return moves
    if run.unclear == 0:
        return [Finish(_old(run), run.turned_back)]
    return [_held(run)]


def _old(run: RunView) -> RunState:
    """Refused, when nothing but checks was begun: a standby that was exercised is back where it was."""
    begun = (run.graph[identity].phase for identity, step in run.steps.items() if step.attempts)
    return RunState.REFUSED if all(phase == PREFLIGHT for phase in begun) else RunState.REVERTED


def _may_try(run: RunView, identity: str) -> bool:
    step = run.steps[identity]
    return step.state is not StepState.STUCK or step.undo_attempts < UNDO_ATTEMPTS


def _held(run: RunView) -> Hold:
    stuck = [identity for identity, step in run.steps.items() if step.state is StepState.STUCK]
    why = "; ".join(f"the way back of {identity} failed: {run.steps[identity].why}" for identity in stuck)
    hint = next((run.steps[identity].hint for identity in stuck if run.steps[identity].hint), "")
    return Hold(why or "the way back cannot go on", hint or "Mend the cause, then: runbook resume")


def patience(run: RunView, identity: str) -> float | None:
    """Seconds after which the first try of an undo is ended on the server and tried again: what hangs must not hold up
    the way back for ever. A further try has no limit, for what is merely slow must come to its end; nor has what is
    put back only because a person decided it, and waits for jobs to end: None."""
    if run.steps[identity].undo_attempts > 1 or run.graph[identity].irreversible:
        return None
    return max(LEAST_PATIENCE, PATIENCE * run.graph[identity].undo_budget)


def patience_to_look(run: RunView, identity: str) -> float:
    """Seconds after which a look at what became of a step or its way back is taken to hang, and ended: what it would
    have shown stays unknown. A further try of a way back gets twice as long."""
    node, step = run.graph[identity], run.steps[identity]
    return max(LEAST_PATIENCE, PATIENCE * max(node.do_budget, node.undo_budget)) * max(1, step.undo_attempts)


def time_to_look(run: RunView, now: datetime) -> float | None:
    """Seconds after which a look at what ran forward must have ended once the run goes back: it takes what the reserve
    has left, never what the way back needs. None past the pivot, where nothing goes back by the clock."""
    if run.pivot_at is not None:
        return None
    return max(QUICK_LOOK, (run.turn_back_at - now).total_seconds() + run.reserve / 2)


# --- limits ----------------------------------------------------------------------------------------------------------


def _admitted(graph: Graph, waiting: Waiting, busy: Collection[str], wanted: Callable[[str], bool]) -> Iterator[str]:
    """Those of the waiting that the limits of the run and of each server leave room for."""
    room = graph.limits.workers - len(busy)
    load = Counter(server for identity in busy for server in graph[identity].servers)

    def full(servers: tuple[str, ...]) -> bool:
        return room <= 0 or any(load[server] >= graph.limits.of(server) for server in servers)

    for identity in waiting.first_come(full):
        if identity not in busy and wanted(identity):
            load.update(graph[identity].servers)
            room -= 1
            yield identity


def _clock(instant: datetime) -> str:
    return f"{instant:%H:%M:%S} UTC"
