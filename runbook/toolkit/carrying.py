"""Whether logins and jobs can go along to the new server, asked before the night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runbook.errors import NotSupported
from runbook.ports import SqlServerReader
from runbook.toolkit.principals import OF_EVERY_SERVER, JobFacts, LoginMark, clash, is_local, job_digest


def login_clashes(logins: Sequence[LoginMark], existing: Sequence[LoginMark], machine: str) -> tuple[str, ...]:
    """Logins of the source (on ``machine``) that cannot be made beside those of the target, and why."""
    found = (clash(login, existing) for login in logins if not is_local(login, machine))
    return tuple(why for why in found if why)


def jobs_of(reader: SqlServerReader) -> tuple[tuple[JobFacts, ...], tuple[str, ...]]:
    """The jobs of a server without those that every server has, and why some of them cannot be carried."""
    jobs: list[JobFacts] = []
    refused: list[str] = []
    for job in reader.jobs():
        if job.name in OF_EVERY_SERVER:
            continue
        try:
            digest = job_digest(reader.job_definition(job.job_id))
        except NotSupported as error:
            refused.append(error.message)
            continue
        jobs.append(JobFacts(job.job_id, job.name, job.owner, job.enabled, digest))
    return tuple(jobs), tuple(refused)


def job_clashes(jobs: Sequence[JobFacts], existing: Sequence[JobFacts]) -> tuple[str, ...]:
    """Jobs of the source whose names the target uses for something else, and why that is in the way."""
    return tuple(_clashes(jobs, {job.name.casefold(): job for job in existing}))


def _clashes(jobs: Sequence[JobFacts], existing: dict[str, JobFacts]) -> Iterator[str]:
    for job in jobs:
        other = existing.get(job.name.casefold())
        if other is None:
            continue
        if other.digest != job.digest:
            yield f"{other.name} exists and does something else"
        elif other.enabled:
            yield f"{other.name} exists and is enabled"
