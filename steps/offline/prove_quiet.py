"""Nobody is left who could write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runbook.api import (
    DatabaseState,
    Decision,
    Finding,
    GateState,
    JobsBefore,
    LightDatabaseStep,
    Phase,
    QuietMark,
    ReadContext,
    UserAccess,
    await_silence,
    is_open,
    judged,
    source_of,
)

PATIENCE = 5.0
"""Seconds for monitors that come and go: one of them at the wrong moment is no reason to turn back."""


@dataclass(frozen=True)
class Facts:
    """The database, and everybody who could still write to it."""

    server: str
    database: str
    state: DatabaseState | None = DatabaseState.ONLINE
    user_access: UserAccess = UserAccess.RESTRICTED_USER
    has_gate: bool = True
    gate: GateState = GateState.CLOSED
    sessions: tuple[str, ...] = ()
    running_jobs: tuple[str, ...] = ()
    enabled_jobs: tuple[str, ...] = ()
    """Jobs this run had disabled and that somebody enabled again."""
    log_sequence: str = ""


class ProveQuiet(LightDatabaseStep):
    """Prove that nobody is left who could write to the database."""

    phase = Phase.OFFLINE
    after = ("drain-sessions", "prove-stopped")

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        reader = ctx.reader(server)
        sessions = await_silence(ctx, lambda: _inside(ctx, server, self.key), PATIENCE)
        before = ctx.find_kept("disable-jobs", JobsBefore) or JobsBefore()
        disabled = {job.job_id.lower() for job in before.enabled}
        jobs = reader.jobs()
        info = reader.database(self.key)
        return Facts(
            server=server,
            database=self.key,
            state=None if info is None else info.state,
            user_access=UserAccess.MULTI_USER if info is None else info.user_access,
            has_gate=ctx.plan.gate.kind != "none",
            gate=ctx.gate_reader.observe(),
            sessions=sessions,
            running_jobs=tuple(job.name for job in jobs if job.running),
            enabled_jobs=tuple(job.name for job in jobs if job.enabled and job.job_id.lower() in disabled),
            log_sequence=reader.log_sequence(self.key) if is_open(info) else "",
        )

    def decide(self, facts: Facts) -> Decision:
        quiet = f"nobody is left who could write to {facts.database}"
        return judged(_problems(facts), quiet, QuietMark(facts.log_sequence))


def _inside(ctx: ReadContext, server: str, database: str) -> tuple[str, ...]:
    sessions = ctx.reader(server).sessions(database)
    return tuple(f"{one.login} ({one.program} on {one.host})" for one in sessions)


def _problems(facts: Facts) -> Iterator[Finding]:
    where = f"{facts.database} on {facts.server}"
    if facts.state is not DatabaseState.ONLINE:
        yield Finding(f"{where} is {facts.state or 'not there'}", "Find out who did that.")
    elif facts.user_access is not UserAccess.RESTRICTED_USER:
        yield Finding(f"{where} is {facts.user_access} again", "Find out who opened it.")
    if facts.has_gate and facts.gate is not GateState.CLOSED:
        yield Finding(f"the gate is {facts.gate} again", "Find out who opened it or put something in its place.")
    for session in facts.sessions:
        yield Finding(f"{session} is in {where}", "Stop that program or disable its login.")
    for job in facts.running_jobs:
        yield Finding(f"job {job} runs on {facts.server}", "Find out who started it.")
    for job in facts.enabled_jobs:
        yield Finding(f"job {job} on {facts.server} was enabled again", "Find out who enabled it.")
