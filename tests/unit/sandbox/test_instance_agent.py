"""SQL Server Agent: jobs really run, schedules are kept, history tells what happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from runbook.sandbox.contract import SqlError
from runbook.sandbox.instance.instance import SandboxInstance
from runbook.sandbox.instance.schedules import Schedule, next_run
from tests.unit.sandbox.test_instance_fakes import FakeSession, connect, eventually, server


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[SandboxInstance]:
    found = server(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def sa(instance: SandboxInstance) -> FakeSession:
    return connect(instance)


def job(sa: FakeSession, name: str, *commands: str, **step: Any) -> str:
    """A job with a step per command; returns its id."""
    made = sa.call("msdb.dbo.sp_add_job", **{"@job_name": name, "@job_id": None})["@job_id"]
    for number, command in enumerate(commands, 1):
        arguments = {"job_name": name, "step_name": f"s{number}", "command": command, "on_success_action": 3}
        sa.call("sp_add_jobstep", **{f"@{k}": v for k, v in {**arguments, **step}.items()})
    sa.call("sp_add_jobserver", **{"@job_name": name})
    return str(made)


def history(sa: FakeSession) -> list[tuple[int, int]]:
    return [(r["step_id"], r["run_status"]) for r in sa.view("msdb.dbo.sysjobhistory")]


def ended(sa: FakeSession) -> bool:
    return any(r["step_id"] == 0 for r in sa.view("msdb.dbo.sysjobhistory"))


def test_job_runs_its_steps_in_order(instance: SandboxInstance, sa: FakeSession) -> None:
    """Both steps have their effect, history has a row a step and the outcome, activity has start and stop."""
    job(sa, "two", "CREATE DATABASE one", "CREATE DATABASE two")
    sa.call("sp_start_job", "two")
    eventually(lambda: ended(sa))
    assert history(sa) == [(1, 1), (2, 1), (0, 1)]
    assert instance.find("two") is not None
    activity = sa.view("msdb.dbo.sysjobactivity")[0]
    assert activity["start_execution_date"] <= activity["stop_execution_date"]
    assert [e.spid for e in instance.registry.all()] == [sa.spid], "the step's session is gone"


def test_failing_step_fails_the_job(sa: FakeSession) -> None:
    """The error is in the message, later steps do not run, the outcome is failed."""
    job(sa, "bad", "USE nowhere", "CREATE DATABASE never")
    sa.call("sp_start_job", "bad")
    eventually(lambda: ended(sa))
    assert history(sa) == [(1, 0), (0, 0)]
    assert "(Error 911)" in sa.view("msdb.dbo.sysjobhistory")[0]["message"]


def test_failing_step_may_go_on_and_retry(sa: FakeSession) -> None:
    """Two retries are in the history as status 2; on_fail_action 3 goes to the next step."""
    job(sa, "stubborn", "USE nowhere", "CREATE DATABASE after", on_fail_action=3, retry_attempts=2, retry_interval=0)
    sa.call("sp_start_job", "stubborn")
    eventually(lambda: ended(sa))
    assert history(sa) == [(1, 2), (1, 2), (1, 0), (2, 1), (0, 1)]


def test_stop_job_cancels_what_runs(instance: SandboxInstance, sa: FakeSession) -> None:
    """A running job is seen as such, refuses a second start (22022), and stops with status 3; a stopped one refuses
    to stop again."""
    sa.run("CREATE DATABASE db")
    holder = connect(instance, database="db")
    job(sa, "long", "ALTER DATABASE db SET OFFLINE")
    sa.call("sp_start_job", "long")
    eventually(lambda: any("SQLAgent" in e.session.app for e in instance.registry.all()))
    row = sa.view("msdb.dbo.sysjobactivity")[0]
    assert row["start_execution_date"] is not None
    assert row["stop_execution_date"] is None
    with pytest.raises(SqlError, match="22022"):
        sa.call("sp_start_job", "long")
    sa.call("sp_stop_job", "long")
    eventually(lambda: ended(sa))
    assert history(sa) == [(1, 3), (0, 3)]
    with pytest.raises(SqlError, match="22022"):
        sa.call("sp_stop_job", "long")
    holder.close()


def test_killed_step_is_a_failed_step(instance: SandboxInstance, sa: FakeSession) -> None:
    """KILL of the job's session fails the step."""
    sa.run("CREATE DATABASE db")
    connect(instance, database="db")
    job(sa, "long", "ALTER DATABASE db SET OFFLINE")
    sa.call("sp_start_job", "long")
    eventually(lambda: any(r["program_name"].startswith("SQLAgent - TSQL") for r in sa.view("sys.dm_exec_sessions")))
    eventually(lambda: any(r["request_status"] == "WAIT" for r in sa.view("sys.dm_tran_locks")))
    victim = next(e.spid for e in instance.registry.all() if e.session.app.startswith("SQLAgent"))
    sa.run(f"KILL {victim}")
    eventually(lambda: ended(sa))
    assert history(sa) == [(1, 0), (0, 0)]


def test_schedule_starts_only_enabled_jobs(instance: SandboxInstance, sa: FakeSession) -> None:
    """Every second: the enabled job runs, the disabled job and the disabled schedule do not; disabling stops it."""
    every_second = {"@freq_type": 4, "@freq_interval": 1, "@freq_subday_type": 2, "@freq_subday_interval": 1}
    for name in ("on", "off", "paused"):
        job(sa, name, "CHECKPOINT")
        enabled = {"@enabled": 0} if name == "paused" else {}
        sa.call("sp_add_jobschedule", **{"@job_name": name, "@name": name, **every_second, **enabled})
    sa.call("sp_update_job", **{"@job_name": "off", "@enabled": 0})
    eventually(lambda: ended(sa))
    names = {str(UUID(str(r["job_id"]))): r["name"] for r in sa.view("msdb.dbo.sysjobs")}
    ran = {names[str(r["job_id"])] for r in sa.view("msdb.dbo.sysjobhistory")}
    assert ran == {"on"}
    sa.call("sp_update_job", **{"@job_name": "on", "@enabled": 0})
    eventually(lambda: not instance.agent.running())
    count = len(history(sa))
    time.sleep(1.3)
    assert len(history(sa)) == count


