"""Whether logins and jobs can go along to the new server, asked before the night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runbook.errors import NotSupported
from runbook.ports import SqlServerReader
from runbook.toolkit.principals import (
    OF_EVERY_SERVER,
    SYSTEM_DATABASES,
    JobFacts,
    LoginMark,
    clash,
    is_known,
    is_local,
    job_digest,
)


@dataclass(frozen=True)
class SurveyedJob:
    """A job and the databases its steps name."""

    job: JobFacts
    databases: tuple[str, ...] = ()


def login_clashes(logins: Sequence[LoginMark], existing: Sequence[LoginMark], machine: str) -> tuple[str, ...]:
    """Logins of the source (on ``machine``) that cannot be made beside those of the target, and why."""
    found = (clash(login, existing) for login in logins if not is_local(login, machine))
    return tuple(why for why in found if why)


def jobs_of(reader: SqlServerReader) -> tuple[tuple[SurveyedJob, ...], tuple[str, ...]]:
    """The jobs of a server without those that every server has, and why some of them cannot be carried."""
    jobs: list[SurveyedJob] = []
    refused: list[str] = []
    for job in reader.jobs():
        if job.name in OF_EVERY_SERVER:
            continue
        try:
            definition = reader.job_definition(job.job_id)
        except NotSupported as error:
            refused.append(error.message)
            continue
        facts = JobFacts(job.job_id, job.name, job.owner, job.enabled, job_digest(definition))
        named = dict.fromkeys(step.database for step in definition.steps if step.database)
        jobs.append(SurveyedJob(facts, tuple(named)))
    return tuple(jobs), tuple(refused)


def job_clashes(jobs: Sequence[SurveyedJob], existing: Sequence[SurveyedJob], logins: Sequence[str]) -> tuple[str, ...]:
    """Jobs that cannot be made on a server with these jobs and (in the end) these logins, and why."""
    there = {one.job.name.casefold(): one.job for one in existing}
    found = (_clash(one.job, there.get(one.job.name.casefold()), logins) for one in jobs)
    return tuple(why for why in found if why)


def _clash(job: JobFacts, other: JobFacts | None, logins: Sequence[str]) -> str:
    if other is None:
        return "" if is_known(job.owner, logins) else f"{job.name} is owned by {job.owner or 'nobody who is left'}"
    if other.digest != job.digest:
        return f"{other.name} exists and does something else"
    return f"{other.name} exists and is enabled" if other.enabled else ""


def left_behind(jobs: Sequence[SurveyedJob], moved: Sequence[str]) -> Iterator[str]:
    """Enabled jobs that work in databases which do not move: on a shared server they need somebody's decision."""
    known = {name.casefold() for name in moved} | SYSTEM_DATABASES
    for one in jobs:
        others = [name for name in one.databases if name.casefold() not in known]
        if one.job.enabled and others:
            yield f"job {one.job.name} works in {', '.join(others)}, which the plan does not move"
