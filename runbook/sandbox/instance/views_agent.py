"""The tables of SQL Server Agent in msdb."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.instance import clock
from runbook.sandbox.instance.jobs import Job
from runbook.sandbox.instance.schedules import next_run

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Rows = list[dict[str, Any]]
CATEGORIES = {0: "[Uncategorized (Local)]", 1: "Jobs from MSX", 3: "Database Maintenance"}

JOBS = (
    "job_id uniqueidentifier not null",
    "originating_server_id int not null",
    "name sysname not null",
    "enabled tinyint not null",
    "description nvarchar(512)",
    "start_step_id int not null",
    "category_id int not null",
    "owner_sid varbinary(85) not null",
    "notify_level_eventlog int not null",
    "notify_level_email int not null",
    "notify_level_netsend int not null",
    "notify_level_page int not null",
    "notify_email_operator_id int not null",
    "notify_netsend_operator_id int not null",
    "notify_page_operator_id int not null",
    "delete_level int not null",
    "date_created datetime not null",
    "date_modified datetime not null",
    "version_number int not null",
)


def jobs(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.sysjobs."""
    zeros = dict.fromkeys((c.split()[0] for c in JOBS if c.startswith(("notify_", "originating"))), 0)
    return [
        {
            **zeros,
            "job_id": uuid.UUID(j.job_id),
            "name": j.name,
            "enabled": int(j.enabled),
            "description": j.description,
            "start_step_id": j.start_step,
            "category_id": j.category_id,
            "owner_sid": bytes.fromhex(j.owner_sid),
            "notify_level_eventlog": j.notify_level_eventlog,
            "delete_level": j.delete_level,
            "date_created": clock.parse(j.created),
            "date_modified": clock.parse(j.modified),
            "version_number": j.version,
        }
        for j in instance.agent.jobs.all()
    ]


STEPS = (
    "job_id uniqueidentifier not null",
    "step_id int not null",
    "step_name sysname not null",
    "subsystem nvarchar(40) not null",
    "command nvarchar(max)",
    "flags int not null",
    "additional_parameters nvarchar(max)",
    "cmdexec_success_code int not null",
    "on_success_action tinyint not null",
    "on_success_step_id int not null",
    "on_fail_action tinyint not null",
    "on_fail_step_id int not null",
    "server sysname",
    "database_name sysname",
    "database_user_name sysname",
    "retry_attempts int not null",
    "retry_interval int not null",
    "os_run_priority int not null",
    "output_file_name nvarchar(200)",
    "last_run_outcome int not null",
    "last_run_duration int not null",
    "last_run_retries int not null",
    "last_run_date int not null",
    "last_run_time int not null",
    "proxy_id int",
    "step_uid uniqueidentifier",
)


