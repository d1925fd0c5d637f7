"""SQL Server Agent, through its procedures: a change of the tables would not reach the Agent's cache."""

from __future__ import annotations

from runbook.adapters.sqlserver.tsql.quoting import guid, literal, long_text, number
from runbook.ports import JobDefinition, JobSchedule, JobStep


def has_agent() -> str:
    """1 where jobs can exist: every edition but Express."""
    return "SELECT CASE WHEN CAST(SERVERPROPERTY('EngineEdition') AS int) = 4 THEN 0 ELSE 1 END AS has_agent"


def jobs() -> str:
    """All jobs. Running is what the newest Agent session says: rows of older ones were left by a crash."""
    return (
        "SELECT CONVERT(nvarchar(36), j.job_id) AS job_id, j.name, j.enabled, SUSER_SNAME(j.owner_sid) AS owner,\n"
        "       CASE WHEN j.job_id IN (SELECT a.job_id FROM msdb.dbo.sysjobactivity AS a\n"
        "                              WHERE a.session_id = (SELECT MAX(s.session_id) FROM msdb.dbo.syssessions AS s)\n"
        "                                AND a.start_execution_date IS NOT NULL AND a.stop_execution_date IS NULL)\n"
        "            THEN 1 ELSE 0 END AS running\n"
        "FROM msdb.dbo.sysjobs AS j ORDER BY j.name"
    )


def job(job_id: str) -> str:
    """One job."""
    return (
        "SELECT j.name, j.enabled, j.description, j.start_step_id, SUSER_SNAME(j.owner_sid) AS owner\n"
        f"FROM msdb.dbo.sysjobs AS j WHERE j.job_id = {guid(job_id)}"
    )


def job_steps(job_id: str) -> str:
    """Steps of a job, with what cannot be carried along (``proxy_id``, ``output_file_name``, jumps)."""
    return (
        "SELECT s.step_id, s.step_name, s.subsystem, s.command, s.database_name, s.on_success_action,\n"
        "       s.on_fail_action, s.retry_attempts, s.retry_interval, s.proxy_id, s.output_file_name\n"
        f"FROM msdb.dbo.sysjobsteps AS s WHERE s.job_id = {guid(job_id)} ORDER BY s.step_id"
    )


SCHEDULE_NUMBERS = (
    "freq_type",
    "freq_interval",
    "freq_subday_type",
    "freq_subday_interval",
    "freq_relative_interval",
    "freq_recurrence_factor",
    "active_start_date",
    "active_end_date",
    "active_start_time",
    "active_end_time",
)


def job_schedules(job_id: str) -> str:
    """Schedules of a job."""
    numbers = ", ".join(f"s.{column}" for column in SCHEDULE_NUMBERS)
    return (
        f"SELECT s.name, s.enabled, {numbers}\n"
        "FROM msdb.dbo.sysschedules AS s JOIN msdb.dbo.sysjobschedules AS j ON j.schedule_id = s.schedule_id\n"
        f"WHERE j.job_id = {guid(job_id)} ORDER BY s.name, s.schedule_id"
    )


def set_enabled(job_id: str, enabled: bool) -> str:
    """Enable or disable a job."""
    return f"EXEC msdb.dbo.sp_update_job @job_id = {guid(job_id)}, @enabled = {number(enabled)}"


def stop(job_id: str) -> str:
    """Ask a running job to stop; it ends a little later."""
    return f"EXEC msdb.dbo.sp_stop_job @job_id = {guid(job_id)}"


def delete(job_name: str) -> str:
    """Delete a job and the schedules nobody else uses."""
    return f"EXEC msdb.dbo.sp_delete_job @job_name = {literal(job_name)}, @delete_unused_schedule = 1"


def create(definition: JobDefinition) -> str:
    """Create a job, disabled, all of it or nothing.

    What procedures of msdb raise does not end a batch, whatever XACT_ABORT says: without TRY the rest would run and
    half a job be committed.
    """
    parts = [
        "DECLARE @job uniqueidentifier, @text nvarchar(max);",
        "BEGIN TRY",
        "BEGIN TRANSACTION;",
        f"SET @text = {long_text(definition.description)};",
        f"EXEC msdb.dbo.sp_add_job @job_name = {literal(definition.name)}, @enabled = 0, @description = @text,"
        f"{_owner(definition.owner)} @job_id = @job OUTPUT;",
        *(_add_step(step) for step in definition.steps),
        *([_start_at(definition.start_step_id)] if definition.steps else []),
        *(_add_schedule(schedule) for schedule in definition.schedules),
        "EXEC msdb.dbo.sp_add_jobserver @job_id = @job, @server_name = N'(local)';",
        "COMMIT TRANSACTION;",
        "END TRY",
        "BEGIN CATCH",
        "IF XACT_STATE() <> 0 ROLLBACK TRANSACTION;",
        "THROW;",
        "END CATCH;",
    ]
    return "\n".join(parts)


def _owner(login: str) -> str:
    return f" @owner_login_name = {literal(login)}," if login else ""


def _add_step(step: JobStep) -> str:
    database = f", @database_name = {literal(step.database)}" if step.database is not None else ""
    return (
        f"SET @text = {long_text(step.command)};\n"
        f"EXEC msdb.dbo.sp_add_jobstep @job_id = @job, @step_id = {number(step.step_id)},"
        f" @step_name = {literal(step.name)}, @subsystem = {literal(step.subsystem)}, @command = @text{database},"
        f" @on_success_action = {number(step.on_success_action)}, @on_fail_action = {number(step.on_fail_action)},"
        f" @retry_attempts = {number(step.retry_attempts)}, @retry_interval = {number(step.retry_interval)};"
    )


def _start_at(step_id: int) -> str:
    return f"EXEC msdb.dbo.sp_update_job @job_id = @job, @start_step_id = {number(step_id)};"


def _add_schedule(schedule: JobSchedule) -> str:
    numbers = "".join(f", @{column} = {number(getattr(schedule, column))}" for column in SCHEDULE_NUMBERS)
    return (
        f"EXEC msdb.dbo.sp_add_jobschedule @job_id = @job, @name = {literal(schedule.name)},"
        f" @enabled = {number(schedule.enabled)}{numbers};"
    )
