"""The offline phase on fakes, step by step, and the usual world on the evening before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from runbook.api import DatabaseStep, Decision, Skip, Step
from runbook.plan.models import Plan
from runbook.testing import PowerCut, World
from runbook.testing.bench import BenchContext, StepBench
from runbook.testing.plans import mailer_plan
from steps.offline.close_gate import CloseGate
from steps.offline.disable_jobs import DisableJobs
from steps.offline.drain_sessions import DrainSessions
from steps.offline.probe_closed import ProbeClosed
from steps.offline.prove_quiet import ProveQuiet
from steps.offline.restrict_database import RestrictDatabase
from steps.offline.stop_jobs import StopJobs

OFFLINE: tuple[type[Step], ...] = (
    CloseGate,
    ProbeClosed,
    DisableJobs,
    StopJobs,
    RestrictDatabase,
    DrainSessions,
    ProveQuiet,
)
BUSY = 120.0
"""Seconds the running job of the busy world runs."""


class Evening:
    """A world, a plan and a bench; steps are named by their class."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.bench = StepBench(BenchContext(world, plan))

    @classmethod
    def of(cls, directory: Path, strategy: str = "side-by-side", **options: Any) -> Evening:
        """The usual world, with one database unless told otherwise."""
        options.setdefault("databases", ("Contacts",))
        return cls(World.mailer(), mailer_plan(directory, strategy, **options))

    @classmethod
    def busy(cls, directory: Path, **options: Any) -> Evening:
        """A job runs, and an administrator is in the database: every step of the phase has something to do."""
        evening = cls.of(directory, **options)
        evening.run_job("nightly-rollup", BUSY)
        evening.old.connect("Contacts", "boss", privileged=True)
        return evening

    @property
    def ctx(self) -> BenchContext:
        return self.bench.ctx

    @property
    def old(self) -> Any:
        """The old server's side of the world."""
        return self.world.servers["old"]

    def job(self, name: str) -> Any:
        """An Agent job of the old server."""
        return next(job for job in self.old.jobs.values() if job.definition.name == name)

    def run_job(self, name: str, seconds: float) -> None:
        """It runs for that long."""
        self.job(name).running_until = self.world.clock.now() + timedelta(seconds=seconds)

    def enabled(self) -> dict[str, bool]:
        """Which jobs are enabled."""
        return {job.definition.name: job.enabled for job in self.old.jobs.values()}

    def step(self, kind: type[Step], key: str | None = None) -> Step:
        """A step of that kind."""
        return kind(self.plan, key or ("Contacts" if issubclass(kind, DatabaseStep) else None))

    def do(self, *kinds: type[Step]) -> Decision:
        """Do these steps, for every key; returns the last decision."""
        decision: Decision = Skip("nothing to do")
        for kind in kinds:
            for key in kind.keys(self.plan):
                decision = self.bench.do(kind(self.plan, key))
        return decision

    def until(self, kind: type[Step]) -> Evening:
        """Do everything of the phase that comes before."""
        self.do(*OFFLINE[: OFFLINE.index(kind)])
        return self

    def back(self) -> None:
        """Undo everything that is owed, last first."""
        for identity in reversed(tuple(self.bench.undos)):
            name, _, key = identity.removesuffix("]").partition("[")
            kind = next(one for one in OFFLINE if one.name == name)
            self.bench.undo(kind(self.plan, key or None))

    def crash(self) -> None:
        """The process dies; a new one reads the same records."""
        self.bench = self.bench.crashed()

    def cut_off(self, action: Callable[[], object], at: int) -> bool:
        """Pull the plug at the ``at``-th moment of an action; False when it was over before."""
        self.world.pull_plug(at)
        try:
            action()
        except PowerCut:
            self.crash()
            return True
        self.world.pull_plug(10**9)
        return False
