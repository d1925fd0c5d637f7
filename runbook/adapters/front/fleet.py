"""One gate on several hosts: closed when it is closed on all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from runbook.errors import RunbookError, Unreachable
from runbook.front import GateState, Rule

T = TypeVar("T")


class Door(Protocol):
    """The gate on one host."""

    def observe(self) -> GateState: ...
    def earlier(self) -> Any:
        """What must be kept to put back exactly what stood there (JSON-able; None when nothing)."""

    def troubles(self) -> tuple[str, ...]: ...
    def differs(self, text: str, rules: Sequence[Rule]) -> tuple[str, ...]: ...
    def close(self, text: str, rules: Sequence[Rule]) -> None: ...
    def open(self, earlier: Any) -> None: ...


class Together(Protocol):
    """Does the same for many, side by side: ``Services.together``."""

    def __call__(self, work: Callable[[str], Any], items: Sequence[str], limit: int) -> list[Any]: ...


class FleetGate:
    """Implements ``runbook.front.Gate``. With ``accepts``, hosts that do not answer are left out as long as one
    does."""

    def __init__(self, doors: Mapping[str, Door], together: Together, *, accepts: bool = False) -> None:
        self._doors = dict(doors)
        self._together = together
        self._accepts = accepts
        self._missing: dict[str, str] = {}

    def observe(self) -> GateState:
        """What all agree on; FOREIGN when one says so, else PARTIAL."""
        found = set(self._all(lambda door: door.observe()).values())
        if GateState.FOREIGN in found:
            return GateState.FOREIGN
        return found.pop() if len(found) == 1 else GateState.PARTIAL

    def earlier(self) -> str:
        """Host by host, as JSON; empty when nothing stood anywhere."""
        found = {host: kept for host, kept in self._all(lambda door: door.earlier()).items() if kept is not None}
        return json.dumps(found, sort_keys=True) if found else ""

    def troubles(self) -> tuple[str, ...]:
        """Host by host."""
        found = self._all(lambda door: door.troubles())
        return tuple(f"{host}: {trouble}" for host, troubles in found.items() for trouble in troubles)

    def missing(self) -> tuple[str, ...]:
        """One sentence for each host that did not answer at the last call."""
        return tuple(f"the gate on {host} is as it was left: {why}" for host, why in sorted(self._missing.items()))

    def differs(self, text: str, rules: Sequence[Rule] = ()) -> tuple[str, ...]:
        """``HOST:PATH`` of everything that is not as it should be."""
        found = self._all(lambda door: door.differs(text, rules))
        return tuple(f"{host}:{place}" for host, places in found.items() for place in places)

    def close(self, text: str, rules: Sequence[Rule] = ()) -> None:
        """On all hosts; the first trouble is raised when all have been tried."""
        self._all(lambda door: door.close(text, rules))

    def open(self, earlier: str) -> None:
        """On all hosts; the first trouble is raised when all have been tried."""
        kept: dict[str, Any] = json.loads(earlier) if earlier else {}
        self._each(lambda host: self._doors[host].open(kept.get(host)))

    def _all(self, work: Callable[[Door], T]) -> dict[str, T]:
        return self._each(lambda host: work(self._doors[host]))

    def _each(self, work: Callable[[str], T]) -> dict[str, T]:
        """What every host that answers says; what is wrong with one does not keep the others from being done."""
        found: dict[str, T] = {}
        wrong: dict[str, RunbookError] = {}

        def one(host: str) -> None:
            try:
                found[host] = work(host)
            except RunbookError as error:
                wrong[host] = error

        self._together(one, tuple(self._doors), len(self._doors))
        accepted = {host for host, error in wrong.items() if self._accepts and isinstance(error, Unreachable) and found}
        self._missing = {host: wrong[host].message for host in accepted}
        for host in self._doors:
            if host in wrong and host not in accepted:
                raise wrong[host]
        return {host: found[host] for host in self._doors if host in found}
