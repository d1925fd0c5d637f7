"""Which nights a rehearsal goes through, made from the plan's graph. Pure: no server is asked.

Each scenario knows what is done to it and where it has to end; both follow from where the step stands: before
anything is touched, before the pivot, or after it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from runbook.errors import UsageError
from runbook.graph import Graph, Node
from runbook.plan.compile import up_to_pivot
from runbook.plan.findings import nearest
from runbook.plan.models import OnLoss
from runbook.policy import PREFLIGHT


class Family(StrEnum):
    """Sorts of scenarios. ``night`` is both ways as planned; the others are faults."""

    NIGHT = "night"
    FAIL = "fail"
    HANG = "hang"
    KILL = "kill"
    DATA = "data"


FAULTS = (Family.FAIL, Family.HANG, Family.KILL, Family.DATA)


class Ending(StrEnum):
    """Where a night ends, as seen from outside."""

    NEW = "new setup"
    OLD = "old setup"
    REFUSED = "refused"
    """The old setup, and nothing was touched."""
    HELD = "held, then new setup"
    """After the pivot: a person is called, and resumes."""


@dataclass(frozen=True)
class Scenario:
    """One night. ``failpoints`` are those of the executor, ``guard_failpoints`` those of the guard it starts."""

    name: str
    family: Family
    ending: Ending
    step: str = ""
    failpoints: str = ""
    guard_failpoints: str = ""
    short: bool = False
    """The window is as short as the plan allows: what hangs is ended at the turn-back point."""
    guarded: bool = False
    called: bool = False
    """Nobody goes on by itself: a person types ``runbook resume``."""
    interrupted: bool = False
    """A person ends what hangs after the pivot, and resumes."""
    early: bool = False
    """Nothing before it has an effect: where nothing beside it has either, the night is refused instead."""
    corrupts: str = ""
    """A database of the target in which a row is changed while the executor stands still at its failpoint."""

    @property
    def alone(self) -> bool:
        """Its times are measured: nothing else runs beside it."""
        return self.family is Family.NIGHT


FORWARD, BACK = "forward", "back"


def scenarios(graph: Graph, effects: Collection[str], on_loss: OnLoss, databases: Iterable[str]) -> list[Scenario]:
    """All of them. ``effects``: steps that change something, and so can be lost in the middle of it; ``databases``:
    those that are moved to another server."""
    return [
        Scenario(FORWARD, Family.NIGHT, Ending.NEW),
        _back(graph),
        *_each(graph, effects, Family.HANG),
        *_each(graph, effects, Family.FAIL),
        *_kills(graph, effects, on_loss),
        *_data(databases),
    ]


def chosen(found: Collection[Scenario], only: Collection[str], faults: Collection[str]) -> list[Scenario]:
    """Those that ``--only`` (names, or patterns of them) and ``--faults`` (families) leave. UsageError for a pattern
    that no name fits: whoever wrote it would take for rehearsed what is not, and where nothing is left."""
    for pattern in only:
        if not any(_fits(one.name, pattern) for one in found):
            raise UsageError(f"no scenario is called {pattern!r}", hint=_meant(pattern, [one.name for one in found]))
    left = [
        one
        for one in found
        if (not only or any(_fits(one.name, pattern) for pattern in only))
        and (one.family is Family.NIGHT or one.family in faults)
    ]
    if not left:
        raise UsageError("--faults leaves nothing of --only", hint="Name the sort of fault that --only means, or none.")
    return left


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern.replace("[", "[[]"))  # names have brackets: fail:seed-backup[Contacts]


def _meant(pattern: str, names: Sequence[str]) -> str:
    if meant := nearest(pattern, names):
        return f"Did you mean {meant}?"
    sorts = {name.partition(":")[0]: name for name in reversed(names)}
    return f"There are {', '.join(reversed(sorts.values()))} and more; patterns such as 'fail:check-*' take several."


def mixed(found: Collection[Scenario]) -> list[Scenario]:
    """Those that mostly wait between those that mostly work, the long ones first."""
    waiting = [one for one in found if one.short]
    working = [one for one in found if not one.short]
    order: list[Scenario] = []
    while waiting or working:
        order += [side.pop(0) for side in (waiting, working) if side]
    return order


def _back(graph: Graph) -> Scenario:
    """Everything is done but the pivot, which is kept from happening until the turn-back point."""
    pivot = next(node.id for node in graph if node.pivot)
    point = _at("step.before-look", pivot, "hang")
    return Scenario(BACK, Family.NIGHT, Ending.OLD, pivot, point, short=True)


def _each(graph: Graph, effects: Collection[str], family: Family) -> Iterator[Scenario]:
    """One step of each kind: what they do on the next database is the same."""
    before = {node.id for node in up_to_pivot(graph)}
    for node in _first_of_each_kind(graph):
        place = "step.before-effect" if node.id in effects else "step.before-look"
        past = node.id not in before
        yield Scenario(
            f"{family}:{node.id}",
            family,
            Ending.HELD if past else Ending.REFUSED if node.phase == PREFLIGHT else Ending.OLD,
            node.id,
            _at(place, node.id, family.value),
            short=family is Family.HANG and not past,
            interrupted=family is Family.HANG and past,
            called=past,
            early=not _follows(graph, node, effects),
        )


def _follows(graph: Graph, node: Node, effects: Collection[str]) -> bool:
    """Whether anything that comes before it, however far, has an effect."""
    todo, seen = list(node.after), set[str]()
    while todo:
        before = todo.pop()
        if before in effects:
            return True
        if before not in seen:
            seen.add(before)
            todo.extend(graph[before].after)
    return False


def _first_of_each_kind(graph: Graph) -> Iterator[Node]:
    seen: set[str] = set()
    for node in graph:
        kind = node.id.partition("[")[0]
        if kind not in seen:
            seen.add(kind)
            yield node


def _kills(graph: Graph, effects: Collection[str], on_loss: OnLoss) -> Iterator[Scenario]:
    """In each phase the executor, once with its guard too, and once on the way back."""
    before = {node.id for node in up_to_pivot(graph)}
    phases: dict[str, Node] = {}
    for node in graph:
        if node.phase not in phases or (node.id in effects and phases[node.phase].id not in effects):
            phases[node.phase] = node
    for phase, node in phases.items():
        yield _kill(f"kill:{phase}", node, effects, _after_loss(on_loss, node, before), called=on_loss == "alarm")
    effective = [node for node in graph if node.id in effects and node.id in before]
    if not effective:
        return
    middle = effective[len(effective) // 2]
    yield _kill("kill:guard-too", middle, effects, Ending.NEW, called=True)
    pivot = next(node.id for node in graph if node.pivot)
    points = f"{_at('step.before-look', pivot, 'fail')};undo.before-effect=kill@2"
    yield Scenario("kill:way-back", Family.KILL, Ending.OLD, pivot, points, guarded=True, called=on_loss == "alarm")


def _kill(name: str, node: Node, effects: Collection[str], ending: Ending, *, called: bool) -> Scenario:
    place = "step.before-effect" if node.id in effects else "step.before-look"
    guard = "guard.before-take-over=kill" if name.endswith("guard-too") else ""
    points = _at(place, node.id, "kill")
    return Scenario(name, Family.KILL, ending, node.id, points, guard, guarded=True, called=called)


def _after_loss(on_loss: OnLoss, node: Node, before: Collection[str]) -> Ending:
    if on_loss != "revert" or node.id not in before:
        return Ending.NEW
    return Ending.REFUSED if node.phase == PREFLIGHT else Ending.OLD


def _data(databases: Iterable[str]) -> Iterator[Scenario]:
    """A row of a database is another one after the new server has recovered it."""
    for name in databases:
        statement = f"RESTORE DATABASE [{name.replace(']', ']]')}] WITH RECOVERY"
        point = f"effect.after~{_plain(statement)}=stop"
        yield Scenario(f"data:{name}", Family.DATA, Ending.OLD, failpoints=point, corrupts=name)


def _at(point: str, step: str, action: str) -> str:
    """A failpoint at exactly this step; what parts one failpoint from the next stands for itself nowhere."""
    return f"{point}~^{_plain(step)}$={action}"


def _plain(text: str) -> str:
    return re.sub("[;=]", ".", re.escape(text))
