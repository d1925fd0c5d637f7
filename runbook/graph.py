"""The ordered graph a plan compiles to, as data: what the judgement and the journal know of the steps.

It is recorded whole when a run opens, so that the state of a run can be read back without the plan, the
steps or the servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """One step of the graph. Budgets are seconds, ``source`` says where they come from (``stated``, ``computed``)."""

    id: str
    phase: str
    after: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    do_budget: float = 1.0
    undo_budget: float = 0.0
    pivot: bool = False
    irreversible: bool = False
    version: int = 1
    source: str = "computed"

    def to_json(self) -> dict[str, Any]:
        """As recorded in ``run-opened``."""
        return {
            "id": self.id,
            "phase": self.phase,
            "after": list(self.after),
            "servers": list(self.servers),
            "do": self.do_budget,
            "undo": self.undo_budget,
            "pivot": self.pivot,
            "irreversible": self.irreversible,
            "version": self.version,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Node:
        """The inverse of :meth:`to_json`."""
        return cls(
            data["id"],
            data["phase"],
            tuple(data["after"]),
            tuple(data["servers"]),
            data["do"],
            data["undo"],
            data["pivot"],
            data["irreversible"],
            data["version"],
            data["source"],
        )


@dataclass(frozen=True)
class Limits:
    """How many steps may run side by side: in the whole run, and on each server (default 4)."""

    workers: int = 8
    servers: Mapping[str, int] = field(default_factory=dict)

    def of(self, server: str) -> int:
        """The limit of one server."""
        return self.servers.get(server, 4)


class CycleError(ValueError):
    """Steps that wait for one another; ``ids`` in the order of the cycle."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(" -> ".join(ids))
        self.ids = ids


class Graph:
    """Nodes in a topological order that is the same for the same input, with their dependents."""

    def __init__(self, nodes: Iterable[Node], limits: Limits) -> None:
        by_id = {node.id: node for node in nodes}
        self.limits = limits
        self.nodes: dict[str, Node] = {identity: by_id[identity] for identity in _sorted(by_id)}
        self.dependents: dict[str, list[str]] = {identity: [] for identity in self.nodes}
        for node in self.nodes.values():
            for before in node.after:
                self.dependents[before].append(node.id)

    def __getitem__(self, identity: str) -> Node:
        return self.nodes[identity]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

    def before(self, identity: str) -> Iterator[str]:
        """Every step that comes before that one, however far, and so is put back after it."""
        todo, seen = list(self[identity].after), set[str]()
        while todo:
            found = todo.pop()
            if found not in seen:
                seen.add(found)
                yield found
                todo.extend(self[found].after)

    def to_json(self) -> dict[str, Any]:
        """As recorded in ``run-opened``."""
        return {
            "nodes": [node.to_json() for node in self],
            "limits": {"workers": self.limits.workers, "servers": dict(self.limits.servers)},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Graph:
        """The inverse of :meth:`to_json`."""
        limits = Limits(data["limits"]["workers"], data["limits"]["servers"])
        return cls((Node.from_json(node) for node in data["nodes"]), limits)


class Waiting:
    """Steps in the order in which they came, one queue for each set of servers they need.

    Who looks for what may begin looks at the front of each queue, and past it only while its servers have room:
    five hundred databases that wait for one server cost no more to ask than five.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._queues: dict[tuple[str, ...], dict[str, int]] = {}
        self._came = 0

    def add(self, identity: str) -> None:
        """At the end; one that waits already keeps its place."""
        queue = self._queues.setdefault(self._graph[identity].servers, {})
        if identity not in queue:
            self._came += 1
            queue[identity] = self._came

    def discard(self, identity: str) -> None:
        """Whether it waits or not."""
        self._queues.get(self._graph[identity].servers, {}).pop(identity, None)

    def __contains__(self, identity: str) -> bool:
        return identity in self._queues.get(self._graph[identity].servers, {})

    def first_come(self, full: Callable[[tuple[str, ...]], bool]) -> Iterator[str]:
        """First come first served; a queue ends where ``full`` says that its servers have no room."""
        fronts: list[_Front] = []
        for servers, queue in self._queues.items():
            _next_front(fronts, servers, iter(queue.items()))
        while fronts:
            _, identity, servers, rest = heappop(fronts)
            if not full(servers):
                _next_front(fronts, servers, rest)
                yield identity


_Front = tuple[int, str, tuple[str, ...], Iterator[tuple[str, int]]]


def _next_front(fronts: list[_Front], servers: tuple[str, ...], rest: Iterator[tuple[str, int]]) -> None:
    for identity, number in rest:
        heappush(fronts, (number, identity, servers, rest))
        return


def _sorted(nodes: Mapping[str, Node]) -> list[str]:
    """Kahn's algorithm, first come first served; raises CycleError."""
    waiting = {identity: len(node.after) for identity, node in nodes.items()}
    dependents: dict[str, list[str]] = {identity: [] for identity in nodes}
    for identity, node in nodes.items():
        for before in node.after:
            dependents[before].append(identity)
    order = [identity for identity, count in waiting.items() if count == 0]
    for identity in order:
        for after in dependents[identity]:
            waiting[after] -= 1
            if waiting[after] == 0:
                order.append(after)  # the queue grows while it is walked
    if len(order) < len(nodes):
        raise CycleError(_cycle(nodes, set(nodes) - set(order)))
    return order


def _cycle(nodes: Mapping[str, Node], left: set[str]) -> list[str]:
    """One cycle among the nodes that could not be ordered."""
    path = [min(left)]
    while True:
        following = next(before for before in nodes[path[-1]].after if before in left)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)


def makespan(graph: Graph) -> float:
    """Seconds the way forward takes when every step takes its budget, limits respected (list scheduling)."""
    waiting = {node.id: len(node.after) for node in graph}
    ready = [node.id for node in graph if not node.after]
    running: list[tuple[float, str]] = []
    load: dict[str, int] = {}
    at = 0.0
    while ready or running:
        _start_what_fits(graph, ready, running, load, at)
        running.sort()
        at, ended = running.pop(0)
        for server in graph[ended].servers:
            load[server] -= 1
        for after in graph.dependents[ended]:
            waiting[after] -= 1
            if waiting[after] == 0:
                ready.append(after)
    return at


def _start_what_fits(
    graph: Graph, ready: list[str], running: list[tuple[float, str]], load: dict[str, int], at: float
) -> None:
    for identity in list(ready):
        if len(running) >= graph.limits.workers:
            return
        node = graph[identity]
        if any(load.get(server, 0) >= graph.limits.of(server) for server in node.servers):
            continue
        ready.remove(identity)
        running.append((at + node.do_budget, identity))
        for server in node.servers:
            load[server] = load.get(server, 0) + 1
