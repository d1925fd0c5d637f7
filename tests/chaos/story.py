"""A generated story of a night: the graph, what the world does to it, and how its processes end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from runbook.graph import Graph, Limits, Node


@dataclass(frozen=True)
class Act:
    """How one call goes. ``what``: see ``FORWARD`` and ``BACK``; ``seconds`` it takes."""

    what: str
    seconds: float = 1.0


FORWARD = {
    "refused": "nothing happens, an error",
    "half": "stops half way with an error",
    "lie": "success without effect",
    "half-lie": "success, done by half",
    "lost": "done, the answer is lost",
    "drop": "nothing happens, the connection breaks",
    "half-drop": "done by half, the connection breaks",
    "hang": "never ends until it is cancelled",
    "half-hang": "done by half, then never ends until it is cancelled",
    "stubborn": "does not feel a cancellation",
    "slow": "far over its budget",
}
BACK = {**{name: FORWARD[name] for name in ("refused", "half", "lie", "lost", "drop", "hang", "slow")}}
LOOKS = {"blocked": "a check does not hold", "blind": "the look fails", "slow": "the look takes long"}


@dataclass(frozen=True)
class Stop:
    """One thing of the graph: a node, and how the world answers each try. Tries beyond those listed go well."""

    node: Node
    kind: str
    """``check``, ``switch``, ``gate``, ``pivot`` or ``later``."""
    before: str = "a"
    takes: float = 1.0
    back_takes: float = 1.0
    acts: tuple[Act, ...] = ()
    backs: tuple[Act, ...] = ()
    gradual: bool = False
    """What is done well is done by half from the beginning: cut off, it is neither old nor new."""
    for_ever: bool = False
    """The last of ``backs`` is how every further way back goes, until a person mends it."""
    looks: tuple[Act, ...] = ()
    verifies: tuple[Act, ...] = ()
    back_verifies: tuple[Act, ...] = ()

    @property
    def id(self) -> str:
        return self.node.id

    def words(self) -> str:
        """One line."""
        node = self.node
        says = [f"{self.kind} {node.id}"]
        if node.after:
            says.append(f"after {' '.join(node.after)}")
        says.append(f"on {' '.join(node.servers) or 'no server'}")
        says.append(f"do {self.takes:.1f} of {node.do_budget:.1f} s")
        if node.undo_budget:
            says.append(f"back {self.back_takes:.1f} of {node.undo_budget:.1f} s")
        if self.gradual:
            says.append("gradual")
        if self.before != "a":
            says.append(f"stands at {self.before!r} before")
        for name in ("looks", "acts", "verifies", "backs", "back_verifies"):
            listed = getattr(self, name)
            if listed:
                says.append(f"{name}: {', '.join(f'{act.what} {act.seconds:.1f} s' for act in listed)}")
        return "; ".join(says) + (" (for ever)" if self.for_ever else "")


@dataclass(frozen=True)
class Life:
    """How one process ends, and what comes then. ``cut`` and ``stop`` count its moments, ``at`` seconds."""

    how: str = ""
    """``cut`` (power), ``stop`` (stands still for ``lasts`` seconds), or nothing."""
    moment: int = -1
    at: float = -1.0
    lasts: float = 0.0
    gap: float = 20.0
    """Seconds until somebody comes to look."""

    def words(self) -> str:
        """One line."""
        if not self.how:
            return "a process that is left alone"
        when = f"at its moment {self.moment}" if self.moment >= 0 else f"after {self.at:.1f} s"
        what = "loses power" if self.how == "cut" else f"is stopped for {self.lasts:.1f} s"
        return f"a process that {what} {when}; the next one comes {self.gap:.1f} s later"


@dataclass(frozen=True)
class Happening:
    """Something that happens ``at`` seconds after the run was opened: ``clock`` (``number`` seconds), ``hold``,
    ``go-on``, ``revert``, or ``disk-full`` under the journal for ``number`` seconds."""

    what: str
    at: float
    number: float = 0.0

    def words(self) -> str:
        """One line."""
        return f"after {self.at:.1f} s: {self.what}{f' {self.number:+.1f} s' if self.number else ''}"


@dataclass(frozen=True)
class Story:
    """All of it. ``order`` draws which thread goes on when several may."""

    stops: tuple[Stop, ...]
    window: float
    workers: int = 4
    limits: tuple[tuple[str, int], ...] = ()
    lives: tuple[Life, ...] = ()
    happenings: tuple[Happening, ...] = ()
    order: int = 0
    shape: str = field(default="", compare=False)

    def graph(self) -> Graph:
        """As the journal records it."""
        return Graph((stop.node for stop in self.stops), Limits(self.workers, dict(self.limits)))

    def words(self) -> Iterator[str]:
        """What happens, line by line."""
        limits = ", ".join(f"{name} {number}" for name, number in self.limits)
        yield f"a window of {self.window:.1f} s, {self.workers} workers, limits: {limits or 'none'}; {self.shape}"
        yield from (f"  {stop.words()}" for stop in self.stops)
        yield from (f"  {life.words()}" for life in self.lives)
        yield from (f"  {one.words()}" for one in self.happenings)

    def smaller(self) -> Iterator[Story]:
        """The same with one piece left out, the large pieces first."""
        for name in ("lives", "happenings"):
            for at in range(len(getattr(self, name))):
                yield replace(self, **{name: _without(getattr(self, name), at)})
        for at, stop in enumerate(self.stops):
            if stop.kind not in ("gate", "pivot"):
                yield replace(self, stops=tuple(_past(other, stop) for other in _without(self.stops, at)))
        for at, stop in enumerate(self.stops):
            for simpler in _simpler(stop):
                yield replace(self, stops=(*self.stops[:at], simpler, *self.stops[at + 1 :]))
        if self.workers > 1:
            yield replace(self, workers=1)


def _without(items: tuple[Any, ...], at: int) -> tuple[Any, ...]:
    return (*items[:at], *items[at + 1 :])


def _past(stop: Stop, gone: Stop) -> Stop:
    """It comes after whatever the one that is gone came after."""
    if gone.id not in stop.node.after:
        return stop
    after = dict.fromkeys(one for one in (*stop.node.after, *gone.node.after) if one != gone.id)
    return replace(stop, node=replace(stop.node, after=tuple(after)))


def _simpler(stop: Stop) -> Iterator[Stop]:
    for one in fields(stop):
        listed = getattr(stop, one.name)
        if isinstance(listed, tuple):
            for at in range(len(listed)):
                yield replace(stop, **{one.name: _without(listed, at)})
    if len(stop.node.servers):
        yield replace(stop, node=replace(stop.node, servers=()))
