"""Promise 2: when every way back kept to its budget, the old setup was in service at ``closes_at``, but for the time in
which nobody was there to act on it. Judged by true time, in seconds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from runbook.policy import ENDING
from runbook.runview import RunView
from runbook.states import StepState
from tests.chaos.record import TimedStore
from tests.chaos.told import Told

GRACE = 1.0
"""Seconds by which the end may be late for reasons of the harness; the reserve is five or more."""


@dataclass
class Back:
    """One way back that was gone, as it truly was."""

    step: str
    began: float
    ended: float = -1.0
    good: bool = False
    failed: bool = False


@dataclass
class Course:
    """How a run that went back truly went."""

    store: TimedStore
    opened: float
    closes: float
    back_at: float
    """When users were let in again."""
    backs: list[Back]
    turned_tail: float = 0.0
    """How long what ran forward when the run turned back did not feel it."""

    def judge(self, told: Told) -> None:
        """Say whether the deadline was promised, and how it came out."""
        budgets = {node.id: node.undo_budget for node in self.store.view_at(1).graph}
        if not all(self._is_in_budget(back, budgets[back.step]) for back in self.backs if back.began < self.back_at):
            return
        late = self.back_at - self.closes
        if late <= 0:
            told.promised = "kept"
            return
        excused = self._excused()
        if late <= excused + GRACE:
            told.promised = "kept but for dead time"
            return
        told.promised = "broken"
        told.broken.append(f"the deadline is missed by {late:.2f} s, of which {excused:.2f} s nobody could act")

    def _is_in_budget(self, back: Back, budget: float) -> bool:
        if back.ended < 0:
            return not back.failed and self._was_cut(back, budget)
        return back.good and back.ended - back.began <= budget + 0.001

    def _was_cut(self, back: Back, budget: float) -> bool:
        """It did not come to its end because its process did not."""
        return any(back.began <= silence[0] <= back.began + budget for silence in self.store.silences)

    # --- what is excused: nobody was there who could have acted, or the clock hid it --------------------------------

    def _excused(self) -> float:
        dead = sum(self._dead(start, end) for start, end in self._silences())
        return dead + self._hidden() + self._unfelt()

    def _silences(self) -> list[tuple[float, float]]:
        found = [(one[0], one[1] if len(one) > 1 else self.back_at) for one in self.store.silences]
        return [(start, min(end, self.back_at)) for start, end in found if start < self.back_at]

    def _dead(self, start: float, end: float) -> float:
        view = self.store.view_at(sum(1 for at in self.store.times if at <= start))
        if view.turned_back:
            return end - start + self._lost(view, start)
        turn_back_at = self.closes - view.way_back - view.reserve
        return max(0.0, end - max(start, turn_back_at))

    def _lost(self, view: RunView, at: float) -> float:
        """What was put back by half has to be put back once more: as long, at most, as a way back of what was lost."""
        limits = view.graph.limits
        last = {back.step: back for back in self.backs if back.began <= at}
        lost = [
            (back, (min(back.ended, at) if back.ended >= 0 else at) - back.began)
            for back in last.values()
            if view.steps[back.step].state is StepState.UNDOING
        ]
        shared: Counter[str] = Counter()
        for back, seconds in lost:
            for server in view.graph[back.step].servers:
                shared[server] += seconds / limits.of(server)  # type: ignore[assignment]
            shared[""] += seconds / limits.workers  # type: ignore[assignment]
        return max((seconds for _, seconds in lost), default=0.0) + sum(shared.values())

    def _hidden(self) -> float:
        """A clock that was set back while nobody lived: no process can know how long that was."""
        events = self.store.events()
        begun, opened = events[0].at, self.store.times[0]
        seen = [
            (event.at - begun) / timedelta(seconds=1) - (at - opened)
            for event, at in zip(events, self.store.times, strict=True)
        ]
        return max(0.0, -min(seen))

    def _unfelt(self) -> float:
        """What ran forward and does not feel a cancellation holds up its own branch."""
        return max(0.0, self.turned_tail - ENDING)
