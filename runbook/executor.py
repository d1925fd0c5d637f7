"""Opening a run, and driving it to where it can go: the part of ``execute``, ``resume`` and ``revert`` they share."""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from runbook import __version__, failpoints
from runbook.context import Services
from runbook.engine import Engine, Watcher
from runbook.errors import AlreadyRunning, JournalError, JournalUnwritable, PlanChanged, Refused
from runbook.events import Draft, Event, Kind
from runbook.gatewatch import EVERY, GateWatch, Periodic, on_a_thread
from runbook.graph import makespan
from runbook.journal.lease import Lease, Process, acquire, end_process, watched
from runbook.journal.log import RunLog
from runbook.journal.store import LeaseRow, Store
from runbook.journal.term import beat_every
from runbook.plan.compile import Compiled, Experience, Fit, compile_plan, up_to_pivot, worst_way_back
from runbook.plan.fingerprint import diff, fingerprint
from runbook.plan.models import Plan
from runbook.ports import Clock
from runbook.runview import RunView
from runbook.states import RunState
from runbook.step import Sizes, Step, Undo
from runbook.timekeeping import note_behind
from runbook.window import SteadyNow
from runbook.workers import ThreadWorkers, Workers


class World(Services, Protocol):
    """Services, and what an executor needs to be the only one."""

    def survey(self) -> tuple[Sizes, Mapping[str, Any]]:
        """Reach every server: sizes, and who they are (for the record). Unreachable, NotPermitted or WrongTarget."""

    def attach(self, log: RunLog) -> None:
        """Work for this run from now on."""

    def claim(self, log: RunLog) -> AbstractContextManager[None]:
        """Be the only executor on every instance that can be reached (AlreadyRunning otherwise), and
        end what sessions of earlier executors of this run still do there."""

    def give_back(self, log: RunLog) -> list[str]:
        """For a run that has ended: take away, or mark as ended, what stands on its instances and at the second place
        of its journal; names of what does not answer."""


@dataclass
class Kinds:
    """The kinds of steps and undos that are known."""

    steps: tuple[type[Step], ...]
    undos: Mapping[str, type[Undo]]


@dataclass(frozen=True)
class Takeover:
    """How a process that is no person's command takes up a run: a guard."""

    lapsed: LeaseRow | None = None
    """A lease that was watched long enough to be taken from whoever had it."""
    until: Callable[[RunView], bool] | None = None
    """Stop where this holds."""
    revert: str = ""
    """Go back, for this reason."""


BY_HAND = Takeover()
"""As a person's command does."""


