"""SQL Server Agent: starts due jobs, runs their steps in sessions of their own, records what happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Cancelled, Column, ConnectionCut, LanguageSession, LoginRequest, RpcParam, SqlError
from runbook.sandbox.instance import clock
from runbook.sandbox.instance.jobs import Job, Jobs, Step
from runbook.sandbox.instance.schedules import AGENT_START, next_run

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

FAILED, SUCCEEDED, RETRY, CANCELLED = 0, 1, 2, 3
KILLED = SqlError(596, "Cannot continue the execution because the session is in the kill state.", 21)
TICK = 0.25
"""Seconds between two looks at the schedules; a job starts at most this late."""
MESSAGE_LENGTH = 4000
SOURCES = {"schedule": 1, "start": 3, "user": 4}


class Collector:
    """A sink that keeps messages and errors, as the Agent does for its history."""

    def __init__(self) -> None:
        self.errors: list[SqlError] = []
        self.messages: list[str] = []

    def columns(self, columns: Sequence[Column]) -> None:
        """Result sets of job steps are read and dropped."""

    def row(self, values: Sequence[Any]) -> None:
        """See :meth:`columns`."""

    def done(self, rowcount: int | None = None) -> None:
        """Nothing to keep."""

    def info(self, number: int, message: str, severity: int = 0, state: int = 1, line: int = 1) -> None:  # noqa: ARG002
        """Keep the text."""
        self.messages.append(f"{message} [SQLSTATE 01000] (Message {number})")

    def error(self, error: SqlError) -> None:
        """Keep the error and its companions."""
        self.errors += [error, *error.also]

    def database(self, new: str, old: str) -> None:
        """Nothing to keep."""

    def return_status(self, status: int) -> None:
        """Nothing to keep."""

    def return_value(self, param: RpcParam) -> None:
        """Nothing to keep."""

    def flush(self) -> None:
        """Nothing to send."""


@dataclass
class Run:
    """A job that runs now."""

    job: Job
    source: str
    first_step: int
    requested: datetime
    started: datetime = field(default_factory=clock.now)
    clock: float = field(default_factory=time.monotonic)
    session: LanguageSession | None = None
    step_id: int = 0
    step_started: datetime | None = None
    stop: threading.Event = field(default_factory=threading.Event)


class Agent:
    """The scheduler and the running jobs."""

    def __init__(self, instance: SandboxInstance) -> None:
        self._instance = instance
        self.jobs = Jobs(instance.store)
        self.session_id = 0
        self._lock = threading.RLock()
        self._running: dict[str, Run] = {}
        self._due: dict[tuple[str, int], datetime | None] = {}
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_present(self) -> bool:
        """Express has no Agent."""
        return "Express" not in self._instance.edition

    def start(self) -> None:
        """Begin a new Agent session; activity of earlier ones stays as it was when they died."""
        if not self.is_present:
            return
        self.session_id = self._instance.store.append("agentsession", {"started": clock.stamp()})
        for job in self.jobs.all():
            self._note(job, {})
        self._thread = threading.Thread(target=self._loop, name="agent", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the scheduler and cancel running jobs."""
        self._halt.set()
        for run in self.running():
            self.cancel(run.job)
        if self._thread is not None:
            self._thread.join(2)
        deadline = time.monotonic() + 2
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.02)

    def running(self) -> list[Run]:
        """The jobs that run now."""
        with self._lock:
            return list(self._running.values())

    def next_due(self, job: Job) -> datetime | None:
        """When the job will be started by a schedule."""
        if not (job.enabled and job.server):
            return None
        moments = [
            next_run(s, clock.now())
            for s in (self.jobs.schedule(i) for i in job.schedules)
            if s is not None and s.enabled
        ]
        return min((m for m in moments if m is not None), default=None)

    # --- starting ------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        self._start_of_agent()
        last = clock.now()
        while not self._halt.wait(TICK):
            moment = clock.now()
            try:
                self._start_due(last, moment)
            except Exception as problem:  # noqa: BLE001 - one broken job must not stop the scheduler
                self._instance.errorlog.write(f"SQLServerAgent scheduler: {problem!r}", "Agent")
            last = moment

    def _start_of_agent(self) -> None:
        for job in self.jobs.all():
            kinds = [s.freq_type for s in map(self.jobs.schedule, job.schedules) if s is not None and s.enabled]
            if AGENT_START in kinds and job.enabled and job.server:
                self.begin(job, "start")

    def _start_due(self, last: datetime, moment: datetime) -> None:
        for job in self.jobs.all():
            if not (job.enabled and job.server) or self.is_running(job):
                continue
            for schedule in map(self.jobs.schedule, job.schedules):
                due = next_run(schedule, last) if schedule is not None and schedule.enabled else None
                if due is not None and due <= moment:
                    self.begin(job, "schedule")
                    break

    def is_running(self, job: Job) -> bool:
        """Does the job run now?"""
        with self._lock:
            return job.job_id in self._running

    def begin(self, job: Job, source: str, first_step: int | None = None) -> bool:
        """Start a job on a thread of its own; False when it runs already."""
        with self._lock:
            if job.job_id in self._running or self._halt.is_set():
                return False
            run = Run(job, source, first_step or job.start_step, clock.now())
            self._running[job.job_id] = run
        self._note(
            job,
            {
                "run_requested_date": clock.stamp(run.requested),
                "run_requested_source": SOURCES[source],
                "start_execution_date": clock.stamp(run.started),
            },
        )
        threading.Thread(target=self._run, args=(run,), name=f"job {job.name}", daemon=True).start()
        return True

    def cancel(self, job: Job) -> bool:
        """sp_stop_job: ask the running job to stop; False when it does not run."""
        with self._lock:
            run = self._running.get(job.job_id)
        if run is None:
            return False
        run.stop.set()
        threading.Thread(target=self._cancel_until_ended, args=(run,), name="stop job", daemon=True).start()
        return True

    def _cancel_until_ended(self, run: Run) -> None:
        """A cancel that arrives between two statements is forgotten by the session: repeat it."""
        while self._running.get(run.job.job_id) is run:
            session = run.session
            if session is not None:
                session.cancel()
            time.sleep(0.05)

    # --- running -------------------------------------------------------------------------------------------

    def _run(self, run: Run) -> None:
        outcome, message = FAILED, "The job failed."
        try:
            outcome = self._steps(run)
            message = _job_message(run, outcome)
        except Exception as problem:  # noqa: BLE001 - the history must say so, and the job must not stay "running"
            message = f"The job failed. {problem!r}"
        finally:
            self._end(run, outcome, message)

    def _steps(self, run: Run) -> int:
        step_id = run.first_step
        while True:
            step = next((s for s in run.job.steps if s.step_id == step_id), None)
            if step is None:
                return SUCCEEDED if run.step_id else FAILED
            outcome = self._step_with_retries(run, step)
            if outcome == CANCELLED:
                return CANCELLED
            action, target = (
                (step.on_success, step.on_success_step) if outcome == SUCCEEDED else (step.on_fail, step.on_fail_step)
            )
            if action in (1, 2):
                return SUCCEEDED if action == 1 else FAILED
            step_id = step.step_id + 1 if action == 3 else target

    def _step_with_retries(self, run: Run, step: Step) -> int:
        for attempt in range(step.retry_attempts + 1):
            started, begun = clock.now(), time.monotonic()
            run.step_id, run.step_started = step.step_id, started
            self._note(
                run.job, {"last_executed_step_id": step.step_id, "last_executed_step_date": clock.stamp(started)}
            )
            outcome, message = self._execute(run, step)
            more = outcome == FAILED and attempt < step.retry_attempts
            self._history(run.job, step, RETRY if more else outcome, message, started, begun, attempt)
            if not more:
                return outcome
            if run.stop.wait(step.retry_interval * 60):
                return CANCELLED
        return FAILED

    def _execute(self, run: Run, step: Step) -> tuple[int, str]:
        if run.stop.is_set():
            return CANCELLED, "The step was cancelled."
        login = self._instance.logins.by_sid(run.job.owner_sid)
        if step.subsystem.upper() != "TSQL":
            return FAILED, f"The sandbox does not run the subsystem {step.subsystem}.  The step failed."
        if login is None or login.is_disabled:
            return FAILED, "Unable to determine if the owner of the job has server access.  The step failed."
        who = f"Executed as user: {login.name}. "
        collector = Collector()
        session: LanguageSession | None = None
        try:
            app = f"SQLAgent - TSQL JobStep (Job 0x{run.job.job_id.replace('-', '')} : Step {step.step_id})"
            request = LoginRequest(login.name, "", step.database, self._instance.name, app, "SQLAgent")
            session = self._instance.open_session(login, step.database, request, lambda: None)
            self._instance.enter(session, step.database)
            run.session = session
            if run.stop.is_set():
                return CANCELLED, who + "The step was cancelled."
            session.batch(step.command, collector)
        except SqlError as problem:
            collector.error(problem)
        except (Cancelled, ConnectionCut):
            if run.stop.is_set():
                return CANCELLED, who + "The step was cancelled."
            collector.error(KILLED)
        finally:
            run.session = None
            if session is not None:
                session.close()
                self._instance.ended(session)
        return _step_result(who, collector)

    # --- recording -----------------------------------------------------------------------------------------

    def _note(self, job: Job, changes: dict[str, Any]) -> None:
        """Change the row of sysjobactivity of this Agent session; a start clears what an earlier run left."""
        key = f"{self.session_id}/{job.job_id}"
        doc = self._instance.store.get("activity", key) or {"session_id": self.session_id, "job_id": job.job_id}
        if "start_execution_date" in changes:
            doc = {"session_id": self.session_id, "job_id": job.job_id}
        self._instance.store.put("activity", key, {**doc, **changes})

    def _history(
        self, job: Job, step: Step | None, outcome: int, message: str, started: datetime, begun: float, retries: int
    ) -> int:
        duration = clock.duration_int(time.monotonic() - begun)
        entry: dict[str, Any] = {
            "job_id": job.job_id,
            "step_id": 0 if step is None else step.step_id,
            "step_name": "(Job outcome)" if step is None else step.name,
            "message": message[:MESSAGE_LENGTH],
            "run_status": outcome,
            "run_date": clock.date_int(started),
            "run_time": clock.time_int(started),
            "run_duration": duration,
            "retries_attempted": retries,
        }
        with self._instance.store.transaction():
            row_id = self._instance.store.append("jobhistory", entry)
            current = self.jobs.get(job.job_id)
            for one in current.steps if current is not None and step is not None else ():
                if one.step_id == step.step_id:  # type: ignore[union-attr]
                    one.last_run_outcome, one.last_run_duration = outcome, duration
                    one.last_run_date, one.last_run_time = entry["run_date"], entry["run_time"]
            if current is not None:
                if step is None:
                    current.last_run_outcome, current.last_run_duration = outcome, duration
                    current.last_run_date, current.last_run_time = entry["run_date"], entry["run_time"]
                    current.last_message = entry["message"]
                self.jobs.save(current)
        return row_id

    def _end(self, run: Run, outcome: int, message: str) -> None:
        with self._lock:  # who sees the outcome also finds that the job does not run any more
            try:
                with self._instance.store.transaction():
                    row_id = self._history(run.job, None, outcome, message, run.started, run.clock, 0)
                    self._note(run.job, {"stop_execution_date": clock.stamp(), "job_history_id": row_id})
            finally:
                self._running.pop(run.job.job_id, None)


def _step_result(who: str, collector: Collector) -> tuple[int, str]:
    told = "  ".join(collector.messages)
    if not collector.errors:
        return SUCCEEDED, f"{who}{told}{'  ' if told else ''}The step succeeded."
    first = "  ".join(f"{e.message} [SQLSTATE 42000] (Error {e.number})" for e in collector.errors)
    return FAILED, f"{who}{told}{first}.  The step failed."


def _job_message(run: Run, outcome: int) -> str:
    word = {SUCCEEDED: "succeeded", CANCELLED: "was stopped prior to completion"}.get(outcome, "failed")
    invoked = {"schedule": "a schedule", "start": "the start of the Agent", "user": "a user"}[run.source]
    return f"The job {word}.  The Job was invoked by {invoked}.  The last step to run was step {run.step_id}."
