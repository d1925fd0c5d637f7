"""``runbook execute``, ``resume``, ``revert``, ``hold``: what a person decides about a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from runbook.commands import losing
from runbook.commands.losing import Weighed
from runbook.commands.status import Status, find_run
from runbook.errors import AlreadyRunning, Refused, RunbookError, UsageError
from runbook.events import Draft, Kind
from runbook.executor import Executor, refuse_changed
from runbook.journal.lease import Process, acquire, is_live, watched
from runbook.journal.log import RunLog, view_of
from runbook.journal.store import LeaseRow
from runbook.plan.load import load_plan
from runbook.plan.models import Plan
from runbook.runview import RunView
from runbook.states import RunState


def execute(
    executor: Executor,
    plan_path: Path,
    window: timedelta | None,
    rehearsed: Callable[[Plan], str] = lambda _plan: "",
) -> tuple[str, RunState]:
    """Open a run of the plan and drive it to its end; returns (run id, state). ``rehearsed``: what the record says of
    the rehearsal of the plan as it is now; what it raises keeps the run from being opened."""
    plan = load_plan(plan_path)
    noted = rehearsed(plan)
    for earlier in executor.store.run_ids():
        tidy(executor, earlier)
    run_id = executor.open_run(plan, (plan.window.length if window is None else window).total_seconds())
    if noted:
        log = RunLog.load(executor.store, run_id, actor=executor.actor, now=executor.now)
        log.append(Draft(Kind.NOTE, None, {"text": noted, "finding": True}))
    return run_id, executor.drive(run_id, plan)


def resume(executor: Executor, run: str | None, plan_path: Path | None = None) -> tuple[str, RunState]:
    """Go on with a run whose executor is gone, or let one that was held go on. ``plan_path``: where the plan is on this
    machine, when it is not where the run was opened."""
    view = newest(executor, run)
    if view.ending:
        raise _ended(executor, view, plan_path)
    if _is_live(executor, view.run_id):
        if not view.hold_requested:
            raise UsageError(f"run {view.run_id} is under way", hint="Watch it with: runbook status --watch.")
        request(executor, view.run_id, "go-on", "")
        return view.run_id, RunState.RUNNING
    if view.hold_requested:
        request(executor, view.run_id, "go-on", "")
    return view.run_id, executor.drive(view.run_id, plan_of(view, plan_path))


def weigh(executor: Executor, run: str | None, plan_path: Path | None = None) -> Weighed | None:
    """What a revert would lose; None when there is nothing to accept: before the pivot, or once it is accepted."""
    run_id = find_run(executor.store, run)
    log = RunLog.load(executor.store, run_id, actor=executor.actor, now=executor.now)
    return losing.weigh(executor, log, plan_of(log.view, plan_path)) if losing.is_at_stake(log.view) else None


def revert(
    executor: Executor,
    run: str | None,
    reason: str,
    plan_path: Path | None = None,
    weighed: Weighed | None = None,
) -> tuple[str, RunState]:
    """Turn back: an executor that is at work does it, else this process. Past the pivot only with a loss that was
    ``weighed`` and confirmed."""
    view = newest(executor, run)
    if view.ending and (view.declared or view.ending is not RunState.UPGRADED):
        setup = "new" if view.ending is RunState.UPGRADED else "old"
        raise UsageError(f"run {view.run_id} has ended: {view.ending}", hint=f"The {setup} setup is in service.")
    if losing.is_at_stake(view):
        if weighed is None:
            raise _past_the_pivot(view)
        losing.accept(executor, weighed, reason or "no reason given")
        view = newest(executor, view.run_id)
    live = _is_live(executor, view.run_id)
    plan = None if live else plan_of(view, plan_path)
    if plan:
        refuse_changed(view, plan)  # before the wish is recorded: what is refused must not be carried out later
    asked = view.accepted or request(
        executor, view.run_id, "revert", reason or "no reason given", unless=lambda run: run.pivot_at
    )
    if not asked:
        raise _past_the_pivot(newest(executor, view.run_id))
    return view.run_id, RunState.REVERTING if plan is None else executor.drive(view.run_id, plan)


def _past_the_pivot(view: RunView) -> Refused:
    return Refused(
        f"run {view.run_id} is past the pivot: the gate opened at {view.pivot_at:%H:%M:%S} UTC on the new setup",
        hint="What users wrote since then would be lost: runbook revert counts it and says how to accept that.",
    )


def hold(executor: Executor, run: str | None, reason: str) -> Status:
    """Ask the executor to stop at the next safe point; the turn-back point still applies."""
    view = newest(executor, run)
    going_back = "is going back already" if view.turned_back else ""
    if view.ending or view.pivot_at or going_back or not _is_live(executor, view.run_id):
        what = f"has ended: {view.ending}" if view.ending else going_back or "is not under way"
        raise Refused(f"run {view.run_id} {what}, there is nothing to hold", hint="runbook status shows where it is.")
    request(executor, view.run_id, "hold", reason or "a person asked")
    return Status(newest(executor, view.run_id), live=True, owner="")


ENDING_OF = {"old": RunState.REVERTED, "new": RunState.UPGRADED}


def declare(executor: Executor, run: str | None, setup: str, reason: str) -> Status:
    """Record that a run has ended because a person put it right by other means; of what is on the servers only its own
    marker, and the copy of its journal, are given back.

    ``setup`` (``old`` or ``new``) says which one is in service. For a run that can neither be resumed nor reverted, and
    would keep its servers from ever being used by another one.
    """
    view = newest(executor, run)
    if view.ending:
        raise _ended(executor, view)
    if setup == "new" and not view.touched:
        raise Refused(
            f"run {view.run_id} has touched nothing, so the new setup cannot be in service because of it",
            hint=f"Say: runbook declare old {view.run_id}.",
        )
    if not reason.strip():
        raise UsageError("a declared ending needs its reason", hint="Add --reason TEXT: what was done, and by whom.")
    here = Process.here()
    gone = watched(executor.store, view.run_id, here, executor.clock, executor.now)
    lease = acquire(executor.store, view.run_id, executor.actor, here, executor.now, lapsed=gone)
    try:
        log = RunLog.load(executor.store, view.run_id, actor=executor.actor, now=executor.now, fence=lease.fence)
        data = {"ending": ENDING_OF[setup].value, "reason": reason, "declared": executor.actor}
        log.append(Draft(Kind.RUN_FINISHED, None, data))
    except BaseException:
        lease.release()
        raise
    with suppress(RunbookError):  # without plan or servers: the next command on this run, or the next run, does it
        executor.give_back(log, plan_of(log.view), lease)
    return Status(log.view, live=False, owner="")


def tidy(executor: Executor, run_id: str, plan_path: Path | None = None, lapsed: LeaseRow | None = None) -> str:
    """Give back what an ended run has left on its servers, if it has; returns what to tell, also when it cannot be."""
    lease = executor.store.lease(run_id)
    if lease is None or lease.released or not (view := view_of(executor.store, run_id)).ending:
        return ""
    try:
        return executor.tidy(run_id, plan_of(view, plan_path), lapsed)
    except AlreadyRunning:
        return ""  # somebody is at it
    except RunbookError as error:
        return f"what it left on the servers is still there: {error.message}"


def _ended(executor: Executor, view: RunView, plan_path: Path | None = None) -> UsageError:
    told = tidy(executor, view.run_id, plan_path)
    message = f"run {view.run_id} has ended: {view.ending}"
    return UsageError(f"{message}; {told}" if told else message, hint="runbook audit show tells about it.")


def request(
    executor: Executor, run_id: str, what: str, reason: str, unless: Callable[[RunView], object] | None = None
) -> bool:
    """Record what a person decided; the executor at work reads it within half a second. See :meth:`RunLog.append`."""
    log = RunLog.load(executor.store, run_id, actor=executor.actor, now=executor.now)
    return log.append(Draft(Kind.REQUESTED, None, {"what": what, "reason": reason}), unless=unless)


def newest(executor: Executor, run: str | None) -> RunView:
    """The run meant."""
    run_id = find_run(executor.store, run)
    return RunLog.load(executor.store, run_id, actor=executor.actor, now=executor.now).view


def plan_of(view: RunView, path: Path | None = None) -> Plan:
    """The plan a run was opened with, from where it was, or from where it is on this machine."""
    opened = Path(view.opening["plan_path"])
    if path is None and not opened.exists():
        raise Refused(
            f"the plan of run {view.run_id} is not at {opened}",
            hint="Say where it is on this machine: --plan FILE. It must be the one the run was opened with.",
        )
    return load_plan(path or opened)


def _is_live(executor: Executor, run_id: str) -> bool:
    return is_live(executor.store.lease(run_id), executor.now(), Process.here())
