"""From a plan and the known kinds of step to the ordered graph.

A step says by name what it comes after. Between two steps with the same key (a database) the name means that
one, otherwise all of that name; so a database does not wait for its neighbours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from runbook.errors import PlanError, PlanErrors
from runbook.graph import CycleError, Graph, Limits, Node
from runbook.plan.findings import nearest
from runbook.plan.models import Plan
from runbook.step import Budget, Sizes, Step


@dataclass(frozen=True)
class Compiled:
    """The graph (data, recorded with the run) and the steps that do the work, by id."""

    graph: Graph
    steps: Mapping[str, Step]


@dataclass(frozen=True)
class Expected:
    """Seconds that a step and its way back are granted by what was measured, and where that comes from. No ``undo``:
    its way back was not measured."""

    do: float
    undo: float | None
    source: str


class Experience(Protocol):
    """What was measured of a plan."""

    def expected(self, step: Step, sizes: Sizes) -> Expected | None:
        """For these sizes; None where nothing is known."""


def compile_plan(
    plan: Plan, kinds: Iterable[type[Step]], sizes: Sizes, experience: Experience | None = None
) -> Compiled:
    """Make the steps this plan needs and order them; PlanErrors when they cannot be ordered. A time that the plan
    states counts before one that was measured, and that before one that is computed."""
    known = list(kinds)
    steps = {step.id: step for kind in known if plan.strategy in kind.strategies for step in _instances(kind, plan)}
    by_name: dict[str, list[Step]] = {kind.name: [] for kind in known}
    for step in steps.values():
        by_name[step.name].append(step)
    _refuse_unknown_budgets(plan, by_name, steps)
    limits = Limits(plan.limits.workers, {name: server.limits.steps for name, server in plan.servers.items()})
    try:
        graph = Graph((_node(step, by_name, plan, sizes, experience) for step in steps.values()), limits)
    except CycleError as error:
        raise _wrong(plan, f"steps wait for one another: {error}", "Break the circle in their `after`.") from None
    return Compiled(graph, {identity: steps[identity] for identity in graph.nodes})


def _refuse_unknown_budgets(plan: Plan, by_name: Mapping[str, list[Step]], steps: Collection[str]) -> None:
    """A measured time that no step is granted would be missing where the turn-back point is computed."""
    for key in plan.budgets:
        name = key.partition("[")[0]
        if name not in by_name or (key != name and by_name[name] and key not in steps):
            meant = nearest(key, {*by_name, *steps})
            hint = f"Did you mean {meant}?" if meant else "runbook plan shows the steps and their names."
            where = PlanError(str(plan.path), 1, 1, f"budgets.{key}", "no step of this plan has that name", hint)
            raise PlanErrors([where])


def _instances(kind: type[Step], plan: Plan) -> list[Step]:
    return [kind(plan, key) for key in kind.keys(plan)]


def _node(
    step: Step, by_name: Mapping[str, list[Step]], plan: Plan, sizes: Sizes, experience: Experience | None
) -> Node:
    budget, source = _budget(step, plan, sizes, experience)
    return Node(
        id=step.id,
        phase=step.phase.value,
        after=tuple(_before(step, by_name, plan)),
        servers=step.servers,
        do_budget=budget.do,
        undo_budget=budget.undo,
        pivot=step.pivot,
        irreversible=step.irreversible,
        version=step.version,
        source=source,
    )


def _budget(step: Step, plan: Plan, sizes: Sizes, experience: Experience | None) -> tuple[Budget, str]:
    budget, source = step.budget(sizes), "computed"
    expected = experience.expected(step, sizes) if experience else None
    if expected:
        budget = Budget(expected.do, budget.undo if expected.undo is None else expected.undo)
        source = expected.source
    do, undo = plan.budget_for(step.id)
    if do is None and undo is None:
        return budget, source
    return Budget(budget.do if do is None else do, budget.undo if undo is None else undo), "stated"


def _before(step: Step, by_name: Mapping[str, list[Step]], plan: Plan) -> Iterable[str]:
    for name in step.after:
        if name not in by_name:
            raise _wrong(plan, f"{step.name} comes after {name}, which is no known step", "Mend `after` of that step.")
        same = [other.id for other in by_name[name] if step.key is not None and other.key == step.key]
        yield from same or [other.id for other in by_name[name]]


def _wrong(plan: Plan, message: str, hint: str) -> PlanErrors:
    return PlanErrors([PlanError(str(plan.path), 1, 1, "", message, hint)])


@dataclass(frozen=True)
class Fit:
    """Does the way forward and, from its worst point, the way back fit the window? All in seconds."""

    forward: float
    way_back: float
    reserve: float
    window: float

    @property
    def fits(self) -> bool:
        """There is time for both."""
        return self.forward + self.way_back + self.reserve <= self.window


def worst_way_back(graph: Graph) -> float:
    """Seconds the way back takes when everything before the pivot is owed (see ``RunView.way_back``)."""
    chain: dict[str, float] = {}
    owed: dict[str, float] = {}
    for node in graph:
        undo = 0.0 if node.irreversible or node.pivot else node.undo_budget
        chain[node.id] = undo + max((chain[before] for before in node.after), default=0.0)
        for server in (*node.servers, ""):
            owed[server] = owed.get(server, 0.0) + undo
    shared = sum(seconds / graph.limits.of(server) for server, seconds in owed.items() if server)
    return max(chain.values(), default=0.0) + shared + owed.get("", 0.0) / graph.limits.workers


def up_to_pivot(graph: Graph) -> Graph:
    """The graph without what comes after the pivot."""
    after: set[str] = set()
    for node in graph:
        if any(before in after or graph[before].pivot for before in node.after):
            after.add(node.id)
    return Graph((node for node in graph if node.id not in after), graph.limits)
