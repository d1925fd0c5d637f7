"""``runbook guard``: the watch over a run, started by ``execute`` and ``resume``, or by hand on a second machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from runbook.adapters import detached
from runbook.adapters.detached import Place
from runbook.cancel import CancelToken
from runbook.commands.guards import said
from runbook.commands.runs import newest, plan_of, tidy
from runbook.errors import (
    AlreadyRunning,
    HostError,
    JournalError,
    JournalUnwritable,
    NotPermitted,
    Refused,
    RunbookError,
    ServerError,
    UsageError,
)
from runbook.events import Draft, Kind
from runbook.executor import Executor, Takeover, World, refuse_changed
from runbook.failpoints import GUARD_VARIABLE
from runbook.failpoints import VARIABLE as FAILPOINTS
from runbook.guard import Guard, TakeOver
from runbook.home import Home
from runbook.journal.lease import Process
from runbook.journal.log import RunLog
from runbook.journal.store import LeaseRow
from runbook.plan.models import OnLoss, Plan
from runbook.recording import Unrecorded
from runbook.runview import RunView


def start_beside(home: Home) -> Callable[[str], str]:
    """What an executor calls once it has its run: starts a guard as a process of its own; see Executor.guard. Where one
    watches already, the new one ends at once."""

    def start(run_id: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name != FAILPOINTS}
        if os.environ.get(GUARD_VARIABLE):
            environment[FAILPOINTS] = os.environ[GUARD_VARIABLE]
        environment |= {"RUNBOOK_HOME": str(home.directory), "RUNBOOK_JOURNAL": home.journal_url}
        try:
            detached.start(["guard", run_id, "--beside"], log_of(home, run_id), environment)
        except HostError as error:
            return error.message
        return ""

    return start


def unguarded(_run_id: str) -> str:
    """For ``--no-guard``."""
    return "if this process or its machine is lost, nobody brings the system back until a person types runbook resume"


def log_of(home: Home, run_id: str) -> Path:
    """Where a guard that was started beside an executor writes what it would say on a terminal."""
    return home.directory / "guard" / f"{run_id}.log"


def place_of(home: Home, run_id: str) -> Place:
    """One guard a run on one machine; a second one elsewhere is welcome."""
    return Place(home.directory / "guard" / f"{run_id}.lock")


class Watch:
    """A guard with everything it needs: opened, checked that it could act, then watching."""

    def __init__(self, home: Home, build: Callable[[], Executor], say: Callable[[str], None]) -> None:
        self._home = home
        self._build = build
        self._say = say
        self._plan_path: Path | None = None
        self._view: RunView | None = None
        self._guard: Guard | None = None
        self._place: Place | None = None
        self._executor = build()

    def open(self, run: str | None, plan_path: Path | None, *, beside: bool) -> RunView:
        """Find the run and make sure that this process could take it over; Refused when it could not, and the record
        says so. ``beside``: started by an executor, which has nobody to read that; it watches all the same."""
        executor = self._executor
        view = newest(executor, run)
        if view.ending:
            told = tidy(executor, view.run_id, plan_path)
            message = f"run {view.run_id} has ended: {view.ending}"
            raise UsageError(f"{message}; {told}" if told else message, hint="There is nothing left to watch.")
        self._plan_path, self._place = plan_path, place_of(self._home, view.run_id)
        if not self._place.take():
            raise AlreadyRunning(
                f"a guard watches run {view.run_id} on this machine already", hint="One is enough; see runbook status."
            )
        log = RunLog.load(executor.store, view.run_id, actor=executor.actor, now=executor.now)
        on_loss: OnLoss = log.view.opening.get("on_loss", "resume")
        unfit = ""
        try:
            self._refuse_unfit(log.view)
        except RunbookError as error:
            unfit = error.message
            _note(log, f"the guard on {Process.here().host} could not take over: {unfit}", finding=True)
            if not beside:
                raise
            self._say(f"it could not take over: {unfit}")
        _note(log, f"a guard watches; when the executor is lost: {on_loss}", **_self(watches=True, unfit=unfit))
        self._view = log.view
        self._guard = Guard(log, executor.clock, executor.now, on_loss, self._drive, self._say, self._tidy)
        return log.view

    def watch(self) -> RunView:
        """Until the run has ended or :meth:`stop`, which the record then says."""
        assert self._guard is not None  # noqa: S101
        view = self._guard.watch()
        if not view.ending:
            log = RunLog.load(self._executor.store, view.run_id, actor=self._executor.actor, now=self._executor.now)
            with suppress(JournalError):
                _note(log, "the guard ends its watch", **_self(watches=False))
        return view

    def stop(self, reason: str) -> None:
        """End the watch, and what this process does as an executor at the next safe point. From any thread."""
        if self._guard:
            self._guard.stop()
        if self._executor.engine:
            self._executor.engine.stop(reason)

    def _tidy(self, lapsed: LeaseRow) -> str:
        return tidy(self._executor, lapsed.run_id, self._plan_path, lapsed)

    def _refuse_unfit(self, view: RunView) -> None:
        """The plan is there and is the one, the servers answer, and this login may do what it takes."""
        plan = plan_of(view, self._plan_path)
        refuse_changed(view, plan)
        world = self._executor.world(plan)
        troubles = list(filter(None, (self._unfit(world, name) for name in plan.servers)))
        if troubles:
            message = "; ".join(error.message for error in troubles)
            raise type(troubles[0])(message, hint=troubles[0].hint)

    def _unfit(self, world: World, name: str) -> Refused | None:
        """Why this process could not do on that server what the way back needs, None when it could."""
        try:
            server = world.server(name, CancelToken(self._executor.clock), Unrecorded())
            missing = server.missing_permissions()
        except ServerError as error:
            return Refused(f"{name}: {error.message}", hint=error.hint)
        except Refused as error:
            return error
        if not missing:
            return None
        return NotPermitted(
            f"{name}: the login is no member of {', '.join(missing)}",
            hint="A guard does what the executor does: give it the same login.",
        )

    def _drive(self, move: TakeOver, lapsed: LeaseRow | None, until: Callable[[RunView], bool] | None) -> None:
        """With an executor of its own; another guard watches that one."""
        assert self._view is not None and self._place is not None  # noqa: S101, PT018
        run_id, place = self._view.run_id, self._place
        now, self._executor = self._executor.now, self._build()
        executor = self._executor
        executor.now = now  # it knows how the clock jumped while this process watched

        def watched(run_id: str) -> str:
            place.free()
            return start_beside(self._home)(run_id)

        executor.guard = watched
        plan = plan_of(self._view, self._plan_path)
        try:
            executor.drive(run_id, plan, Takeover(lapsed, until, move.revert))
        finally:
            if not place.take() and self._guard:
                self._guard.stop()  # the other one watches


def _note(log: RunLog, text: str, *, finding: bool = False, **more: object) -> None:
    """Or later, when the journal cannot be written now: whoever keeps it from that may be what the guard is for."""
    note = Draft(Kind.NOTE, None, {"text": text, "finding": finding, **more})
    try:
        log.append(note)
    except JournalUnwritable:
        log.buffer(note)


def _self(*, watches: bool, unfit: str = "") -> dict[str, Any]:
    here = Process.here()
    return said(here.host, here.pid, here.token, watches=watches, unfit=unfit)


def secrets_of(plan: Plan) -> Iterable[str]:
    """References to secrets in the environment, which a service of the machine does not have."""
    for name, server in plan.servers.items():
        if server.password is not None and str(server.password).startswith("env:"):
            yield f"servers.{name}.password ({server.password})"


def refuse_environment(plan: Plan) -> None:
    """Refused for a plan whose secrets a service could not find."""
    found = list(secrets_of(plan))
    if found:
        raise Refused(
            f"a service does not see this environment: {', '.join(found)}",
            hint="Refer to a file instead (file:PATH, readable by that account alone), or watch with: runbook guard.",
        )
