"""Logins and jobs that go along to the new server: what must be made, and what is in the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from runbook.ports import JobDefinition, Login, SqlServerReader

SYSTEM_DATABASES = frozenset({"master", "model", "msdb", "tempdb"})
BUILT_IN = ("NT SERVICE\\", "NT AUTHORITY\\", "BUILTIN\\", "##")
"""Principals that every server has of its own."""
OF_EVERY_SERVER = frozenset({"syspolicy_purge_history"})
"""Jobs that setup creates."""


@dataclass(frozen=True)
class LoginMark:
    """A login without what is secret about it."""

    name: str
    kind: str
    sid: str
    default_database: str = "master"

    @classmethod
    def of(cls, login: Login) -> LoginMark:
        """What may be recorded of a login."""
        return cls(login.name, login.kind, login.sid, login.default_database)

    def same(self, other: LoginMark) -> bool:
        """True when it is the same principal; Windows says itself who its own are."""
        named = self.name.casefold() == other.name.casefold()
        return named and (self.kind != "S" or self.sid.lower() == other.sid.lower())


@dataclass(frozen=True)
class JobFacts:
    """A job, its owner, and a digest of all that it does."""

    job_id: str
    name: str
    owner: str
    enabled: bool
    digest: str


def login_marks(reader: SqlServerReader) -> tuple[LoginMark, ...]:
    """The logins of a server, by name."""
    return tuple(sorted(map(LoginMark.of, reader.logins()), key=lambda login: login.name))


def clash(login: LoginMark, others: Iterable[LoginMark]) -> str:
    """Why a login cannot be made beside others; empty when it can, or is there already."""
    for other in others:
        if login.same(other):
            return ""
        if login.name.casefold() == other.name.casefold():
            return f"{login.name} exists with another SID"
        if login.sid.lower() == other.sid.lower():
            return f"{login.name} has the SID of {other.name}"
    return ""


def is_local(login: LoginMark | Login, machine: str) -> bool:
    """True for a Windows account of the machine itself: it means nothing on another one."""
    domain, backslash, _ = login.name.partition("\\")
    return login.kind != "S" and bool(backslash) and domain.casefold() == machine.casefold()


def with_default(login: Login, databases: Iterable[str]) -> Login:
    """The login with a default database that is there: SQL Server refuses any other."""
    known = {name.casefold() for name in databases} | SYSTEM_DATABASES
    return login if login.default_database.casefold() in known else replace(login, default_database="master")


def job_marks(reader: SqlServerReader) -> tuple[JobFacts, ...]:
    """The jobs of a server, by name, without those that every server has."""
    jobs = sorted((job for job in reader.jobs() if job.name not in OF_EVERY_SERVER), key=lambda job: job.name)
    return tuple(
        JobFacts(job.job_id, job.name, job.owner, job.enabled, job_digest(reader.job_definition(job.job_id)))
        for job in jobs
    )


def job_digest(definition: JobDefinition) -> str:
    """Changes with anything a job does, not with whether it is enabled."""
    return hashlib.sha256(repr(asdict(replace(definition, enabled=False))).encode()).hexdigest()[:16]


def is_known(owner: str, logins: Sequence[str]) -> bool:
    """True when a server with these logins can make that principal the owner of something."""
    return owner == "sa" or owner.startswith(BUILT_IN) or owner.casefold() in {name.casefold() for name in logins}
