"""``runbook revert`` past the pivot: what it would lose, counted, and accepted by a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runbook.cancel import CancelToken
from runbook.context import StepReadContext
from runbook.errors import NotSupported, Refused
from runbook.events import Draft, Kind
from runbook.executor import Executor, refuse_changed
from runbook.journal.log import RunLog
from runbook.plan.models import Plan
from runbook.runview import RunView
from runbook.states import RunState
from runbook.toolkit.loss import Loss, count_loss, missing_ways_back

WEIGHING = "expect-loss"
"""The step whose way back counts the loss; the statements of a count are recorded as its own."""


@dataclass(frozen=True)
class Weighed:
    """What going back would lose, as counted just now. ``log`` holds the record of the count, to be written with the
    acceptance; without one nothing is written."""

    view: RunView
    loss: Loss
    log: RunLog
    more: int = 0
    """Rows that may come on top until users are kept out."""

    def to_json(self) -> dict[str, Any]:
        """The documented schema."""
        pivot_at = self.view.pivot_at.isoformat(timespec="seconds") if self.view.pivot_at else None
        return {"run": self.view.run_id, "pivot_at": pivot_at, "loss": self.loss.to_json()}


def is_at_stake(view: RunView) -> bool:
    """Users were let in, and nobody has accepted yet that what they wrote is lost."""
    over = view.ending and (view.declared or view.ending is not RunState.UPGRADED)
    return view.pivot_at is not None and not over and not view.accepted


def weigh(executor: Executor, log: RunLog, plan: Plan) -> Weighed:
    """Count the loss of a run past its pivot; reads only. Refused when the way back is gone, whatever is accepted."""
    view = log.view
    refuse_changed(view, plan)
    if WEIGHING not in view.graph.nodes:
        raise NotSupported(
            f"run {view.run_id} was opened by a version that could not go back after the pivot",
            hint="Its databases on the old setup are fenced and unchanged: recover them by hand.",
        )
    _refuse_overtaken(executor, view)
    world = executor.world(plan)
    world.attach(log)
    token = CancelToken(executor.clock)
    ctx = StepReadContext(WEIGHING, log, world, token, executor.now, lambda _done, _total, _what: None)
    missing = missing_ways_back(ctx)
    if missing:
        raise Refused(
            f"run {view.run_id} cannot go back any more: {'; '.join(missing)}",
            hint="Nothing was touched. What is left of the old setup are the backups of the run.",
        )
    return Weighed(view, count_loss(ctx), log)


def accept(executor: Executor, weighed: Weighed, reason: str) -> None:
    """Record that a person gives up what was counted, and so many rows more as may come until users are out. From here
    on the run goes back, whichever process drives it."""
    loss = weighed.loss
    data = {"loss": loss.to_json(), "total": loss.total, "more": weighed.more, "reason": reason}
    _refuse_overtaken(executor, weighed.view)
    begun = weighed.log.append(Draft(Kind.LOSS_ACCEPTED, None, data), unless=lambda run: not is_at_stake(run))
    if not begun:
        raise Refused(
            f"run {weighed.view.run_id} changed while the loss was counted", hint="Look at it with: runbook status."
        )


def _refuse_overtaken(executor: Executor, view: RunView) -> None:
    """A later run of the same servers has made of them what this one does not know."""
    mine = _servers(view)
    for run_id in executor.store.run_ids():
        if run_id <= view.run_id:
            continue
        later = RunLog.load(executor.store, run_id, actor=executor.actor, now=executor.now).view
        if later.ending is not RunState.REFUSED and mine & _servers(later):
            raise Refused(
                f"run {run_id} came after run {view.run_id} and uses the same servers",
                hint=f"Go back from the later one first: runbook revert {run_id}",
            )


def _servers(view: RunView) -> set[str]:
    return {str(server.get("url")) for server in view.opening["servers"].values()}
