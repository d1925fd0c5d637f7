"""A journal that remembers true time: when each row was written, and when nobody acted on the run."""

from __future__ import annotations

from collections.abc import Callable

from runbook.events import Event, Kind
from runbook.journal.log import fold, to_event
from runbook.journal.reading import Row
from runbook.runview import RunView
from runbook.testing.store import MemoryStore
from tests.chaos.turns import Machine, Turns

STEP_KINDS = frozenset(kind for kind in Kind if kind.value.startswith(("step-", "undo-"))) - {Kind.STEP_LOOKING}


class TimedStore(MemoryStore):
    """One run. ``hook`` and ``alive``: see MemoryStore."""

    def __init__(
        self, clock: Turns, hook: Callable[[str], None] | None = None, alive: Callable[[], None] | None = None
    ) -> None:
        super().__init__(self._told, alive)
        self._and_then = hook or (lambda _where: None)
        self.clock = clock
        self.run_id = ""
        self.last: dict[str, Kind] = {}
        """Where each step is, on record."""
        self.times: list[float] = []
        """True time of every row."""
        self.silences: list[list[float]] = []
        """When nobody acted: from, to (true time)."""
        self._acting: set[str] = set()

    @property
    def fence(self) -> int:
        """The number that may write."""
        head = self.head(self.run_id)
        return head.fence if head else 0

    def _told(self, where: str) -> None:
        if where.startswith("after"):
            self.run_id = self.run_ids()[0]
            for row in self.rows(self.run_id, after=len(self.times)):
                self.times.append(self.clock.monotonic())
                self.seen(row)
        self._and_then(where)

    def seen(self, row: Row) -> None:
        """It is durable."""
        kind, machine = Kind(row.kind), self.clock.machine
        if kind in STEP_KINDS:
            self.last[row.step] = kind
        if kind is Kind.EXECUTOR_STARTED:
            machine.fence = row.fence
            self._acts(machine)

    def _acts(self, machine: Machine) -> None:
        self._acting.add(machine.name)
        if self.silences and len(self.silences[-1]) == 1:
            self.silences[-1].append(self.clock.monotonic())

    def acts_again(self, machine: Machine) -> None:
        """It was stopped and goes on: it acts, if its number is still good."""
        if machine.fence == self.fence:
            self._acts(machine)

    def silent_from(self, machine: Machine) -> None:
        """This one acts no more."""
        if machine.name in self._acting and machine.fence == self.fence:
            self.silences.append([self.clock.monotonic()])
        self._acting.discard(machine.name)

    def view_at(self, count: int) -> RunView:
        """The run as its first rows tell."""
        return fold(self.rows(self.run_id)[:count])

    def events(self) -> list[Event]:
        """All of the run."""
        return [to_event(row) for row in self.rows(self.run_id)]