def steps(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.sysjobsteps."""
    return [
        {
            "job_id": uuid.UUID(j.job_id),
            "step_id": s.step_id,
            "step_name": s.name,
            "subsystem": s.subsystem,
            "command": s.command,
            "flags": s.flags,
            "cmdexec_success_code": 0,
            "on_success_action": s.on_success,
            "on_success_step_id": s.on_success_step,
            "on_fail_action": s.on_fail,
            "on_fail_step_id": s.on_fail_step,
            "database_name": s.database,
            "retry_attempts": s.retry_attempts,
            "retry_interval": s.retry_interval,
            "os_run_priority": 0,
            "last_run_outcome": s.last_run_outcome,
            "last_run_duration": s.last_run_duration,
            "last_run_retries": 0,
            "last_run_date": s.last_run_date,
            "last_run_time": s.last_run_time,
            "step_uid": uuid.UUID(s.uid),
        }
        for j in instance.agent.jobs.all()
        for s in j.steps
    ]


SCHEDULES = (
    "schedule_id int not null",
    "schedule_uid uniqueidentifier not null",
    "originating_server_id int not null",
    "name sysname not null",
    "owner_sid varbinary(85) not null",
    "enabled int not null",
    "freq_type int not null",
    "freq_interval int not null",
    "freq_subday_type int not null",
    "freq_subday_interval int not null",
    "freq_relative_interval int not null",
    "freq_recurrence_factor int not null",
    "active_start_date int not null",
    "active_end_date int not null",
    "active_start_time int not null",
    "active_end_time int not null",
    "date_created datetime not null",
    "date_modified datetime not null",
    "version_number int not null",
)


def schedules(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.sysschedules."""
    return [
        {
            **s.__dict__,
            "schedule_uid": uuid.UUID(s.schedule_uid),
            "originating_server_id": 0,
            "owner_sid": bytes.fromhex(s.owner_sid),
            "enabled": int(s.enabled),
            "date_created": clock.parse(s.created),
            "date_modified": clock.parse(s.created),
            "version_number": 1,
        }
        for s in instance.agent.jobs.schedules()
    ]


JOB_SCHEDULES = (
    "schedule_id int",
    "job_id uniqueidentifier",
    "next_run_date int not null",
    "next_run_time int not null",
)


def job_schedules(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.sysjobschedules."""
    found = []
    for job in instance.agent.jobs.all():
        for number in job.schedules:
            schedule = instance.agent.jobs.schedule(number)
            due = None if schedule is None or not schedule.enabled else next_run(schedule, clock.now())
            found.append(
                {
                    "schedule_id": number,
                    "job_id": uuid.UUID(job.job_id),
                    "next_run_date": 0 if due is None else clock.date_int(due),
                    "next_run_time": 0 if due is None else clock.time_int(due),
                }
            )
    return found


ACTIVITY = (
    "session_id int not null",
    "job_id uniqueidentifier not null",
    "run_requested_date datetime",
    "run_requested_source sysname",
    "queued_date datetime",
    "start_execution_date datetime",
    "last_executed_step_id int",
    "last_executed_step_date datetime",
    "stop_execution_date datetime",
    "job_history_id int",
    "next_scheduled_run_date datetime",
)


def _next(instance: SandboxInstance, job: Job | None) -> datetime | None:
    return None if job is None else instance.agent.next_due(job)


def activity(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.sysjobactivity, with the rows of earlier Agent sessions."""
    found = []
    docs = dict(instance.store.items("activity"))
    for job in instance.agent.jobs.all() if instance.agent.session_id else ():
        docs.setdefault(
            f"{instance.agent.session_id}/{job.job_id}",
            {"session_id": instance.agent.session_id, "job_id": job.job_id},
        )
    for doc in docs.values():
        current = doc["session_id"] == instance.agent.session_id
        source = doc.get("run_requested_source")
        found.append(
            {
                "session_id": doc["session_id"],
                "job_id": uuid.UUID(doc["job_id"]),
                "run_requested_date": clock.parse(doc.get("run_requested_date")),
                "run_requested_source": None if source is None else str(source),
                "start_execution_date": clock.parse(doc.get("start_execution_date")),
                "last_executed_step_id": doc.get("last_executed_step_id"),
                "last_executed_step_date": clock.parse(doc.get("last_executed_step_date")),
                "stop_execution_date": clock.parse(doc.get("stop_execution_date")),
                "job_history_id": doc.get("job_history_id"),
                "next_scheduled_run_date": _next(instance, instance.agent.jobs.get(doc["job_id"])) if current else None,
            }
        )
    return found


AGENT_SESSIONS = ("session_id int not null", "agent_start_date datetime not null")


def agent_sessions(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.syssessions."""
    return [
        {"session_id": number, "agent_start_date": clock.parse(doc["started"])}
        for number, doc in instance.store.rows("agentsession")
    ]


HISTORY = (
    "instance_id int not null",
    "job_id uniqueidentifier not null",
    "step_id int not null",
    "step_name sysname not null",
    "sql_message_id int not null",
    "sql_severity int not null",
    "message nvarchar(4000)",
    "run_status int not null",
    "run_date int not null",
    "run_time int not null",
    "run_duration int not null",
    "operator_id_emailed int not null",
    "operator_id_netsent int not null",
    "operator_id_paged int not null",
    "retries_attempted int not null",
    "server sysname not null",
)


def history(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.sysjobhistory."""
    zeros = dict.fromkeys(
        ("sql_message_id", "sql_severity", "operator_id_emailed", "operator_id_netsent", "operator_id_paged"), 0
    )
    return [
        {**zeros, **doc, "instance_id": number, "job_id": uuid.UUID(doc["job_id"]), "server": instance.name}
        for number, doc in instance.store.rows("jobhistory")
    ]


SERVERS = (
    "job_id uniqueidentifier not null",
    "server_id int not null",
    "last_run_outcome tinyint not null",
    "last_outcome_message nvarchar(4000)",
    "last_run_date int not null",
    "last_run_time int not null",
    "last_run_duration int not null",
)


def job_servers(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """msdb.dbo.sysjobservers."""
    return [
        {
            "job_id": uuid.UUID(j.job_id),
            "server_id": 0,
            "last_run_outcome": j.last_run_outcome,
            "last_outcome_message": j.last_message,
            "last_run_date": j.last_run_date,
            "last_run_time": j.last_run_time,
            "last_run_duration": j.last_run_duration,
        }
        for j in instance.agent.jobs.all()
        if j.server
    ]


CATEGORY = (
    "category_id int not null",
    "category_class int not null",
    "category_type tinyint not null",
    "name sysname not null",
)


def categories(_: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Rows:  # noqa: ARG001
    """msdb.dbo.syscategories."""
    return [
        {"category_id": number, "category_class": 1, "category_type": 1, "name": name}
        for number, name in CATEGORIES.items()
    ]


VIEWS: dict[str, tuple[Sequence[str], Callable[..., Rows]]] = {
    "msdb.dbo.sysjobs": (JOBS, jobs),
    "msdb.dbo.sysjobs_view": (JOBS, jobs),
    "msdb.dbo.sysjobsteps": (STEPS, steps),
    "msdb.dbo.sysschedules": (SCHEDULES, schedules),
    "msdb.dbo.sysjobschedules": (JOB_SCHEDULES, job_schedules),
    "msdb.dbo.sysjobactivity": (ACTIVITY, activity),
    "msdb.dbo.syssessions": (AGENT_SESSIONS, agent_sessions),
    "msdb.dbo.sysjobhistory": (HISTORY, history),
    "msdb.dbo.sysjobservers": (SERVERS, job_servers),
    "msdb.dbo.syscategories": (CATEGORY, categories),
}
