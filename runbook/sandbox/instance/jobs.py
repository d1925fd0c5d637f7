"""Agent jobs as documents in the store."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from runbook.sandbox.errors import error
from runbook.sandbox.instance import clock
from runbook.sandbox.instance.records import guid
from runbook.sandbox.instance.schedules import Schedule
from runbook.sandbox.instance.store import Store


@dataclass
class Step:
    """msdb.dbo.sysjobsteps. ``on_success`` and ``on_fail``: 1 quit with success, 2 quit with failure, 3 next step,
    4 go to a step; ``retry_interval`` in minutes."""

    step_id: int
    name: str
    subsystem: str = "TSQL"
    command: str = ""
    database: str = "master"
    on_success: int = 1
    on_success_step: int = 0
    on_fail: int = 2
    on_fail_step: int = 0
    retry_attempts: int = 0
    retry_interval: int = 0
    flags: int = 0
    uid: str = field(default_factory=guid)
    last_run_outcome: int = 0
    last_run_date: int = 0
    last_run_time: int = 0
    last_run_duration: int = 0


@dataclass
class Job:
    """msdb.dbo.sysjobs with steps and the ids of its schedules. ``server`` false: no sp_add_jobserver yet, so the
    job does not run."""

    job_id: str
    name: str
    owner_sid: str
    enabled: bool = True
    description: str = "No description available."
    category_id: int = 0
    start_step: int = 1
    server: bool = False
    created: str = field(default_factory=clock.stamp)
    modified: str = field(default_factory=clock.stamp)
    version: int = 1
    notify_level_eventlog: int = 0
    delete_level: int = 0
    steps: list[Step] = field(default_factory=list)
    schedules: list[int] = field(default_factory=list)
    last_run_outcome: int = 5
    last_run_date: int = 0
    last_run_time: int = 0
    last_run_duration: int = 0
    last_message: str | None = None


class Jobs:
    """All jobs and schedules."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Job]:
        """All jobs, by name."""
        found = [_job(doc) for doc in self._store.items("job").values()]
        return sorted(found, key=lambda j: j.name.lower())

    def get(self, job_id: str) -> Job | None:
        """The job of that id."""
        doc = self._store.get("job", job_id)
        return None if doc is None else _job(doc)

    def named(self, name: str) -> Job | None:
        """The job of that name."""
        return next((j for j in self.all() if j.name.lower() == name.lower()), None)

    def demand(self, job_id: Any, name: Any) -> Job:
        """The job given by id or name, as every msdb procedure takes it. Raises 14262."""
        if job_id is not None:
            found = self.get(str(job_id).upper().strip("{}"))
            if found is None:
                raise error(14262, "@job_id", str(job_id).upper())
            return found
        found = self.named(str(name)) if name is not None else None
        if found is None:
            raise error(14262, "@job_name", name)
        return found

    def save(self, job: Job) -> None:
        """Write a job."""
        self._store.put("job", job.job_id, asdict(job))

    def remove(self, job: Job) -> None:
        """Forget a job, and the schedules only it used."""
        self._store.remove("job", job.job_id)
        used = {s for j in self.all() for s in j.schedules}
        for schedule_id in set(job.schedules) - used:
            self._store.remove("schedule", str(schedule_id))

    def schedules(self) -> list[Schedule]:
        """All schedules, by id."""
        return sorted((Schedule(**d) for d in self._store.items("schedule").values()), key=lambda s: s.schedule_id)

    def schedule(self, schedule_id: int) -> Schedule | None:
        """The schedule of that id."""
        doc = self._store.get("schedule", str(schedule_id))
        return None if doc is None else Schedule(**doc)

    def demand_schedule(self, schedule_id: Any, name: Any) -> Schedule:
        """The schedule given by id or name. Raises 14262."""
        if schedule_id is not None:
            found = self.schedule(int(schedule_id))
        else:
            found = next((s for s in self.schedules() if s.name.lower() == str(name).lower()), None)
        if found is None:
            what = ("@schedule_id", schedule_id) if schedule_id is not None else ("@schedule_name", name)
            raise error(14262, *what)
        return found

    def save_schedule(self, schedule: Schedule) -> None:
        """Write a schedule."""
        self._store.put("schedule", str(schedule.schedule_id), asdict(schedule))

    def remove_schedule(self, schedule: Schedule) -> None:
        """Forget a schedule."""
        self._store.remove("schedule", str(schedule.schedule_id))


def _job(doc: dict[str, Any]) -> Job:
    doc = dict(doc)
    doc["steps"] = [Step(**s) for s in doc["steps"]]
    return Job(**doc)
