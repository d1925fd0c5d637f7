"""The msdb procedures of SQL Server Agent."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession, Sink, SqlError
from runbook.sandbox.errors import error, unsupported
from runbook.sandbox.instance import clock
from runbook.sandbox.instance.agent_parameters import PARAMETERS, SCHEDULE_FIELDS, STEP_FIELDS
from runbook.sandbox.instance.arguments import Arguments, bind
from runbook.sandbox.instance.jobs import Job, Step
from runbook.sandbox.instance.records import guid
from runbook.sandbox.instance.schedules import FREQUENCIES, Schedule

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance


def _owner(instance: SandboxInstance, session: LanguageSession, name: Any) -> str:
    login = instance.logins.find(str(name) if name is not None else session.login)
    if login is None:
        raise error(14262, "@owner_login_name", name)
    return login.sid


def _changing(instance: SandboxInstance, given: Arguments, change: Callable[[Job], None]) -> int:
    """Read, change and write a job as one step, so that a running job's own writes do not get lost."""
    with instance.store.transaction():
        job = instance.agent.jobs.demand(given["job_id"], given["job_name"])
        change(job)
        job.modified, job.version = clock.stamp(), job.version + 1
        instance.agent.jobs.save(job)
    return 0


def add_job(instance: SandboxInstance, session: LanguageSession, given: Arguments) -> int:
    """sp_add_job."""
    name = str(given["job_name"] or "")
    if instance.agent.jobs.named(name) is not None:
        raise error(14261, "@job_name", name)
    job = Job(
        guid(),
        name,
        _owner(instance, session, given["owner_login_name"]),
        enabled=given.flag("enabled", default=True),
        start_step=int(given["start_step_id"] or 1),
        notify_level_eventlog=int(given["notify_level_eventlog"] or 0),
        delete_level=int(given["delete_level"] or 0),
    )
    job.description = str(given["description"] or job.description)
    instance.agent.jobs.save(job)
    given.out("job_id", uuid.UUID(job.job_id))
    return 0


def update_job(instance: SandboxInstance, session: LanguageSession, given: Arguments) -> int:
    """sp_update_job."""

    def change(job: Job) -> None:
        if given["new_name"] is not None:
            other = instance.agent.jobs.named(str(given["new_name"]))
            if other is not None and other.job_id != job.job_id:
                raise error(14261, "@new_name", given["new_name"])
            job.name = str(given["new_name"])
        job.enabled = given.flag("enabled", default=job.enabled)
        job.description = str(given["description"] or job.description)
        job.start_step = int(given["start_step_id"] or job.start_step)
        if given["owner_login_name"] is not None:
            job.owner_sid = _owner(instance, session, given["owner_login_name"])

    return _changing(instance, given, change)


def _take_step(step: Step, given: Arguments) -> None:
    for parameter, name in STEP_FIELDS.items():
        if given[parameter] is not None:
            kind = type(getattr(step, name))
            setattr(step, name, kind(given[parameter]))