def test_disabled_job_can_be_started_by_hand(sa: FakeSession) -> None:
    """Disabling keeps schedules off, not people."""
    job(sa, "j", "CHECKPOINT")
    sa.call("sp_update_job", **{"@job_name": "j", "@enabled": 0})
    sa.call("sp_start_job", "j")
    eventually(lambda: ended(sa))
    assert sa.view("msdb.dbo.sysjobs")[0]["enabled"] == 0


def test_unknown_jobs_and_steps_are_refused(sa: FakeSession) -> None:
    """14262 by name and by id, 14261 for a second job of the name, 14256 without steps, 8145 for a wrong parameter."""
    job(sa, "j")
    for number, name, arguments in (
        (14262, "sp_start_job", {"@job_name": "nowhere"}),
        (14262, "sp_update_job", {"@job_id": "00000000-0000-0000-0000-000000000000", "@enabled": 1}),
        (14261, "sp_add_job", {"@job_name": "J"}),
        (14256, "sp_start_job", {"@job_name": "j"}),
        (8145, "sp_start_job", {"@jobname": "j"}),
    ):
        with pytest.raises(SqlError) as refused:
            sa.call(name, **arguments)
        assert refused.value.number == number


def test_deleted_job_takes_its_own_schedule_along(sa: FakeSession) -> None:
    """A schedule two jobs share stays."""
    job(sa, "a", "CHECKPOINT")
    job(sa, "b", "CHECKPOINT")
    for name in ("own", "shared"):
        sa.call("sp_add_schedule", **{"@schedule_name": name, "@freq_type": 4, "@freq_interval": 1})
        sa.call("sp_attach_schedule", **{"@job_name": "a", "@schedule_name": name})
    sa.call("sp_attach_schedule", **{"@job_name": "b", "@schedule_name": "shared"})
    sa.call("sp_delete_job", **{"@job_name": "a"})
    assert [r["name"] for r in sa.view("msdb.dbo.sysschedules")] == ["shared"]


def test_activity_of_a_dead_agent_session_stays_running(tmp_path: Path) -> None:
    """After a crash the old row still has no stop: only the newest session's rows tell what runs."""
    first = server(tmp_path / "s")
    sa = connect(first)
    sa.run("CREATE DATABASE db")
    connect(first, database="db")
    job(sa, "long", "ALTER DATABASE db SET OFFLINE")
    sa.call("sp_start_job", "long")
    eventually(lambda: sa.view("msdb.dbo.sysjobactivity")[0]["last_executed_step_id"] == 1)
    saved = dict(first.store.items("activity"))
    first.stop()
    second = server(tmp_path / "s")
    for key, doc in saved.items():
        second.store.put("activity", key, doc)
    sa = connect(second)
    rows = sa.view("msdb.dbo.sysjobactivity")
    newest = max(r["session_id"] for r in sa.view("msdb.dbo.syssessions"))
    running = {r["session_id"] for r in rows if r["start_execution_date"] and not r["stop_execution_date"]}
    assert newest == 2
    assert running == {1}
    second.stop()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("fields", "after", "due"),
    [
        ({"freq_type": 4, "freq_interval": 1, "active_start_time": 20000}, "2026-01-31T01:00", "2026-01-31T02:00"),
        ({"freq_type": 4, "freq_interval": 1, "active_start_time": 20000}, "2026-01-31T02:00", "2026-02-01T02:00"),
        ({"freq_type": 4, "freq_interval": 3, "active_start_date": 20260101}, "2026-01-01T12:00", "2026-01-04T00:00"),
        (
            {"freq_type": 4, "freq_interval": 1, "freq_subday_type": 4, "freq_subday_interval": 15},
            "2026-01-31T10:07:30",
            "2026-01-31T10:15",
        ),
        (
            {"freq_type": 4, "freq_interval": 1, "freq_subday_type": 8, "freq_subday_interval": 1,
             "active_start_time": 80000, "active_end_time": 180000},
            "2026-01-31T18:00",
            "2026-02-01T08:00",
        ),
        ({"freq_type": 8, "freq_interval": 65, "freq_recurrence_factor": 1}, "2026-01-30T00:00", "2026-01-31T00:00"),
        ({"freq_type": 16, "freq_interval": 31, "freq_recurrence_factor": 1}, "2026-01-31T01:00", "2026-03-31T00:00"),
        ({"freq_type": 1, "active_start_date": 20260131, "active_start_time": 93000}, "2026-01-01", "2026-01-31T09:30"),
        ({"freq_type": 1, "active_start_date": 20260131}, "2026-02-01", None),
        ({"freq_type": 4, "freq_interval": 1, "active_end_date": 20260131}, "2026-01-31T12:00", None),
    ],
)  # fmt: skip
def test_schedules_are_due_when_msdb_says(fields: dict[str, int], after: str, due: str | None) -> None:
    """Daily, every n minutes, within hours, weekly, monthly (only months that have the day), once, expired."""
    schedule = Schedule(1, "s", **fields)  # type: ignore[arg-type]
    assert next_run(schedule, at(after)) == (None if due is None else at(due))
