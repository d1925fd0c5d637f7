"""The state of a run as a fold over its events.

:class:`RunView` is what the policy judges and ``status`` shows. ``apply`` is the only thing that changes it,
and it takes nothing but events: the same journal gives the same view in every process. All that the policy
asks (what is ready, what may be undone, how long the way back takes) is kept up to date event by event, so
that a plan of 5,000 steps costs no more per step than one of fifty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runbook.errors import IllegalTransition
from runbook.events import RECORD_ONLY, STEP_STATE_AFTER, Event, Kind
from runbook.graph import Graph, Node, Waiting
from runbook.states import BAD, GATE, OWING, RESTING, TRANSITIONS, RunState, StepState


@dataclass(slots=True)
class StepView:
    """Where one step stands, with what is needed to go back."""

    state: StepState = StepState.PENDING
    looking_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 0
    tries: int = 0
    """Times it was begun since it was last done."""
    undo_attempts: int = 0
    """Tries of the way back by the executor that acts now."""
    fence: int = 0
    """Fencing number of the executor that brought it into this state."""
    why: str = ""
    hint: str = ""
    intent: Any = None
    undo: Mapping[str, Any] | None = None
    """``{"name": ..., "version": ..., "data": ...}`` as recorded before the effect; None when nothing is owed."""
    keep: Any = None

    @property
    def owes(self) -> bool:
        """Its way back is still to be gone."""
        return self.undo is not None and self.state in OWING


@dataclass
class RunView:
    """A run, folded. Instants are aware UTC."""

    run_id: str
    graph: Graph
    plan_name: str
    opened_at: datetime
    closes_at: datetime
    reserve: float
    opening: Mapping[str, Any] = field(default_factory=dict)
    steps: dict[str, StepView] = field(default_factory=dict)
    n: int = 0
    fence: int = 0
    executor: str = ""
    turned_back: str = ""
    turned_back_at: datetime | None = None
    pivot_at: datetime | None = None
    held: str = ""
    hold_requested: str = ""
    revert_requested: str = ""
    revert_asked_by: str = ""
    """Who decided that: a person, or what the record names."""
    accepted: Mapping[str, Any] | None = None
    """The loss that a person accepted, with ``by``, ``at``, ``reason`` and ``more``: what a way back past the pivot
    needs. None again once the run goes forward because more would have been lost."""
    exceeded: tuple[str, str] | None = None
    """More would be lost than was accepted: reason and hint, from the undo that found it."""
    went_on: tuple[str, str] | None = None
    """The same, since the run goes forward again, until a person is told by a hold."""
    ending: RunState | None = None
    ended_at: datetime | None = None
    stopped: bool = False
    """The last executor was told to stop and did so in order; nothing happened to it."""
    declared: str = ""
    """Who said that the run has ended, and why; empty when the program brought it there."""
    findings: list[str] = field(default_factory=list)

    # indexes, kept by apply
    ready: Waiting = field(init=False)
    started: dict[str, None] = field(default_factory=dict)
    undoing: dict[str, None] = field(default_factory=dict)
    bad: dict[str, None] = field(default_factory=dict)
    partial: dict[str, None] = field(default_factory=dict)
    repaired: dict[str, None] = field(default_factory=dict)
    """Put back while the run goes forward."""
    stuck: dict[str, None] = field(default_factory=dict)
    undoable: Waiting = field(init=False)
    touched: bool = False
    """Something was started since the run opened."""
    been_open: bool = False
    """That users were let in has been seen, or cannot be excluded: no later look makes the pivot undone."""
    unclear: int = 0
    """On the way back: steps that are not put back yet."""
    _waiting: dict[str, int] = field(default_factory=dict)
    _open_after: dict[str, int] = field(default_factory=dict)
    _path: dict[str, float] = field(default_factory=dict)
    _owed: dict[str, float] = field(default_factory=dict)
    _longest: float = 0.0
    _shared: float = 0.0
    """What is owed on each server and in the whole run, each divided by its limit."""
    _indexes: dict[StepState, dict[str, None]] = field(default_factory=dict)

    @classmethod
    def opened(cls, event: Event) -> RunView:
        """The view after ``run-opened``."""
        data = event.data
        graph = Graph.from_json(data["graph"])
        view = cls(
            run_id=event.run_id,
            graph=graph,
            plan_name=data["plan_name"],
            opened_at=event.at,
            closes_at=datetime.fromisoformat(data["closes_at"]),
            reserve=data["reserve"],
            opening=data,
            n=event.n,
        )
        view.steps = {identity: StepView() for identity in graph.nodes}
        view._waiting = {node.id: len(node.after) for node in graph}
        view.ready, view.undoable = Waiting(graph), Waiting(graph)
        for node in graph:
            if not node.after:
                view.ready.add(node.id)
        view._indexes = {
            StepState.STARTED: view.started,
            StepState.UNDOING: view.undoing,
            StepState.PARTIAL: view.partial,
            StepState.UNDONE: view.repaired,
            StepState.STUCK: view.stuck,
            **dict.fromkeys(BAD, view.bad),
        }
        return view

    # --- what the policy asks ------------------------------------------------------------------------------

    @property
    def state(self) -> RunState:
        """As recorded; that an executor is gone is seen from the lease, not from here."""
        if self.ending:
            return self.ending
        if self.held:
            return RunState.HELD
        return RunState.REVERTING if self.turned_back else RunState.RUNNING

    @property
    def waits(self) -> bool:
        """Held at a person's wish while the way is open in both directions: the executor stays, the clock runs on."""
        return bool(self.held and self.hold_requested and not self.turned_back and self.pivot_at is None)

    @property
    def way_back(self) -> float:
        """Seconds that putting everything back takes at most, if no undo takes longer than its budget.

        The longest chain of undos plus, for each server and for the run's workers, the undos owed there divided
        by how many may run at a time. While the way back runs, either the chain moves or one of those limits is
        used to the full, so no order of starting (and no undo that ends early) can make it longer: R. L. Graham,
        Bounds on Multiprocessing Timing Anomalies, SIAM J. Appl. Math. 17 (1969), applied per resource.
        """
        return self._longest + self._shared

    @property
    def turn_back_at(self) -> datetime:
        """The last moment at which going forward still leaves time to put everything back."""
        return self.closes_at - timedelta(seconds=self.way_back + self.reserve)

    def turn_back_at_after(self, identity: str) -> datetime:
        """The turn-back point once that step is owed too."""
        node = self.graph[identity]
        longest = max(self._longest, node.undo_budget + self._path_before(node))
        limits = self.graph.limits
        more = node.undo_budget / limits.workers + sum(node.undo_budget / limits.of(server) for server in node.servers)
        seconds = self.way_back - self._longest + longest + more
        return self.closes_at - timedelta(seconds=seconds + self.reserve)

    @property
    def gate(self) -> str:
        """``open`` or ``closed``, as the journal knows it."""
        if self.ending and not self.declared:
            return "open"
        shut = self.steps.get(GATE, StepView()).owes
        again = any(self.steps[node.id].state in _CLOSED_AGAIN for node in self.graph if node.pivot)
        return "closed" if shut and (self.pivot_at is None or again) else "open"

    # --- the fold ------------------------------------------------------------------------------------------

    def check(self, kind: Kind, step: str | None) -> None:
        """Raise IllegalTransition when an event of that kind must not follow now."""
        if self.ending and kind not in RECORD_ONLY and kind is not Kind.EXECUTOR_STOPPED and not self._reopens(kind):
            raise IllegalTransition(f"{kind} after the run ended {self.ending}", hint="Nothing may follow an ending.")
        self._check_direction(kind)
        after = STEP_STATE_AFTER.get(kind)
        if after is None:
            return
        if step is None or step not in self.steps:
            raise IllegalTransition(f"{kind} names no step of this run: {step}", hint="The journal is of another plan.")
        if after is StepState.STARTED and self.turned_back:
            raise IllegalTransition(
                f"{step} may not begin after the run turned back", hint="Report this with the journal."
            )
        before = self.steps[step].state
        if (before, after) not in TRANSITIONS:
            raise IllegalTransition(f"{step} may not go from {before} to {after}", hint="Report this with the journal.")
        if after is StepState.UNDOING and self.pivot_at and not (self.accepted and self.turned_back):
            raise IllegalTransition(f"{step} may not be undone after the pivot", hint="Nothing reverts by itself.")

    def _reopens(self, kind: Kind) -> bool:
        """The one thing that may follow an ending: a person gives up what was written on the new setup."""
        return kind is Kind.LOSS_ACCEPTED and self.ending is RunState.UPGRADED and not self.declared

    def _check_direction(self, kind: Kind) -> None:
        """Past the pivot a run goes back only after a loss was accepted, and forward again only when it is exceeded."""
        if kind is Kind.LOSS_ACCEPTED and (self.pivot_at is None or self.turned_back):
            raise IllegalTransition("a loss is accepted past the pivot only, and once", hint="Look: runbook status.")
        if kind is Kind.TURNED_BACK and self.pivot_at and not self.accepted:
            raise IllegalTransition("the run may not turn back after the pivot", hint="Nothing reverts by itself.")
        if kind is Kind.WENT_ON and not (self.pivot_at and self.turned_back and self.exceeded):
            raise IllegalTransition("the run has no reason to go forward again", hint="Report this with the journal.")

    def apply(self, event: Event) -> None:
        """Fold one event in."""
        self.check(event.kind, event.step)
        self.n = event.n
        if event.kind in STEP_STATE_AFTER:
            self._apply_step(event)
        elif event.kind is Kind.STEP_LOOKING and event.step in self.steps:
            self.steps[event.step].looking_at = event.at
        elif event.kind is Kind.NOTE and event.data.get("finding"):
            self.findings.append(str(event.data["text"]))
        elif event.kind not in RECORD_ONLY:
            self._apply_run(event)

    def _apply_run(self, event: Event) -> None:
        data = event.data
        if event.kind is Kind.EXECUTOR_STARTED:
            self.fence, self.executor, self.held, self.stopped = event.fence, event.actor, "", False
            for step in self.steps.values():
                step.undo_attempts = 0
        elif event.kind is Kind.EXECUTOR_STOPPED:
            self.stopped = True
        elif event.kind is Kind.TURNED_BACK:
            self.turned_back, self.turned_back_at, self.held = data["reason"], event.at, ""
            self._begin_way_back()
        elif event.kind is Kind.LOSS_ACCEPTED:
            self.accepted = {**data, "by": event.actor, "at": event.at.isoformat()}
            self.ending = self.ended_at = self.exceeded = self.went_on = None
            self.held = self.hold_requested = ""
        elif event.kind is Kind.WENT_ON:
            self.went_on, self.exceeded, self.accepted = self.exceeded, None, None
            self.turned_back, self.turned_back_at, self.held = "", None, ""
            self.undoable = Waiting(self.graph)
        elif event.kind is Kind.HELD:
            self.held, self.went_on = data["reason"], None
        elif event.kind is Kind.REQUESTED:
            self._apply_request(data)
        elif event.kind is Kind.RUN_FINISHED:
            self.ending, self.ended_at, self.held = RunState(data["ending"]), event.at, ""
            if data.get("declared"):
                self.declared = f"declared by {data['declared']}: {data['reason']}"

    def _apply_request(self, data: Mapping[str, Any]) -> None:
        what = data["what"]
        if what == "hold":
            self.hold_requested = data["reason"] or "asked for"
        elif what == "go-on":
            self.hold_requested = self.held = ""
        elif what == "revert":
            self.revert_requested = data["reason"] or "asked for"
            self.revert_asked_by = data.get("by", "a person")

    def _apply_step(self, event: Event) -> None:
        identity = str(event.step)
        step, node, data = self.steps[identity], self.graph[identity], event.data
        before, owed = step.state, step.owes
        step.state = STEP_STATE_AFTER[event.kind]
        step.fence = event.fence
        step.why, step.hint = data.get("why", ""), data.get("hint", "")
        if "keep" in data:
            step.keep = data["keep"]
        if event.kind is Kind.STEP_STARTED:
            self._began(step, node, event)
        elif event.kind is Kind.UNDO_STARTED:
            step.undo_attempts += 1
        elif step.state is not StepState.PENDING:
            step.ended_at = event.at
        if event.kind is Kind.STEP_RESET and not (self.pivot_at and before in _HALF_DONE):
            step.undo = None
        if event.kind is Kind.STEP_DONE:
            step.tries = 0
        if event.kind is Kind.UNDO_FAILED and data.get("exceeds"):
            self.exceeded = step.why, step.hint
        if node.pivot:
            self._judge_pivot(step.state, before)
        self._account(step, node, owed)
        self._index(identity, step, before)

    def _began(self, step: StepView, node: Node, event: Event) -> None:
        step.attempts += 1
        step.tries += 1
        self.touched = True
        step.started_at, step.ended_at = event.at, None
        step.intent, step.undo = event.data.get("intent"), event.data.get("undo")
        if node.pivot:
            self.pivot_at = self.pivot_at or event.at

    def _judge_pivot(self, state: StepState, before: StepState) -> None:
        """A look shows whether the gate opened. Unless it says for certain that it did not, users may have been in."""
        never = state is StepState.UNTOUCHED or (state is StepState.PENDING and before is StepState.STARTED)
        if before is StepState.STARTED and not never:
            self.been_open = True
        if never and not self.been_open:
            self.pivot_at = None

    def _account(self, step: StepView, node: Node, owed: bool) -> None:
        """Keep the way back's length: per server, and along the longest chain."""
        if step.owes == owed:
            return
        sign = 1 if step.owes else -1
        for server in (*node.servers, ""):
            self._owed[server] = max(0.0, self._owed.get(server, 0.0) + sign * node.undo_budget)
        limits = self.graph.limits
        shared = sum(seconds / limits.of(server) for server, seconds in self._owed.items() if server)
        self._shared = shared + self._owed.get("", 0.0) / limits.workers
        if step.owes:
            self._path[node.id] = node.undo_budget + self._path_before(node)
            self._longest = max(self._longest, self._path[node.id])

    def _path_before(self, node: Node) -> float:
        return max((self._path_at(before) for before in node.after), default=0.0)

    def _path_at(self, identity: str) -> float:
        if identity not in self._path:
            self._path[identity] = self._path_before(self.graph[identity])
        return self._path[identity]

    def _index(self, identity: str, step: StepView, before: StepState) -> None:
        state = step.state
        self._indexes.get(before, {}).pop(identity, None)
        if state in self._indexes:
            self._indexes[state][identity] = None
        self._index_ready(identity, state, before)
        if self.turned_back:
            self._settle_way_back(identity)

    def _index_ready(self, identity: str, state: StepState, before: StepState) -> None:
        if state is StepState.PENDING and self._waiting[identity] == 0:
            self.ready.add(identity)
        else:
            self.ready.discard(identity)
        if (state in RESTING) == (before in RESTING):
            return
        change = -1 if state in RESTING else 1
        for after in self.graph.dependents[identity]:
            self._waiting[after] += change
            if self._waiting[after] == 0 and self.steps[after].state is StepState.PENDING:
                self.ready.add(after)
            elif self._waiting[after]:
                self.ready.discard(after)

    # --- the way back: a step is clear when it owes nothing and everything after it is clear ------------------

    def _begin_way_back(self) -> None:
        self.unclear = len(self.steps)
        self._open_after = {identity: len(after) for identity, after in self.graph.dependents.items()}
        for identity in reversed(self.graph.nodes):
            if self._open_after[identity] == 0:
                self._settle_way_back(identity)

    def _settle_way_back(self, identity: str) -> None:
        """Look whether this step is clear now or may be undone; if clear, look at the ones before it."""
        todo = [identity]
        while todo:
            current = todo.pop()
            step = self.steps[current]
            self.undoable.discard(current)
            if self._open_after[current] != 0:
                continue
            if step.owes and step.state not in (StepState.STARTED, StepState.UNDOING):
                self.undoable.add(current)
            elif not step.owes and step.state not in (StepState.STARTED, StepState.UNDOING):
                self._open_after[current] = -1
                self.unclear -= 1
                for before in self.graph[current].after:
                    self._open_after[before] -= 1
                    todo.append(before)


_HALF_DONE = frozenset({StepState.PARTIAL, StepState.FAILED, StepState.BLOCKED})
"""What stays owed while a step is done once more after the pivot."""
_CLOSED_AGAIN = frozenset({StepState.UNDONE, StepState.PENDING, StepState.BLOCKED})
"""States of the pivot's step in which the gate stands closed although it was open before."""
