"""SQL Server Agent jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runbook.adapters.sqlserver.client import Client, optional
from runbook.adapters.sqlserver.tsql import agent as text
from runbook.errors import NotSupported, ServerError
from runbook.ports import AgentJob, JobDefinition, JobSchedule, JobStep

NOT_RUNNING = 22022
NO_SUCH_JOB = 14262
GO_TO_STEP = 4


def has_agent(client: Client) -> bool:
    """Whether jobs can exist there."""
    return bool(client.read(text.has_agent()).value())


def jobs(client: Client) -> tuple[AgentJob, ...]:
    """All jobs; none where there is no Agent."""
    if not has_agent(client):
        return ()
    return tuple(
        AgentJob(row["job_id"], row["name"], bool(row["enabled"]), bool(row["running"]), optional(row["owner"]))
        for row in client.read(text.jobs()).dicts()
    )


def definition(client: Client, job_id: str) -> JobDefinition:
    """All of a job. Raises NotSupported for one that could only be created differently."""
    found, steps, schedules = client.read_all([text.job(job_id), text.job_steps(job_id), text.job_schedules(job_id)])
    if not found.first.rows:
        raise ServerError(f"{client.role}: there is no job {job_id}", number=NO_SUCH_JOB)
    row = found.dicts()[0]
    _refuse_what_would_be_lost(client.role, row["name"], steps.dicts())
    return JobDefinition(
        name=row["name"],
        enabled=bool(row["enabled"]),
        description=optional(row["description"]),
        owner=optional(row["owner"]),
        start_step_id=row["start_step_id"],
        steps=tuple(_step(step) for step in steps.dicts()),
        schedules=tuple(_schedule(schedule) for schedule in schedules.dicts()),
    )


def _refuse_what_would_be_lost(role: str, job: str, steps: Sequence[Mapping[str, Any]]) -> None:
    for step in steps:
        lost = {
            "jumps to another step": GO_TO_STEP in (step["on_success_action"], step["on_fail_action"]),
            "runs under a proxy": step["proxy_id"] is not None,
            "writes an output file": bool(step["output_file_name"]),
        }
        for what, is_so in lost.items():
            if is_so:
                raise NotSupported(
                    f"{role}: step {step['step_id']} of job {job} {what}, which cannot be carried along",
                    hint="Create that job on the new server yourself before the window.",
                )


def _step(row: Mapping[str, Any]) -> JobStep:
    return JobStep(
        step_id=row["step_id"],
        name=row["step_name"],
        subsystem=row["subsystem"],
        command=optional(row["command"]),
        database=row["database_name"],
        on_success_action=row["on_success_action"],
        on_fail_action=row["on_fail_action"],
        retry_attempts=row["retry_attempts"],
        retry_interval=row["retry_interval"],
    )


def _schedule(row: Mapping[str, Any]) -> JobSchedule:
    numbers = {column: int(row[column] or 0) for column in text.SCHEDULE_NUMBERS}
    return JobSchedule(name=row["name"], enabled=bool(row["enabled"]), **numbers)


def stop(client: Client, job_id: str) -> None:
    """Ask a job to stop; one that does not run is no error."""
    _unless(NOT_RUNNING, client, text.stop(job_id))


def delete(client: Client, name: str) -> None:
    """Delete a job; one that is not there is no error."""
    _unless(NO_SUCH_JOB, client, text.delete(name))


def _unless(expected: int, client: Client, sql: str) -> None:
    try:
        client.effect(sql)
    except ServerError as e:
        if e.number != expected:
            raise