def add_step(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_add_jobstep."""

    def change(job: Job) -> None:
        step_id = int(given["step_id"] or len(job.steps) + 1)
        step = Step(step_id, str(given["step_name"] or ""))
        _take_step(step, given)
        if any(s.name.lower() == step.name.lower() for s in job.steps):
            raise error(14261, "@step_name", step.name)
        for later in job.steps:
            later.step_id += 1 if later.step_id >= step_id else 0
        job.steps = sorted([*job.steps, step], key=lambda s: s.step_id)

    return _changing(instance, given, change)


def _step(job: Job, given: Arguments) -> Step:
    step_id = int(given["step_id"] or 0)
    found = next((s for s in job.steps if s.step_id == step_id), None)
    if found is None:
        raise error(14262, "@step_id", step_id)
    return found


def update_step(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_update_jobstep."""
    return _changing(instance, given, lambda job: _take_step(_step(job, given), given))


def delete_step(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_delete_jobstep; step 0 deletes all."""

    def change(job: Job) -> None:
        gone = list(job.steps) if int(given["step_id"] or 0) == 0 else [_step(job, given)]
        kept = [s for s in job.steps if s not in gone]
        job.steps = [replace(s, step_id=number) for number, s in enumerate(kept, 1)]

    return _changing(instance, given, change)


def _new_schedule(instance: SandboxInstance, session: LanguageSession, given: Arguments, name: Any) -> Schedule:
    schedule = Schedule(instance.store.next("schedule"), str(name or ""), created=clock.stamp())
    schedule.owner_sid = _owner(instance, session, given.get("owner_login_name"))
    schedule.active_start_date = clock.date_int(clock.now())
    _take_schedule(schedule, given)
    instance.agent.jobs.save_schedule(schedule)
    given.out("schedule_id", schedule.schedule_id)
    given.out("schedule_uid", uuid.UUID(schedule.schedule_uid))
    return schedule


def _take_schedule(schedule: Schedule, given: Arguments) -> None:
    schedule.enabled = given.flag("enabled", default=schedule.enabled)
    for name in SCHEDULE_FIELDS:
        if given[name] is not None:
            setattr(schedule, name, int(given[name]))
    if schedule.freq_type not in FREQUENCIES:
        if schedule.freq_type in (32, 128):
            raise unsupported(f"a schedule with freq_type {schedule.freq_type}")
        raise error(14266, "@freq_type", "1, 4, 8, 16, 32, 64, 128")
    if schedule.freq_subday_type not in (0, 1, 2, 4, 8):
        raise error(14266, "@freq_subday_type", "0x1, 0x2, 0x4, 0x8")


def add_schedule(instance: SandboxInstance, session: LanguageSession, given: Arguments) -> int:
    """sp_add_schedule."""
    _new_schedule(instance, session, given, given["schedule_name"])
    return 0


def add_job_schedule(instance: SandboxInstance, session: LanguageSession, given: Arguments) -> int:
    """sp_add_jobschedule: a new schedule, attached."""
    instance.agent.jobs.demand(given["job_id"], given["job_name"])
    schedule = _new_schedule(instance, session, given, given["name"])
    return _changing(instance, given, lambda job: job.schedules.append(schedule.schedule_id))


def update_schedule(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_update_schedule."""
    with instance.store.transaction():
        schedule = instance.agent.jobs.demand_schedule(given["schedule_id"], given["name"])
        _take_schedule(schedule, given)
        schedule.name = str(given["new_name"] or schedule.name)
        instance.agent.jobs.save_schedule(schedule)
    return 0


def attach_schedule(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_attach_schedule."""
    schedule = instance.agent.jobs.demand_schedule(given["schedule_id"], given["schedule_name"])

    def change(job: Job) -> None:
        job.schedules = sorted({*job.schedules, schedule.schedule_id})

    return _changing(instance, given, change)


def detach_schedule(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_detach_schedule."""
    schedule = instance.agent.jobs.demand_schedule(given["schedule_id"], given["schedule_name"])

    def change(job: Job) -> None:
        job.schedules = [s for s in job.schedules if s != schedule.schedule_id]

    return _changing(instance, given, change)


def delete_schedule(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_delete_schedule."""
    jobs = instance.agent.jobs
    schedule = jobs.demand_schedule(given["schedule_id"], given["schedule_name"])
    users = [j for j in jobs.all() if schedule.schedule_id in j.schedules]
    if users and not given.flag("force_delete", default=False):
        raise SqlError(14372, "The schedule was not deleted because it is being used by one or more jobs.", 16)
    with instance.store.transaction():
        for job in users:
            job.schedules.remove(schedule.schedule_id)
            jobs.save(job)
        jobs.remove_schedule(schedule)
    return 0


def add_server(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_add_jobserver: from now on the job can run here."""
    server = str(given["server_name"] or "(local)").lower()
    if server not in ("(local)", instance.name.lower()):
        raise error(14262, "@server_name", given["server_name"])

    def change(job: Job) -> None:
        job.server = True

    return _changing(instance, given, change)


def delete_server(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_delete_jobserver."""

    def change(job: Job) -> None:
        job.server = False

    return _changing(instance, given, change)


def delete_job(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_delete_job."""
    jobs = instance.agent.jobs
    job = jobs.demand(given["job_id"], given["job_name"])
    instance.agent.cancel(job)
    with instance.store.transaction():
        jobs.remove(job)
        instance.store.remove("activity", f"{instance.agent.session_id}/{job.job_id}")
    if given.flag("delete_history", default=True):
        _purge(instance, job)
    return 0


def _purge(instance: SandboxInstance, job: Job) -> None:
    gone = [i for i, d in instance.store.rows("jobhistory") if d["job_id"] == job.job_id]
    instance.store.delete_rows("jobhistory", gone)


def purge_history(instance: SandboxInstance, _: LanguageSession, given: Arguments) -> int:
    """sp_purge_jobhistory of one job."""
    if given["oldest_date"] is not None:
        raise unsupported("sp_purge_jobhistory with @oldest_date")
    _purge(instance, instance.agent.jobs.demand(given["job_id"], given["job_name"]))
    return 0


def _refuse(session: LanguageSession, verb: str, job: Job, why: str) -> SqlError:
    return error(22022, verb, f"{job.name}", session.login, why)


def start_job(instance: SandboxInstance, session: LanguageSession, given: Arguments) -> int:
    """sp_start_job: returns when the job has begun. Raises 14256 (no steps), 22022 (runs already)."""
    job = instance.agent.jobs.demand(given["job_id"], given["job_name"])
    if not instance.agent.is_present:
        raise error(22022, "start", job.name, session.login, "SQLServerAgent is not running")
    if not job.server or not job.steps:
        raise SqlError(
            14256,
            f"Cannot start job '{job.name}' (ID {job.job_id}) because it does not have any job server or job step "
            "defined.",
            16,
        )
    first = None
    if given["step_name"] is not None:
        first = next((s.step_id for s in job.steps if s.name.lower() == str(given["step_name"]).lower()), None)
        if first is None:
            raise error(14262, "@step_name", given["step_name"])
    if not instance.agent.begin(job, "user", first):
        raise _refuse(session, "run", job, "the job is already running from a request by another user")
    given.say(f"Job '{job.name}' started successfully.")
    return 0


def stop_job(instance: SandboxInstance, session: LanguageSession, given: Arguments) -> int:
    """sp_stop_job: asks the job to stop and returns at once. Raises 22022 when it does not run."""
    job = instance.agent.jobs.demand(given["job_id"], given["job_name"])
    if not instance.agent.cancel(job):
        raise _refuse(session, "stop", job, "the job is not currently running")
    given.say(f"Job '{job.name}' stopped successfully.")
    return 0


HANDLERS: dict[str, Callable[[SandboxInstance, LanguageSession, Arguments], int]] = {
    "sp_add_job": add_job,
    "sp_update_job": update_job,
    "sp_add_jobstep": add_step,
    "sp_update_jobstep": update_step,
    "sp_delete_jobstep": delete_step,
    "sp_add_schedule": add_schedule,
    "sp_add_jobschedule": add_job_schedule,
    "sp_update_schedule": update_schedule,
    "sp_attach_schedule": attach_schedule,
    "sp_detach_schedule": detach_schedule,
    "sp_delete_schedule": delete_schedule,
    "sp_add_jobserver": add_server,
    "sp_delete_jobserver": delete_server,
    "sp_delete_job": delete_job,
    "sp_start_job": start_job,
    "sp_stop_job": stop_job,
    "sp_purge_jobhistory": purge_history,
}


def find(instance: SandboxInstance, name: str) -> Callable[..., int] | None:
    """The Agent procedure of that name."""
    handler = HANDLERS.get(name)
    if handler is None:
        return None

    def run(session: LanguageSession, sink: Sink, positional: Sequence[Any], named: dict[str, Any]) -> int:
        if not session.is_sysadmin:
            raise error(229, name)
        return handler(instance, session, bind(name, PARAMETERS[name], positional, named, sink))

    return run