@dataclass
class Executor:
    """One process that may act on runs."""

    store: Store
    clock: Clock
    kinds: Kinds
    world: Callable[[Plan], World]
    workers: Callable[[int], Workers] = ThreadWorkers
    watcher: Watcher | None = None
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    heartbeat: bool = True
    gate_watch: Periodic | None = None
    """How the gate is looked after while it is closed; by default on a thread, together with the heartbeat."""
    experience: Callable[[Plan], Experience | None] | None = None
    """What was measured of a plan, for its budgets."""
    guard: Callable[[str], str] | None = None
    """Starts a guard for a run, once this process has it; returns why there is none, empty when there is one."""
    engine: Engine | None = None

    def __post_init__(self) -> None:
        self.now = SteadyNow(self.clock.now, self.clock.monotonic)
        self.actor = actor()

    # --- opening -----------------------------------------------------------------------------------------------

    def compiled(self, plan: Plan, sizes: Sizes) -> Compiled:
        """The plan's graph and steps."""
        return compile_plan(plan, self.kinds.steps, sizes, self.experience(plan) if self.experience else None)

    def open_run(self, plan: Plan, window: float) -> str:
        """Check that both ways fit the window and record the run; Refused before anything is touched."""
        self._refuse_full_disk()
        world = self.world(plan)
        sizes, servers = world.survey()
        graph = self.compiled(plan, sizes).graph
        fit = fit_of(plan, graph, window)
        if not fit.fits:
            raise Refused(_does_not_fit(fit), hint=_FIT_HINT)
        self._refuse_second(plan)
        run_id = self.clock.new_id()
        mark = fingerprint(plan)
        opening = {
            "plan_name": plan.name,
            "plan_path": str(plan.path),
            "plan": mark.canonical,
            "fingerprint": mark.digest,
            "window": window,
            "closes_at": (self.now() + timedelta(seconds=window)).isoformat(),
            "reserve": fit.reserve,
            "on_loss": plan.on_loss,
            "graph": graph.to_json(),
            "sizes": dict(sizes.used),
            "servers": servers,
            "version": __version__,
        }
        opened = Draft(Kind.RUN_OPENED, None, opening)
        try:
            log = RunLog.open_run(self.store, run_id, opened, actor=self.actor, now=self.now)
        except JournalUnwritable as error:
            raise Refused(error.message, hint=_ROOM_HINT) from error
        try:
            self._refuse_second(plan, before=run_id)
        except Refused as error:
            _refuse(log, error)
            raise
        self._note_upgraded(log, plan)
        return run_id

    def _note_upgraded(self, log: RunLog, plan: Plan) -> None:
        """Who begins the same night again must not take the traces of the first one for something to clear away."""
        mine = {server.url.text for server in plan.servers.values()}
        for run_id in reversed(self.store.run_ids()):
            view = RunLog.load(self.store, run_id, actor=self.actor, now=self.now).view
            theirs = {str(server.get("url")) for server in view.opening["servers"].values()}
            if view.ending in (None, RunState.REFUSED) or not mine & theirs:
                continue
            if view.ending is RunState.UPGRADED:
                text = (
                    f"run {run_id} upgraded these servers at {view.ended_at:%Y-%m-%d %H:%M} UTC: if that system is in "
                    f"use, nothing is left to do and no HINT here is meant for it; to go back: runbook revert {run_id}"
                )
                log.append(Draft(Kind.NOTE, None, {"text": text, "finding": True}))
            return

    def _refuse_full_disk(self) -> None:
        """What room there is is for the record of a way back; a night that begins now would need it."""
        if self.store.pressed:
            raise Refused(self.store.pressed, hint=_ROOM_HINT)

    def _refuse_second(self, plan: Plan, before: str = "") -> None:
        """A run of the same servers that has not ended must be ended first. Asked once more when the own run is in the
        journal (``before``): of two that were opened in the same moment, the one with the lower id goes on."""
        mine = {server.url.text for server in plan.servers.values()}
        for run_id in self.store.run_ids():
            if before and run_id >= before:
                continue
            view = RunLog.load(self.store, run_id, actor=self.actor, now=self.now).view
            theirs = {str(server.get("url")) for server in view.opening["servers"].values()}
            if view.ending is None and mine & theirs:
                raise Refused(
                    f"run {run_id} of plan {view.plan_name} has not ended, and it uses the same servers",
                    hint=f"Where it stands: runbook status {run_id}. If nobody is at work on it, end it: "
                    f"runbook resume {run_id}, or: runbook revert {run_id}, "
                    f"or, if it can no longer go on: runbook declare old {run_id} --reason TEXT",
                )

    # --- driving -----------------------------------------------------------------------------------------------

    def drive(self, run_id: str, plan: Plan, how: Takeover = BY_HAND) -> RunState:
        """Go on with a run: start and resume are the same."""
        log = RunLog.load(self.store, run_id, actor=self.actor, now=self.now)
        if log.view.ending:
            return log.view.ending
        refuse_changed(log.view, plan)
        behind = self.now.not_before(log.last_at)
        here = Process.here()
        before = how.lapsed or watched(self.store, run_id, here, self.clock, self.now)
        killed = self.store.lease(run_id) == before and end_process(before, here)  # it may stand still while it writes
        lease = acquire(self.store, run_id, self.actor, here, self.now, lapsed=before)
        log.fence, log.confirm = lease.fence, lease.confirm
        log.refresh()
        if log.view.ending:  # by the one whose lease was watched until it was given back
            lease.release()
            return log.view.ending
        if before and not before.released:
            by = "a guard" if how.lapsed else "a person's command"
            _note_lost(log, before, f"{by} took over as executor {lease.fence} ({self.actor})", killed=killed)
        log.listeners.extend(self.listeners)
        world = self.world(plan)
        world.sizes = Sizes(log.view.opening["sizes"])
        note_behind(log, behind)
        try:
            with world.claim(log):
                return self._drive(log, plan, world, lease, how)
        except AlreadyRunning as error:
            if not log.view.executor:  # nobody ever drove it
                _refuse(log, error)
            raise
        finally:
            lease.release()

    def _drive(self, log: RunLog, plan: Plan, world: World, lease: Lease, how: Takeover) -> RunState:
        log.append(Draft(Kind.EXECUTOR_STARTED, None, {"version": __version__, "fence": lease.fence}))
        unwatched = self.guard(log.view.run_id) if self.guard else ""
        if unwatched:
            log.buffer(Draft(Kind.NOTE, None, {"text": f"no guard: {unwatched}", "finding": True}))
        if how.revert:
            wish = Draft(Kind.REQUESTED, None, {"what": "revert", "reason": how.revert, "by": "the guard"})
            log.append(wish, unless=lambda run: run.pivot_at)
        steps = self.compiled(plan, world.sizes).steps
        workers = self.workers(log.view.graph.limits.workers)
        self.engine = Engine(log, steps, self.kinds.undos, world, self.clock, self.now, workers, self.watcher)
        self.engine.until = how.until
        watch = GateWatch(log, world, self.clock, self.now)
        with self._beating(lease, self.engine), self._watching(plan, watch):
            state = self.engine.drive()
        log.append(Draft(Kind.EXECUTOR_STOPPED, None, {"state": state.value}))
        return state

    # --- after the end -----------------------------------------------------------------------------------------

    def tidy(self, run_id: str, plan: Plan, lapsed: LeaseRow | None = None) -> str:
        """Give back what an executor that died right after the ending could not any more (its lease was not released);
        returns what to tell, empty when nothing is left. AlreadyRunning while somebody is at it."""
        lease = self.store.lease(run_id)
        if lease is None or lease.released:
            return ""
        here = Process.here()
        gone = lapsed or watched(self.store, run_id, here, self.clock, self.now)
        held = acquire(self.store, run_id, self.actor, here, self.now, lapsed=gone)
        log = RunLog.load(self.store, run_id, actor=self.actor, now=self.now, fence=held.fence)
        if log.view.ending:
            return self.give_back(log, plan, held)
        held.release()
        return ""

    def give_back(self, log: RunLog, plan: Plan, lease: Lease) -> str:
        """Clean up after a run that has ended; the lease is kept as long as something is left for the next one."""
        refuse_changed(log.view, plan)
        left = self.world(plan).give_back(log)
        if left:
            return f"what it left there could not be given back: {', '.join(left)}"
        lease.release()
        return "what it had left on the servers was given back"

    @contextmanager
    def _beating(self, lease: Lease, engine: Engine) -> Iterator[None]:
        """Renew the lease while the engine works; when it is lost, stop the engine."""
        if not self.heartbeat:
            yield
            return
        over = threading.Event()
        thread = threading.Thread(target=_beat, args=(lease, engine, over), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def _watching(self, plan: Plan, watch: GateWatch) -> Iterator[None]:
        """Look after the gate while the engine works, and once more when it stops: a run that is held says so."""
        periodic = self.gate_watch or (on_a_thread if self.heartbeat else None)
        if periodic is None or plan.gate.kind == "none":
            yield
            return
        with periodic(watch.look, EVERY):
            yield
        watch.look()


def _note_lost(log: RunLog, before: LeaseRow, now: str, *, killed: bool) -> None:
    """Who did what, as which fencing number."""
    gone = "hung and was killed" if killed else "was lost"
    text = f"executor {before.fence} ({before.owner}) {gone}; {now}"
    log.buffer(Draft(Kind.NOTE, None, {"text": text, "finding": True}))


def _refuse(log: RunLog, error: Refused) -> None:
    """End a run that has touched nothing, so that it stands in nobody's way."""
    log.append(Draft(Kind.RUN_FINISHED, None, {"ending": RunState.REFUSED.value, "reason": error.message}))


def _beat(lease: Lease, engine: Engine, over: threading.Event) -> None:
    while not over.wait(beat_every()):
        held = True
        with suppress(JournalError, OSError):  # a full disk here is felt by the engine itself at its next write
            failpoints.reach("lease.before-beat")
            held = lease.beat()
        if not held:
            engine.fenced()
            return


def actor() -> str:
    """Who acts: user, host and process, as recorded in every row."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
    here = Process.here()
    return f"{user}@{here.host}/{here.pid}"


def fit_of(plan: Plan, graph: Any, window: float) -> Fit:
    """Both ways against the window, in seconds."""
    reserve = plan.window.reserve_for(timedelta(seconds=window)).seconds
    return Fit(makespan(up_to_pivot(graph)), worst_way_back(graph), reserve, window)


_ROOM_HINT = "Make room there, or name another journal with --journal or RUNBOOK_JOURNAL. Nothing was touched."
_FIT_HINT = "Give a longer window, or state measured budgets in the plan; runbook plan shows where the time goes."


def _does_not_fit(fit: Fit) -> str:
    return (
        f"the window of {fit.window:.0f} s is too short: forward {fit.forward:.0f} s, way back {fit.way_back:.0f} s, "
        f"reserve {fit.reserve:.0f} s"
    )


def refuse_changed(view: RunView, plan: Plan) -> None:
    """A run goes on with the plan it was opened with, or not at all."""
    opening = view.opening
    mark = fingerprint(plan)
    if mark.digest != opening["fingerprint"]:
        raise PlanChanged(
            f"the plan {plan.path.name} is not the one that run {view.run_id} was opened with",
            changes=diff(opening["plan"], mark.canonical),
            hint="Put the plan and its files back as they were, then: runbook resume.",
        )
